//! A worker has taken a lane over and read its jobs, and the ledger has not got them.

use flashsale_fault_point::FaultPoint;

use crate::market::{Market, metric, until_killed, until_metric, until_stopped};

const POINT: FaultPoint = FaultPoint::AfterClaimBeforeTransaction;

#[tokio::test]
async fn the_jobs_of_a_worker_that_died_are_settled_by_another() {
    let market = Market::open().await;
    let gateway = market.gateway("gateway").await;
    let (faulty, other) = market.workers(POINT, "abort").await;
    let jobs = market.buy_four(&gateway).await;
    faulty.0.resume().unwrap();
    until_killed(&faulty, POINT).await;
    assert_eq!((market.orders().await, market.told().await), (0, 0));
    other.0.resume().unwrap();
    market.until_ended(&jobs).await;
    market.judge(&jobs).await;
    other.terminate().await;
    market.judge(&jobs).await;
}

#[tokio::test]
async fn the_ledger_refuses_what_a_worker_sends_that_was_paused() {
    let market = Market::open().await;
    let gateway = market.gateway("gateway").await;
    let (faulty, other) = market.workers(POINT, "stop").await;
    let jobs = market.buy_four(&gateway).await;
    faulty.0.resume().unwrap();
    until_stopped(&faulty, POINT).await;
    assert_eq!((market.orders().await, market.told().await), (0, 0));
    other.0.resume().unwrap();
    market.until_ended(&jobs).await;
    faulty.0.resume().unwrap();
    until_metric(&faulty, "flashsale_worker_lanes_driven", 0).await;
    // Whether it notices first that its lease is lost or that it is refused is chance.
    let settled = metric(&faulty, "flashsale_worker_batch_jobs_count").await;
    assert_eq!(
        settled, 0,
        "the ledger took the batch of a driver that was succeeded"
    );
    market.judge(&jobs).await;
    faulty.terminate().await;
    other.terminate().await;
    market.judge(&jobs).await;
}
