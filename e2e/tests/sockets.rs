//! The stock JavaScript client on two gateways: everyone sees the stock fall, and only the buyer
//! hears of the order.
#![allow(
    clippy::unwrap_used,
    reason = "tests say by unwrapping what they take for granted"
)]

use std::time::Duration;

use flashsale_e2e::{
    javascript::Listener,
    patience::until,
    processes::{Child, client},
    sales::{open, sale},
    services::Services,
};
use serde_json::{Value, json};

async fn buy(gateway: &Child, user: &str, product: &str) -> Value {
    let response = client()
        .post(format!("{}/buy", gateway.url()))
        .header("Idempotency-Key", format!("key-{user}"))
        .header("Content-Type", "application/json")
        .body(json!({"productId": product, "userId": user}).to_string())
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    serde_json::from_str(&response.text().await.unwrap()).unwrap()
}

#[tokio::test]
async fn everyone_sees_the_stock_and_only_the_buyer_the_order() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 5)]);
    open(&services, &sale).await;
    let (one, two) = tokio::join!(
        Child::gateway(&services, "gateway-one"),
        Child::gateway(&services, "gateway-two")
    );
    let worker = Child::worker(&services, "worker").await;
    // The buyer buys at gateway one and listens at gateway two, over both transports.
    let (one_url, two_url) = (one.url(), two.url());
    let (buyer, buyer_polling, other) = tokio::join!(
        Listener::connect(&services, &two_url, "websocket", "anna"),
        Listener::connect(&services, &two_url, "polling", "anna"),
        Listener::connect(&services, &one_url, "websocket", "ben")
    );
    let other_polling = Listener::connect(&services, &one.url(), "polling", "carl").await;

    // The snapshot that every client gets when it connects.
    let snapshot = other.event("stock-update").await;
    assert_eq!(
        (&snapshot["productId"], &snapshot["stock"]),
        (&json!("p"), &json!(5))
    );
    assert_eq!(other.event("sale-status").await["status"], "Open");

    let ack = buy(&one, "anna", "p").await;
    assert_eq!(
        (&ack["status"], &ack["position"]),
        (&json!("queued"), &json!(1))
    );
    for listener in [&buyer, &buyer_polling] {
        let confirmed = listener.event("order_confirmed").await;
        assert_eq!(confirmed["jobId"], ack["jobId"]);
        assert_eq!(confirmed["productId"], "p");
        assert!(confirmed["orderId"].as_i64().unwrap() > 0);
    }
    for listener in [&buyer, &buyer_polling, &other, &other_polling] {
        listener
            .event_where("stock-update", |data| data["stock"] == 4)
            .await;
    }
    assert_eq!(other.heard("order_confirmed"), Vec::<Value>::new());
    assert_eq!(other_polling.heard("order_confirmed"), Vec::<Value>::new());
    worker.terminate().await;
    one.terminate().await;
    two.terminate().await;
}

#[tokio::test]
async fn a_rejected_buy_is_told_to_its_buyer_with_the_reason() {
    let services = Services::start().await;
    let mut sale = sale("drop", &[("p", 5)]);
    sale.products[0].max_per_user = Some(1);
    open(&services, &sale).await;
    let gateway = Child::gateway(&services, "gateway").await;
    let _worker = Child::worker(&services, "worker").await;
    let buyer = Listener::connect(&services, &gateway.url(), "websocket", "anna").await;
    buy(&gateway, "anna", "p").await;
    buyer.event("order_confirmed").await;
    let second = client()
        .post(format!("{}/buy", gateway.url()))
        .header("Idempotency-Key", "another")
        .header("Content-Type", "application/json")
        .body(r#"{"productId":"p","userId":"anna"}"#)
        .send()
        .await
        .unwrap();
    assert_eq!(second.status(), 200);
    let rejected = buyer.event("order_rejected").await;
    assert_eq!(
        (&rejected["reason"], &rejected["productId"]),
        (&json!("limit_reached"), &json!("p"))
    );
}

#[tokio::test]
async fn stock_updates_are_coalesced_to_ten_a_second() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 3_000)]);
    open(&services, &sale).await;
    let gateway = Child::gateway(&services, "gateway").await;
    let _worker = Child::worker(&services, "worker").await;
    let listener = Listener::connect(&services, &gateway.url(), "websocket", "anna").await;
    let mut crowd = tokio::task::JoinSet::new();
    let start = std::time::Instant::now();
    for shopper in 0..8 {
        let (http, url) = (client(), format!("{}/buy", gateway.url()));
        crowd.spawn(async move {
            for number in 0..60 {
                let sent = http
                    .post(&url)
                    .header("Idempotency-Key", format!("k{shopper}-{number}"))
                    .header("Content-Type", "application/json")
                    .body(format!(r#"{{"productId":"p","userId":"u{shopper}"}}"#))
                    .send()
                    .await
                    .unwrap();
                assert_eq!(sent.status(), 200);
            }
        });
    }
    crowd.join_all().await;
    listener
        .event_where("stock-update", |data| data["stock"] == 3_000 - 480)
        .await;
    let updates = listener.heard("stock-update").len() as u128;
    let most = start.elapsed().as_millis() / 100 + 3;
    assert!(
        updates <= most,
        "{updates} updates, at most {most} expected"
    );
}

#[tokio::test]
async fn a_client_whose_gateway_dies_comes_back_and_learns_what_it_missed() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 5)]);
    open(&services, &sale).await;
    let mut first = Child::gateway(&services, "gateway-one").await;
    let second = Child::gateway(&services, "gateway-two").await;
    let listener = Listener::connect(&services, &first.url(), "websocket", "anna").await;
    first.process().kill().unwrap();
    listener.event("disconnect").await;
    let ack = buy(&second, "anna", "p").await;
    let worker = Child::worker(&services, "worker").await;
    let order = format!("{}/orders/{}", second.url(), ack["jobId"].as_str().unwrap());
    until(
        "the order is confirmed",
        Duration::from_secs(10),
        || async {
            flashsale_e2e::processes::get(&order)
                .await
                .unwrap()
                .1
                .contains("confirmed")
        },
    )
    .await;
    first.kill_and_restart().await;
    // Connected again by itself, the snapshot tells the stock as it is now.
    listener
        .event_where("stock-update", |data| data["stock"] == 4)
        .await;
    worker.terminate().await;
}
