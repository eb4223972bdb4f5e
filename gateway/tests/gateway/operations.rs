//! The operations interface: who gets in, and what they see.

mod dead_letters;
mod report;

use std::time::Duration;

use flashsale_domain::{
    id::{ProductId, SaleId},
    outcome::Outcome,
};
use flashsale_queue::{
    figures::{self, ProcessFigures, WorkerFigures},
    keys::SaleKeys,
    orders,
};
use serde_json::{Value, json};

use crate::support::{
    Gateway, World, all, client::Answer, client::Client, eventually, one_product, socket::Socket,
};

const TOKEN: &str = "a-token-for-tests";

const ARGUMENTS: [&str; 4] = ["--auth-mode", "off", "--operations-token", TOKEN];

const FIGURES: &str = "/operations/figures";

const LETTERS: &str = "/operations/sales/drop/dead-letters";

async fn post(client: &Client, path: &str, body: &Value) -> Answer {
    let bearer = format!("Bearer {TOKEN}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
    ];
    let body = body.to_string();
    client
        .request("POST", path, &headers, body.as_bytes())
        .await
}

async fn figures(gateway: &Gateway) -> Value {
    let answer = gateway.client.get_as(FIGURES, TOKEN).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    answer.json()
}

/// Everything that the history has of `sale` under `name`, summed.
async fn summed(gateway: &Gateway, sale: &str, name: &str) -> u64 {
    let history = gateway.client.get_as("/operations/history", TOKEN).await;
    let history = history.json();
    assert_eq!(history["seconds"], 120);
    let figures = history["sales"][sale][name].as_array();
    let figures = figures.into_iter().flatten();
    figures.map(|figure| figure.as_u64().unwrap()).sum()
}

#[tokio::test]
async fn without_a_token_operations_are_not_there() {
    let world = World::new().await;
    world.announce("drop", one_product("p", 10)).await;
    let gateway = world.gateway().await;
    for path in [FIGURES, "/operations/history", LETTERS] {
        let answer = gateway.client.get_as(path, TOKEN).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (404, "not-found")
        );
        // No more is told than of an address that is not there.
        let nothing = gateway.client.get("/nothing").await;
        assert_eq!(answer.json(), nothing.json());
    }
    for act in ["replay", "discard"] {
        let path = format!("{LETTERS}/{act}");
        let answer = post(&gateway.client, &path, &json!({ "ids": ["1-0"] })).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (404, "not-found")
        );
    }
    assert_eq!(
        gateway.client.get("/session").await.json()["operations"],
        false
    );
    let auth = json!({ "token": TOKEN });
    let socket = Socket::connect_to(gateway.client.address, "/operations", &auth).await;
    assert!(
        socket.handshake.starts_with("44/operations,"),
        "{}",
        socket.handshake
    );
}

#[tokio::test]
async fn only_the_token_opens_operations_and_attempts_are_counted() {
    let world = World::new().await;
    world.announce("drop", one_product("p", 10)).await;
    let gateway = world.gateway_with(&ARGUMENTS).await;
    for path in [FIGURES, "/operations/history", LETTERS] {
        let without = gateway.client.get(path).await;
        assert_eq!(
            (without.status, without.problem().as_str()),
            (401, "unauthorized")
        );
        assert_eq!(without.header("www-authenticate"), Some("Bearer"));
        let wrong = gateway.client.get_as(path, "a-token-for-testz").await;
        assert_eq!(
            (wrong.status, wrong.problem().as_str()),
            (401, "unauthorized")
        );
        let challenge = wrong.header("www-authenticate");
        assert_eq!(challenge, Some("Bearer error=\"invalid_token\""));
        assert_eq!(wrong.header("cache-control"), Some("no-store"));
        assert!(!wrong.text().contains(TOKEN));
    }
    let refused = gateway.metric("flashsale_gateway_operations_refused_total");
    assert_eq!(refused.await, Some(6.0));
    assert_eq!(figures(&gateway).await["isCurrent"], true);
    assert_eq!(
        gateway.client.get("/session").await.json()["operations"],
        true
    );
}

#[tokio::test]
async fn a_short_token_is_refused_at_the_start() {
    let world = World::new().await;
    let arguments = world.arguments(&["--auth-mode=off", "--operations-token=too-short"]);
    let config = <flashsale_gateway::config::Arguments as clap::Parser>::try_parse_from(arguments);
    let started = flashsale_gateway::process::Process::start(config.unwrap().config).await;
    let message = started.unwrap_err().to_string();
    assert!(message.contains("--operations-token"), "{message}");
    assert!(!message.contains("too-short"), "{message}");
}

#[tokio::test]
async fn figures_tell_of_lanes_buys_and_batches_over_all_gateways() {
    let world = World::new().await;
    let sale = world.announce("drop", one_product("p", 30)).await;
    let operating = world.gateway_with(&ARGUMENTS).await;
    let other = world.gateway().await;
    eventually("both gateways are heard", async || {
        figures(&operating).await["gateways"]
            .as_array()
            .unwrap()
            .len()
            == 2
    })
    .await;
    let clients = [operating.client, other.client];
    let statuses = all((0..40).map(|number| async move {
        let client = clients[number % 2];
        client.buy("p", &format!("user-{number}"), "k").await.status
    }))
    .await;
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 30);
    eventually("the lane is seen", async || {
        figures(&operating).await["sales"][0]["lanes"][0]["depth"] == 30
    })
    .await;
    eventually("every buy of both is in the history", async || {
        let queued = summed(&operating, "drop", "queued").await;
        (queued, summed(&operating, "drop", "refused").await) == (30, 10)
    })
    .await;

    world
        .settle(&sale, "p", 20, Outcome::Confirmed, (10, 2))
        .await;
    world
        .settle(&sale, "p", 10, Outcome::SoldOut, (10, 3))
        .await;
    eventually("the orders are in the history", async || {
        summed(&operating, "drop", "confirmed").await == 20
    })
    .await;
    eventually("the lane is empty", async || {
        figures(&operating).await["sales"][0]["lanes"][0]["depth"] == 0
    })
    .await;
    let sale = &figures(&operating).await["sales"][0];
    assert_eq!(
        (&sale["sale"], &sale["status"]),
        (&json!("drop"), &json!("Open"))
    );
    let lane = json!({
        "productId": "p", "name": "A pair", "stock": 10, "depth": 0, "settled": 30,
        "oldestAgeMs": null, "driver": null,
    });
    assert_eq!(sale["lanes"], json!([lane]));
    assert_eq!(sale["deadLetters"], 0);
}

#[tokio::test]
async fn unpaid_orders_are_shown_where_orders_are_paid_and_unknown_is_null() {
    let world = World::new().await;
    let mut paid = one_product("p", 30);
    paid["payment"] = json!({ "windowSeconds": 90 });
    let paid = world.announce("paid", paid).await;
    world.announce("drop", one_product("q", 30)).await;
    let gateway = world.gateway_with(&ARGUMENTS).await;
    let of = async |name: &str| {
        let figures = figures(&gateway).await;
        let sales = figures["sales"].as_array().cloned().unwrap_or_default();
        let sale = sales.into_iter().find(|sale| sale["sale"] == name);
        sale.map(|sale| sale.get("pendingOrders").cloned())
    };
    eventually("nobody has told", async || {
        of("paid").await == Some(Some(Value::Null))
    })
    .await;
    let (mut connection, keys) = (world.connection().await, SaleKeys::new(&paid.id));
    for (pending, lasts) in [(12, 60_000), (0, 60_000), (3, 1_500)] {
        let lasts = Duration::from_millis(lasts);
        orders::tell_pending(&mut connection, &keys, pending, lasts)
            .await
            .unwrap();
        eventually("what was told is shown", async || {
            of("paid").await == Some(Some(json!(pending)))
        })
        .await;
    }
    eventually("what is not told anew is unknown", async || {
        of("paid").await == Some(Some(Value::Null))
    })
    .await;
    assert_eq!(of("drop").await, Some(None), "nothing has to be paid there");
}

#[tokio::test]
async fn a_seconds_figures_are_those_of_the_last_full_second_and_then_gone() {
    let world = World::new().await;
    let sale = world.announce("drop", one_product("p", 30)).await;
    let gateway = world.gateway_with(&ARGUMENTS).await;
    let mut socket = operations_socket(&gateway).await;
    for number in 0..5 {
        gateway
            .buy("p", &format!("user-{number}"), "k")
            .await
            .job_id();
    }
    world
        .settle(&sale, "p", 3, Outcome::Confirmed, (27, 2))
        .await;
    world
        .settle(&sale, "p", 2, Outcome::LimitReached, (27, 3))
        .await;
    let (mut buys, mut confirmed, mut limited, mut batches) = (0, 0, 0, [0; 3]);
    let whole = |value: &Value| value.as_u64().unwrap_or_default();
    // One figure a second: what two of them tell is not told twice. Each sum is reached and stays.
    for _ in 0..5 {
        let figures = socket.event_named("figures").await;
        let sale = &figures["sales"][0];
        buys += whole(&sale["buys"]["queued"]);
        confirmed += whole(&sale["outcomes"]["confirmed"]);
        limited += whole(&sale["outcomes"]["limitReached"]);
        batches[0] += whole(&sale["batches"]["count"]);
        batches[1] += whole(&sale["batches"]["jobs"]);
        batches[2] = batches[2].max(whole(&sale["batches"]["largest"]));
    }
    assert_eq!((buys, confirmed, limited, batches), (5, 3, 2, [2, 5, 3]));
    let last = figures(&gateway).await;
    assert_eq!(last["sales"][0]["buys"], json!({}));
}

#[tokio::test]
async fn a_worker_is_there_while_it_is_heard() {
    let world = World::new().await;
    world.announce("drop", one_product("p", 10)).await;
    let gateway = world.gateway_with(&ARGUMENTS).await;
    let mut connection = world.connection().await;
    let worker = ProcessFigures::Worker(WorkerFigures {
        name: "worker-1".to_owned(),
        version: "1.2.3".to_owned(),
        lanes: vec![(SaleId::new("drop").unwrap(), ProductId::new("p").unwrap())],
    });
    let json = worker.to_json().unwrap();
    figures::publish(&mut connection, b"nonsense")
        .await
        .unwrap();
    figures::publish(&mut connection, &json).await.unwrap();
    let shown = json!([{ "name": "worker-1", "version": "1.2.3",
                         "lanes": [{ "sale": "drop", "productId": "p" }] }]);
    eventually("the worker is shown", async || {
        figures(&gateway).await["workers"] == shown
    })
    .await;
    eventually("the silent worker is gone", async || {
        figures(&gateway).await["workers"] == json!([])
    })
    .await;
    let gateways = figures(&gateway).await["gateways"].clone();
    assert_eq!(
        gateways.as_array().unwrap().len(),
        1,
        "who speaks stays: {gateways}"
    );
}

#[tokio::test]
async fn figures_are_marked_as_old_while_redis_is_away_and_come_back() {
    let mut world = World::new().await;
    world.announce("drop", one_product("p", 10)).await;
    let gateway = world.gateway_with(&ARGUMENTS).await;
    eventually("the gateway hears itself", async || {
        figures(&gateway).await["gateways"][0]["name"].is_string()
    })
    .await;
    world.redis.kill().await.unwrap();
    eventually("the figures are old", async || {
        figures(&gateway).await["isCurrent"] == false
    })
    .await;
    let letters = gateway.client.get_as(LETTERS, TOKEN).await;
    assert_eq!(
        (letters.status, letters.problem().as_str()),
        (503, "unavailable")
    );
    world.redis.restart().await.unwrap();
    world.announce("drop", one_product("p", 10)).await;
    eventually("the gateway hears itself again", async || {
        let figures = figures(&gateway).await;
        figures["isCurrent"] == true && figures["gateways"][0]["name"].is_string()
    })
    .await;
}

async fn operations_socket(gateway: &Gateway) -> Socket {
    let auth = json!({ "token": TOKEN });
    let socket = Socket::connect_to(gateway.client.address, "/operations", &auth).await;
    assert!(
        socket.handshake.starts_with("40/operations,"),
        "{}",
        socket.handshake
    );
    socket
}

#[tokio::test]
async fn the_namespace_is_for_the_token_alone_and_shoppers_hear_nothing_of_it() {
    let world = World::new().await;
    world.announce("drop", one_product("p", 10)).await;
    let gateway = world.gateway_with(&ARGUMENTS).await;
    let address = gateway.client.address;
    for auth in [
        json!({}),
        json!({ "token": "wrong" }),
        json!({ "token": 7 }),
        json!("x"),
    ] {
        let socket = Socket::connect_to(address, "/operations", &auth).await;
        assert!(
            socket.handshake.starts_with("44/operations,"),
            "{auth}: {}",
            socket.handshake
        );
        assert!(!socket.handshake.contains(TOKEN));
    }
    // Not even a shopper's socket that shows the token hears it.
    let auth = json!({ "userId": "ann", "token": TOKEN });
    let mut shopper = Socket::connect(address, &auth).await;
    let mut operator = operations_socket(&gateway).await;
    let first = operator.event().await.unwrap();
    assert_eq!(first.0, "figures");
    let fields: Vec<&str> = first
        .1
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(
        fields,
        ["gateways", "isCurrent", "sales", "serverTime", "workers"]
    );
    for _ in 0..3 {
        operator.event_named("figures").await;
    }
    gateway.buy("p", "ann", "k").await.job_id();
    world.announce("other", one_product("z", 7)).await;
    loop {
        let (name, payload) = shopper.event().await.unwrap();
        assert_ne!(name, "figures");
        if name == "stock-update" && payload["productId"] == "z" {
            break;
        }
    }
}
