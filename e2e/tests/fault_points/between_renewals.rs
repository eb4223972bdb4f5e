//! A lease is not renewed for longer than its term.

use std::time::Instant;

use flashsale_e2e::patience::until;
use flashsale_fault_point::FaultPoint;

use crate::market::{
    FLOWING, Market, metric, until_killed, until_metric, until_reached, until_stopped,
};

const POINT: FaultPoint = FaultPoint::BetweenRenewals;

#[tokio::test]
async fn the_lane_of_a_worker_that_died_is_taken_when_its_lease_is_over() {
    let market = Market::open().await;
    let gateway = market.gateway("gateway").await;
    let (faulty, other) = market.workers(POINT, "abort").await;
    faulty.0.resume().unwrap();
    let first = market.buy_one(&gateway, "dora").await;
    until_killed(&faulty, POINT).await;
    other.0.resume().unwrap();
    let mut jobs = market.buy_four(&gateway).await;
    market.until_ended(&jobs).await;
    jobs.push(first);
    market.judge(&jobs).await;
    other.terminate().await;
    market.judge(&jobs).await;
}

#[tokio::test]
async fn a_worker_that_was_paused_for_longer_than_its_lease_lets_go_of_the_lane() {
    let market = Market::open().await;
    let gateway = market.gateway("gateway").await;
    let (faulty, other) = market.workers(POINT, "stop").await;
    faulty.0.resume().unwrap();
    let first = market.buy_one(&gateway, "dora").await;
    until_stopped(&faulty, POINT).await;
    other.0.resume().unwrap();
    let mut jobs = market.buy_four(&gateway).await;
    market.until_ended(&jobs).await;
    jobs.push(first);
    faulty.0.resume().unwrap();
    until_metric(&faulty, "flashsale_worker_lanes_driven", 0).await;
    market.judge(&jobs).await;
    faulty.terminate().await;
    other.terminate().await;
    market.judge(&jobs).await;
}

/// The driver works on beside its successor, since nothing tells it that its lease is over.
#[tokio::test]
async fn a_driver_whose_lease_ran_out_unnoticed_is_refused_by_the_ledger() {
    let market = Market::open().await;
    let gateway = market.gateway("gateway").await;
    let (faulty, other) = market.workers(POINT, "hold").await;
    faulty.0.resume().unwrap();
    let mut jobs = vec![market.buy_one(&gateway, "dora").await];
    until_reached(&faulty, POINT).await;
    until("the lease is over", FLOWING, async || {
        market.lease().await.is_none()
    })
    .await;
    other.0.resume().unwrap();
    let resumed = Instant::now();
    // Each buy calls a worker that does not drive the lane yet, and both drivers read it.
    while metric(&faulty, "flashsale_worker_fenced_total").await == 0 {
        assert!(resumed.elapsed() < FLOWING, "the driver was never refused");
        let shopper = format!("shopper-{}", jobs.len());
        let job = market.buy_one(&gateway, &shopper).await;
        market.until_ended(&[job]).await;
        jobs.push(job);
    }
    assert!(
        market.lease().await.is_some(),
        "the lease of another was given back"
    );
    market.judge(&jobs).await;
    faulty.terminate().await;
    other.terminate().await;
    market.judge(&jobs).await;
}
