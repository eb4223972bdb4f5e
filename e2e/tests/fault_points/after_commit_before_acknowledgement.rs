//! The ledger has settled a batch, and nobody was told.

use flashsale_fault_point::FaultPoint;

use crate::market::{Market, until_killed, until_metric, until_stopped};

const POINT: FaultPoint = FaultPoint::AfterCommitBeforeAcknowledgement;

#[tokio::test]
async fn orders_of_a_worker_that_died_are_told_by_another_and_made_once() {
    let market = Market::open().await;
    let gateway = market.gateway("gateway").await;
    let (faulty, other) = market.workers(POINT, "abort").await;
    let jobs = market.buy_four(&gateway).await;
    faulty.0.resume().unwrap();
    until_killed(&faulty, POINT).await;
    assert_eq!((market.orders().await, market.told().await), (3, 0));
    other.0.resume().unwrap();
    market.until_ended(&jobs).await;
    market.judge(&jobs).await;
    other.terminate().await;
    market.judge(&jobs).await;
}

#[tokio::test]
async fn a_worker_that_was_paused_tells_nobody_what_another_has_told() {
    let market = Market::open().await;
    let gateway = market.gateway("gateway").await;
    let (faulty, other) = market.workers(POINT, "stop").await;
    let jobs = market.buy_four(&gateway).await;
    faulty.0.resume().unwrap();
    until_stopped(&faulty, POINT).await;
    assert_eq!((market.orders().await, market.told().await), (3, 0));
    other.0.resume().unwrap();
    market.until_ended(&jobs).await;
    faulty.0.resume().unwrap();
    // What it has to tell was sent to Redis all the same.
    let sent = "flashsale_worker_acknowledge_duration_seconds_count";
    until_metric(&faulty, sent, 1).await;
    market.judge(&jobs).await;
    faulty.terminate().await;
    other.terminate().await;
    market.judge(&jobs).await;
}
