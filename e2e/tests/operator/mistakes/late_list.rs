//! A new leader whose list of Deployments is late takes no worker away.

use std::time::{Duration, Instant};

use flashsale_e2e::{
    operator::{SOON, Stage, one_product},
    services::Services,
};
use serde_json::json;

use super::api_proxy::{ApiProxy, Handling};
use crate::market::Market;

/// How late the list of Deployments is: as in a small cluster, and longer than stores may take.
const DELAYS: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(5)];

/// How long the workers are watched once the new leader has told what it sees.
const WATCHED: Duration = Duration::from_secs(3);

const WORKERS: i32 = 6;

/// Sales that are visited at the same time.
const OTHERS: [&str; 3] = ["one", "two", "three"];

#[tokio::test(flavor = "multi_thread")]
async fn a_new_leader_that_sees_deployments_late_takes_no_worker_away() {
    let [short, long] = DELAYS;
    tokio::join!(leader_changes(short, false), leader_changes(long, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_leader_that_sees_deployments_late_while_redis_hangs_takes_no_worker_away() {
    let [short, long] = DELAYS;
    tokio::join!(leader_changes(short, true), leader_changes(long, true));
}

/// Workers are kept by the stabilization window alone while an operator takes over that sees the
/// Deployments `delay` late.
async fn leader_changes(delay: Duration, redis_hangs: bool) {
    let stage = Stage::set(Services::start().await).await;
    let operator = stage.lone_operator("before").await;
    let worker = json!({
        "minReplicas": 1, "maxReplicas": 12, "targetQueueDepth": 10, "lanesPerWorker": 1,
        "scaleDownStabilizationSeconds": 600,
    });
    let lanes = usize::try_from(WORKERS).unwrap();
    let market = Market::open(&stage, "drop", lanes, worker).await;
    for name in OTHERS {
        stage.create(name, one_product(name, 5)).await;
        stage.until_phase(name, "Open").await;
    }
    market.fill(&stage.services, 0..lanes, 10).await;
    stage.until_replicas("drop", WORKERS).await;
    market.empty(&stage.services).await;
    operator.kill().await;
    if redis_hangs {
        stage.services.redis.pause().unwrap();
    }

    let proxy = ApiProxy::start(&stage, move |request| {
        if request.contains("/deployments?") && !request.contains("watch=true") {
            Handling::Delayed(delay)
        } else {
            Handling::Passed
        }
    });
    let proxy = proxy.await;
    let started = Instant::now();
    let operator = stage.operator_through("after", proxy.kubeconfig()).await;
    let reconciled = async || {
        let metrics = operator.metrics().await;
        let mut samples = metrics.lines();
        samples.any(|line| {
            line.starts_with("flashsale_operator_reconcile_duration_seconds_count")
                && !line.ends_with(" 0")
        })
    };
    while !reconciled().await {
        assert!(started.elapsed() < SOON, "no visit yet");
        assert_eq!(stage.replicas("drop").await, WORKERS);
    }
    assert!(started.elapsed() > delay, "the list was not late");
    let told = Instant::now();
    while told.elapsed() < WATCHED {
        assert_eq!(stage.replicas("drop").await, WORKERS);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    if redis_hangs {
        stage.services.redis.resume().unwrap();
    }
    for name in OTHERS {
        stage.edit(name, json!({"suspend": true})).await;
        stage.until_phase(name, "Suspended").await;
    }
    assert_eq!(stage.replicas("drop").await, WORKERS);
}
