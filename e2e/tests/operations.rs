//! Operations by real gateways and workers: who drives what, dead letters from their death to their
//! order, and the stock JavaScript client in the namespace.
#![allow(
    clippy::unwrap_used,
    reason = "tests say by unwrapping what they take for granted"
)]

use std::time::Duration;

use flashsale_e2e::{
    javascript::Listener,
    patience::until,
    poison::{POISON, mend_the_ledger, poison_the_ledger},
    processes::{Child, client},
    sales::{open, sale},
    services::Services,
};
use serde_json::{Value, json};

const TOKEN: &str = "a-token-for-tests";

const SOON: Duration = Duration::from_secs(15);

const LETTERS: &str = "/operations/sales/drop/dead-letters";

async fn operating_gateway(services: &Services) -> Child {
    Child::gateway_with(services, "gateway", &["--operations-token", TOKEN]).await
}

async fn ask(gateway: &Child, path: &str) -> Value {
    let url = format!("{}{path}", gateway.url());
    let answer = client().get(url).bearer_auth(TOKEN).send().await.unwrap();
    let (status, text) = (answer.status(), answer.text().await.unwrap());
    assert_eq!(status, 200, "{text}");
    serde_json::from_str(&text).unwrap()
}

async fn figures(gateway: &Child) -> Value {
    ask(gateway, "/operations/figures").await
}

async fn act(gateway: &Child, act: &str, letters: &Value) -> Value {
    let ids: Vec<&Value> = letters["deadLetters"]
        .as_array()
        .unwrap()
        .iter()
        .map(|letter| &letter["id"])
        .collect();
    let answer = client()
        .post(format!("{}{LETTERS}/{act}", gateway.url()))
        .bearer_auth(TOKEN)
        .header("Content-Type", "application/json")
        .body(json!({ "ids": ids }).to_string())
        .send()
        .await
        .unwrap();
    serde_json::from_str(&answer.text().await.unwrap()).unwrap()
}

/// Buys and answers the job id.
async fn buy(gateway: &Child, user: &str, key: &str) -> String {
    let answer = client()
        .post(format!("{}/buy", gateway.url()))
        .header("Idempotency-Key", key)
        .header("Content-Type", "application/json")
        .body(json!({ "productId": "p", "userId": user }).to_string())
        .send()
        .await
        .unwrap();
    let answer: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    answer["jobId"].as_str().unwrap().to_owned()
}

async fn outcome(gateway: &Child, job: &str) -> Value {
    ask(gateway, &format!("/orders/{job}")).await["status"].take()
}

#[tokio::test]
async fn a_workers_lanes_are_shown_and_a_dead_worker_is_not() {
    let services = Services::start().await;
    open(&services, &sale("drop", &[("p", 100), ("q", 5)])).await;
    let gateway = operating_gateway(&services).await;
    let worker = Child::worker(&services, "worker").await;
    until("the idle worker is shown", SOON, || async {
        figures(&gateway).await["workers"][0]["lanes"] == json!([])
    })
    .await;
    buy(&gateway, "anna", "k").await;
    let driven = json!([{ "sale": "drop", "productId": "p" }]);
    until("its lane is shown", SOON, || async {
        let figures = figures(&gateway).await;
        let who = &figures["sales"][0]["lanes"][0]["driver"];
        figures["workers"][0]["lanes"] == driven && *who == figures["workers"][0]["name"]
    })
    .await;
    let seen = figures(&gateway).await;
    assert_eq!(seen["workers"].as_array().unwrap().len(), 1);
    assert_eq!(seen["workers"][0]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(seen["sales"][0]["lanes"][1]["driver"], Value::Null);
    worker.process().kill().unwrap();
    until("the dead worker is gone", SOON, || async {
        figures(&gateway).await["workers"] == json!([])
    })
    .await;
    gateway.terminate().await;
}

#[tokio::test]
async fn a_poisoned_buy_is_found_among_the_dead_replayed_and_becomes_an_order() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 100)]);
    open(&services, &sale).await;
    poison_the_ledger(&services).await;
    let gateway = operating_gateway(&services).await;
    let worker = Child::worker(&services, "worker").await;
    let (first, second) = (
        buy(&gateway, POISON, "one").await,
        buy(&gateway, POISON, "two").await,
    );
    let good = buy(&gateway, "anna", "k").await;
    until("both have died", SOON, || async {
        ask(&gateway, LETTERS).await["total"] == 2
    })
    .await;
    assert_eq!(outcome(&gateway, &good).await, "confirmed");
    assert_eq!(outcome(&gateway, &first).await, "failed");
    let none = ask(&gateway, &format!("{LETTERS}?reason=cured")).await;
    assert_eq!(
        (&none["deadLetters"], &none["total"]),
        (&json!([]), &json!(2))
    );
    let found = ask(
        &gateway,
        &format!("{LETTERS}?product=p&reason=Is+Poison&limit=1"),
    )
    .await;
    let letter = &found["deadLetters"][0];
    assert_eq!(
        (&letter["userId"], &letter["attempts"]),
        (&json!(POISON), &json!(3))
    );
    let jobs = [&first, &second].map(String::as_str);
    let mended = letter["jobId"].as_str().unwrap().to_owned();
    assert!(jobs.contains(&mended.as_str()), "{letter}");
    let other = *jobs.iter().find(|job| **job != mended).unwrap();

    mend_the_ledger(&services).await;
    assert_eq!(
        act(&gateway, "replay", &found).await,
        json!({ "done": 1, "gone": 0 })
    );
    assert_eq!(
        act(&gateway, "replay", &found).await,
        json!({ "done": 0, "gone": 1 })
    );
    until("the replayed buy is an order", SOON, || async {
        outcome(&gateway, &mended).await == "confirmed"
    })
    .await;
    let left = ask(&gateway, LETTERS).await;
    assert_eq!(left["deadLetters"][0]["jobId"], other);
    assert_eq!(
        act(&gateway, "discard", &left).await,
        json!({ "done": 1, "gone": 0 })
    );
    assert_eq!(outcome(&gateway, other).await, "failed");
    assert_eq!(ask(&gateway, LETTERS).await["total"], 0);
    worker.terminate().await;
    gateway.terminate().await;
}

#[tokio::test]
async fn the_stock_client_hears_the_figures_with_the_token_and_shoppers_never() {
    let services = Services::start().await;
    open(&services, &sale("drop", &[("p", 100)])).await;
    let gateway = operating_gateway(&services).await;
    let worker = Child::worker(&services, "worker").await;
    let url = gateway.url();
    let (operator, polling, stranger, shopper) = tokio::join!(
        Listener::operations(&services, &url, "websocket", TOKEN),
        Listener::operations(&services, &url, "polling", TOKEN),
        Listener::operations(&services, &url, "websocket", "a-token-for-testz"),
        Listener::connect(&services, &url, "websocket", "anna"),
    );
    let refusal = stranger.event("connect_error").await;
    let message = refusal["message"].as_str().unwrap();
    assert!(message.contains("not the operations token"), "{message}");
    for number in 0..10 {
        buy(&gateway, "anna", &format!("k{number}")).await;
    }
    for listener in [&operator, &polling] {
        let counted = |figures: &Value| figures["sales"][0]["buys"]["queued"].is_number();
        listener.event_where("figures", counted).await;
        until("every order is told once", SOON, || async {
            let heard = listener.heard("figures");
            let confirmed = |seen: &Value| seen["sales"][0]["outcomes"]["confirmed"].as_u64();
            heard.iter().filter_map(confirmed).sum::<u64>() == 10
        })
        .await;
    }
    assert_eq!(stranger.heard("figures"), Vec::<Value>::new());
    assert_eq!(shopper.heard("figures"), Vec::<Value>::new());
    assert!(shopper.heard("order_confirmed").len() == 10);
    worker.terminate().await;
    gateway.terminate().await;
}
