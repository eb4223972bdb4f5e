//! Dead letters: listed, filtered, replayed, discarded.

use std::time::Duration;

use flashsale_domain::{
    id::{ProductId, SaleId},
    sale::Sale,
};
use flashsale_queue::{
    keys::SaleKeys,
    lane::{self, Acknowledgement, Dead},
};
use redis::AsyncCommands as _;
use serde_json::{Value, json};

use super::{ARGUMENTS, LETTERS, TOKEN, figures, post};
use crate::support::{Gateway, World, all, eventually, one_product};

/// Dead letters as a worker leaves them: one a product and reason.
async fn bury(world: &World, sale: &Sale, letters: &[(&str, &str)]) {
    let mut connection = world.connection().await;
    let keys = SaleKeys::new(&sale.id);
    for (number, (product, reason)) in letters.iter().enumerate() {
        let product = ProductId::new(*product).unwrap();
        let job = json!({
            "jobId": format!("00000000-0000-7000-8000-{number:012}"),
            "data": { "userId": format!("user-{number}"), "productId": product,
                      "timestamp": 1, "idempotencyKey": "k" },
            "name": "purchase-job",
            "opts": { "attempts": 3, "backoff": 1000 },
        });
        let job = job.to_string().into_bytes();
        let entry_id = connection
            .xadd(keys.lane(&product), "*", &[("job", &job)])
            .await
            .unwrap();
        let acknowledgement = Acknowledgement {
            dead: vec![Dead {
                entry_id,
                reason: (*reason).to_owned(),
                attempts: 3,
                job,
            }],
            ..Acknowledgement::default()
        };
        lane::acknowledge(&mut connection, &keys, &product, &acknowledgement)
            .await
            .unwrap();
    }
}

fn two_products() -> Value {
    let mut spec = one_product("p", 100);
    let second = json!({ "id": "q", "name": "Another pair", "price": 1, "stock": 5 });
    spec["products"].as_array_mut().unwrap().push(second);
    spec
}

async fn list(gateway: &Gateway, query: &str) -> Value {
    let answer = gateway
        .client
        .get_as(&format!("{LETTERS}{query}"), TOKEN)
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

fn ids(letters: &Value) -> Vec<String> {
    let letters = letters["deadLetters"].as_array().unwrap().iter();
    letters
        .map(|letter| letter["id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn dead_letters_are_listed_filtered_and_paged() {
    let world = World::new().await;
    let sale = world.announce("drop", two_products()).await;
    let gateway = world.gateway_with(&ARGUMENTS).await;
    let reasons = [
        ("p", "Poison"),
        ("q", "broken"),
        ("p", "broken"),
        ("p", "poisoned well"),
    ];
    bury(&world, &sale, &reasons).await;

    let everything = list(&gateway, "").await;
    let ids_of_all = ids(&everything);
    assert_eq!((ids_of_all.len(), &everything["next"]), (4, &Value::Null));
    let first = &everything["deadLetters"][0];
    assert_eq!(first["productId"], "p");
    assert_eq!(
        (&first["reason"], &first["attempts"]),
        (&json!("Poison"), &json!(3))
    );
    assert_eq!(first["userId"], "user-0");
    assert_eq!(first["jobId"], "00000000-0000-7000-8000-000000000000");
    assert!(first["job"].as_str().unwrap().contains("purchase-job"));
    assert!(first["diedAt"].as_str().unwrap().ends_with('Z'));

    let poisoned = list(&gateway, "?reason=POISON").await;
    assert_eq!(
        ids(&poisoned),
        [ids_of_all[0].clone(), ids_of_all[3].clone()]
    );
    assert_eq!(poisoned["total"], 4);
    let of_q = list(&gateway, "?product=q&reason=").await;
    assert_eq!(ids(&of_q), [ids_of_all[1].clone()]);

    let mut walked = Vec::new();
    let mut after = String::new();
    for _ in 0..2 {
        let page = list(&gateway, &format!("?limit=2&after={after}")).await;
        walked.extend(ids(&page));
        after = page["next"].as_str().unwrap_or_default().to_owned();
    }
    assert_eq!((walked, after.as_str()), (ids_of_all, ""));
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_with_a_sentence() {
    let world = World::new().await;
    world.announce("drop", one_product("p", 10)).await;
    let gateway = world.gateway_with(&ARGUMENTS).await;
    for (query, why) in [
        ("?limit=0", "from 1 to 200"),
        ("?limit=201", "from 1 to 200"),
        ("?limit=many", "limit"),
        ("?after=(1-0", "no id of a dead letter"),
    ] {
        let answer = gateway
            .client
            .get_as(&format!("{LETTERS}{query}"), TOKEN)
            .await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (400, "body-invalid"),
            "{query}"
        );
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(why), "{query}: {detail}");
    }
    let longest: Vec<String> = (0..200)
        .map(|number| format!("{}-{number}", u64::MAX))
        .collect();
    for act in ["replay", "discard"] {
        let path = format!("{LETTERS}/{act}");
        let bad = post(&gateway.client, &path, &json!({ "ids": ["*"] })).await;
        assert_eq!((bad.status, bad.problem().as_str()), (400, "body-invalid"));
        let large = json!({ "ids": ["1-0"], "padding": "x".repeat(20_000) });
        let large = post(&gateway.client, &path, &large).await;
        assert_eq!(
            (large.status, large.problem().as_str()),
            (413, "body-too-large")
        );
        // More than a buy may be long: a body limit of its own.
        let most = post(&gateway.client, &path, &json!({ "ids": longest })).await;
        assert_eq!(most.json(), json!({ "done": 0, "gone": 200 }));
        let unknown = path.replace("drop", "other");
        let unknown = post(&gateway.client, &unknown, &json!({ "ids": ["1-0"] })).await;
        assert_eq!(
            (unknown.status, unknown.problem().as_str()),
            (404, "unknown-sale")
        );
    }
    let unknown = LETTERS.replace("drop", "other");
    let unknown = gateway.client.get_as(&unknown, TOKEN).await;
    assert_eq!(
        (unknown.status, unknown.problem().as_str()),
        (404, "unknown-sale")
    );
}

#[tokio::test]
async fn a_letter_is_replayed_once_however_many_people_press() {
    let world = World::new().await;
    let sale = world.announce("drop", two_products()).await;
    let gateway = world.gateway_with(&ARGUMENTS).await;
    bury(&world, &sale, &[("p", "poison"); 20]).await;
    let letters = ids(&list(&gateway, "").await);
    let client = gateway.client;
    let answers = all((0..4).map(|_| {
        let twice = [letters.clone(), letters.clone()].concat();
        let body = json!({ "ids": twice });
        async move {
            post(&client, &format!("{LETTERS}/replay"), &body)
                .await
                .json()
        }
    }))
    .await;
    let sum = |name: &str| -> u64 {
        let figures = answers.iter().map(|answer| answer[name].as_u64().unwrap());
        figures.sum()
    };
    assert_eq!((sum("done"), sum("gone")), (20, 60), "{answers:?}");
    let product = ProductId::new("p").unwrap();
    let lane = SaleKeys::new(&sale.id).lane(&product);
    let depth: u64 = world.connection().await.xlen(lane).await.unwrap();
    assert_eq!(depth, 20);
    assert_eq!(list(&gateway, "").await["total"], 0);
}

#[tokio::test]
async fn letters_are_discarded_and_those_gone_are_told() {
    let world = World::new().await;
    let sale = world.announce("drop", two_products()).await;
    let gateway = world.gateway_with(&ARGUMENTS).await;
    bury(&world, &sale, &[("p", "one"), ("p", "two"), ("q", "three")]).await;
    let letters = ids(&list(&gateway, "").await);
    let path = format!("{LETTERS}/discard");
    let first = post(&gateway.client, &path, &json!({ "ids": letters[..2] })).await;
    assert_eq!(first.json(), json!({ "done": 2, "gone": 0 }));
    let again = post(&gateway.client, &path, &json!({ "ids": letters })).await;
    assert_eq!(again.json(), json!({ "done": 1, "gone": 2 }));
    eventually("the figures know", async || {
        figures(&gateway).await["sales"][0]["deadLetters"] == 0
    })
    .await;
}

#[tokio::test]
async fn a_letter_of_a_product_that_left_the_sale_is_not_replayed_into_a_lane_without_a_driver() {
    let world = World::new().await;
    let sale = world.announce("drop", two_products()).await;
    let gateway = world.gateway_with(&ARGUMENTS).await;
    bury(&world, &sale, &[("p", "one"), ("gone", "two")]).await;
    let letters = ids(&list(&gateway, "").await);
    let (path, body) = (format!("{LETTERS}/replay"), json!({ "ids": letters }));
    let answer = post(&gateway.client, &path, &body).await;
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (400, "body-invalid")
    );
    assert!(answer.text().contains(&letters[1]), "{}", answer.text());
    assert_eq!(list(&gateway, "").await["total"], 2, "nothing was done");
}

#[tokio::test]
async fn a_hundred_thousand_letters_are_looked_through_in_bounded_steps() {
    const LETTER_COUNT: usize = 100_000;
    let world = World::new().await;
    world.announce("drop", one_product("p", 10)).await;
    let gateway = world.gateway_with(&ARGUMENTS).await;
    let fill = "for i = 1, ARGV[1] do redis.call('XADD', KEYS[1], '*', 'product', 'p', 'reason', \
                i == tonumber(ARGV[1]) and 'the needle' or 'hay', 'attempts', '3', 'job', \
                '{\"a\":\"job of the usual length is about two hundred and fifty bytes long\"}') end";
    let keys = SaleKeys::new(&SaleId::new("drop").unwrap());
    let mut connection = world.connection().await;
    // Each within the time limit of a call, on a busy machine too.
    for _ in 0..100 {
        let _: () = redis::Script::new(&fill.replace("the needle", "hay"))
            .key(keys.dead())
            .arg(LETTER_COUNT / 100)
            .invoke_async(&mut connection)
            .await
            .unwrap();
    }
    let _: () = redis::Script::new(fill)
        .key(keys.dead())
        .arg(1)
        .invoke_async(&mut connection)
        .await
        .unwrap();
    let (mut after, mut durations) = (String::new(), Vec::new());
    let found = loop {
        let started = std::time::Instant::now();
        let page = list(&gateway, &format!("?reason=NEEDLE&after={after}")).await;
        durations.push(started.elapsed());
        match page["next"].as_str() {
            Some(next) => {
                assert_eq!(page["deadLetters"], json!([]));
                after = next.to_owned();
            }
            None => break ids(&page),
        }
    };
    let steps = durations.len();
    assert_eq!((found.len(), steps), (1, LETTER_COUNT / 5000 + 1));
    durations.sort_unstable();
    let median = durations[steps / 2];
    assert!(median < Duration::from_secs(2), "{durations:?}");
    println!("{steps} steps, the median {median:?}");
}
