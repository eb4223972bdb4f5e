//! A worker that is lost with its node still counts as there for a while. Its lanes do not wait for
//! that.

use std::time::{Duration, Instant};

use flashsale_e2e::{
    operator::{SOON, Stage},
    patience::until,
    processes::Child,
    services::Services,
};
use flashsale_queue::lease;
use serde_json::json;

use crate::{
    market::Market,
    ready::{make_ready, make_unready},
    replicas::Replicas,
};

/// Longer than a lane may be without a driver.
const LONG: Duration = Duration::from_secs(13);

/// What is promised, from the end of the lease to the wanted spare.
const PROMISED: Duration = Duration::from_secs(12);

/// Looks come each second, and the first and the last of them may each be that late.
const SOONEST: Duration = Duration::from_secs(8);

/// A request, a busy machine.
const SLACK: Duration = Duration::from_secs(3);

#[tokio::test]
async fn a_lane_whose_worker_is_lost_gets_a_spare() {
    let stage = Stage::set(Services::start().await).await;
    let _operator = stage.operator("operator").await;
    let worker = json!({"minReplicas": 1, "maxReplicas": 3, "scaleDownStabilizationSeconds": 1});
    let market = Market::open(&stage, "lost", 2, worker).await;
    stage.until_replicas("lost", 1).await;
    make_ready(&stage, "lost").await;
    let mut replicas = Replicas::watch(&stage, "lost");
    replicas.until(1, SOON).await;

    // As long as a worker holds the lease, it may take its time.
    let start = Instant::now();
    market.hold(&stage.services, 0).await;
    market.fill(&stage.services, 0..1, 5).await;
    while start.elapsed() < LONG {
        market.hold(&stage.services, 0).await;
        tokio::time::sleep(lease::RENEWAL / 2).await;
    }
    assert_eq!(replicas.numbers(), [0, 1]);

    market.hold(&stage.services, 0).await;
    let lapses = Instant::now() + lease::TERM;
    make_unready(&stage, "lost").await;
    let spare = replicas.until(2, SOON).await;
    let took = spare.saturating_duration_since(lapses);
    println!("the spare was asked for {took:?} after the lease had ended");
    assert!(took >= SOONEST && took <= PROMISED + SLACK, "{took:?}");
    let why = stage
        .until_condition("lost", "Scaling", "True", "Spare")
        .await;
    assert!(why.contains("without a worker"), "{why}");

    let _worker = Child::worker(&stage.services, "worker").await;
    until("the lane is settled", SOON, || async {
        market.depth(&stage.services).await == 0
    })
    .await;
    replicas.until(1, SOON).await;
    assert_eq!(replicas.numbers(), [0, 1, 2, 1]);
}
