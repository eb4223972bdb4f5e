//! A batch is acknowledged, which published its event: its worker does not know that yet, or the
//! gateway that heard it has told no socket.

use flashsale_domain::outcome::Outcome;
use flashsale_e2e::{javascript::Listener, patience::until, processes::get};
use flashsale_fault_point::FaultPoint;

use crate::market::{
    FLOWING, Market, STOCK, until_killed, until_metric, until_reached, until_stopped,
};

const POINT: FaultPoint = FaultPoint::AfterAcknowledgementBeforeEvent;

#[tokio::test]
async fn what_a_worker_told_before_it_died_is_told_by_nobody_else() {
    let market = Market::open().await;
    let gateway = market.gateway("gateway").await;
    let (faulty, other) = market.workers(POINT, "abort").await;
    faulty.0.resume().unwrap();
    let first = market.buy_one(&gateway, "dora").await;
    until_killed(&faulty, POINT).await;
    market.judge(&[first]).await;
    let mut jobs = market.buy_four(&gateway).await;
    other.0.resume().unwrap();
    market.until_ended(&jobs).await;
    jobs.push(first);
    market.judge(&jobs).await;
    other.terminate().await;
    market.judge(&jobs).await;
}

#[tokio::test]
async fn a_worker_that_was_paused_repeats_nothing() {
    let market = Market::open().await;
    let gateway = market.gateway("gateway").await;
    let (faulty, other) = market.workers(POINT, "stop").await;
    faulty.0.resume().unwrap();
    let first = market.buy_one(&gateway, "dora").await;
    until_stopped(&faulty, POINT).await;
    market.judge(&[first]).await;
    let mut jobs = market.buy_four(&gateway).await;
    other.0.resume().unwrap();
    market.until_ended(&jobs).await;
    jobs.push(first);
    faulty.0.resume().unwrap();
    until_metric(&faulty, "flashsale_worker_lanes_driven", 0).await;
    market.judge(&jobs).await;
    faulty.terminate().await;
    other.terminate().await;
    market.judge(&jobs).await;
}

#[tokio::test]
async fn a_shopper_whose_gateway_died_with_the_event_asks_another() {
    let market = Market::open().await;
    let (faulty, other, _worker) = tokio::join!(
        market.faulty_gateway("faulty-gateway", POINT, "abort"),
        market.gateway("other-gateway"),
        market.worker("worker"),
    );
    let url = faulty.url();
    let shopper = Listener::connect(&market.services, &url, "websocket", "anna").await;
    let job = market.buy_one(&other, "anna").await;
    until_killed(&faulty, POINT).await;
    shopper.event("disconnect").await;
    assert!(shopper.heard("order_confirmed").is_empty());
    // The record was written before the event was published.
    let (status, order) = get(&format!("{}/orders/{job}", other.url())).await.unwrap();
    assert_eq!(status, 200, "{order}");
    assert!(order.contains(Outcome::Confirmed.as_str()), "{order}");
    market.judge(&[job]).await;
}

#[tokio::test]
async fn a_gateway_that_goes_on_tells_its_shopper_once() {
    let market = Market::open().await;
    let (faulty, _worker) = tokio::join!(
        market.faulty_gateway("faulty-gateway", POINT, "hold"),
        market.worker("worker"),
    );
    let url = faulty.url();
    let shopper = Listener::connect(&market.services, &url, "websocket", "anna").await;
    let job = market.buy_one(&faulty, "anna").await;
    until_reached(&faulty, POINT).await;
    // Whoever asks meanwhile is told.
    let (status, order) = get(&format!("{url}/orders/{job}")).await.unwrap();
    assert_eq!(status, 200, "{order}");
    assert!(order.contains(Outcome::Confirmed.as_str()), "{order}");
    assert!(shopper.heard("order_confirmed").is_empty());
    faulty.0.resume().unwrap();
    let told = shopper.event("order_confirmed").await;
    assert_eq!(told["jobId"], job.to_string());
    // An outcome that is told later comes after any repeat of this one.
    let again = market.buy_one(&faulty, "ben").await;
    market.until_ended(&[again]).await;
    until("the stock is told", FLOWING, async || {
        let stocks = shopper.heard("stock-update");
        stocks.last().is_some_and(|told| told["stock"] == STOCK - 2)
    })
    .await;
    assert_eq!(shopper.heard("order_confirmed").len(), 1);
    market.judge(&[job, again]).await;
}
