//! Down only after the window, and no faster than the policies.

use std::time::{Duration, Instant};

use flashsale_e2e::{operator::Stage, services::Services};
use serde_json::json;

use crate::{market::Market, replicas::Replicas};

const LONGEST: Duration = Duration::from_secs(30);

/// The stabilization window of this test.
const WINDOW: Duration = Duration::from_secs(5);

/// Shorter, by more than two looks.
const LULL: Duration = Duration::from_secs(3);

/// A watch event, a request, a busy machine.
const SLACK: Duration = Duration::from_millis(300);

/// Time between two looks.
const BEAT: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread")]
async fn workers_go_only_after_the_window_and_not_in_a_lull() {
    let stage = Stage::set(Services::start().await).await;
    let _operator = stage.operator("operator").await;
    let worker = json!({
        "minReplicas": 1, "maxReplicas": 8, "targetQueueDepth": 10, "lanesPerWorker": 1,
        "scaleDownStabilizationSeconds": WINDOW.as_secs(),
    });
    let market = Market::open(&stage, "lull", 4, worker).await;
    market.occupy(&stage.services).await;
    let mut replicas = Replicas::watch(&stage, "lull");
    market.fill(&stage.services, 0..4, 10).await;
    replicas.until(4, LONGEST).await;

    // A lull that is shorter than the window.
    market.empty(&stage.services).await;
    tokio::time::sleep(LULL).await;
    market.fill(&stage.services, 0..4, 10).await;
    tokio::time::sleep(WINDOW).await;
    assert_eq!(replicas.now(), 4, "{:?}", replicas.numbers());
    stage
        .until_condition("lull", "Scaling", "True", "AtNeed")
        .await;

    // The end, right after a look, so that the window begins now.
    next_look(&stage.services).await;
    market.empty(&stage.services).await;
    let start = Instant::now();
    stage
        .until_condition("lull", "Scaling", "True", "Stabilizing")
        .await;
    let took = replicas.until(1, LONGEST).await - start;
    println!("workers went {took:?} after the last job, with a window of {WINDOW:?}");
    assert!(took + SLACK >= WINDOW, "{took:?}");
    assert!(took <= WINDOW + 2 * BEAT + SLACK, "{took:?}");
    assert_eq!(*replicas.numbers().last_chunk().unwrap(), [4, 1]);
}

/// Waits until the operator has just looked at the lanes.
async fn next_look(services: &Services) {
    let before = looks(services).await;
    let deadline = Instant::now() + LONGEST;
    while looks(services).await == before {
        assert!(Instant::now() < deadline, "nobody looks at the lanes");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    // The rest of the same look.
    tokio::time::sleep(Duration::from_millis(20)).await;
}

/// Lengths of lanes that Redis was asked for.
async fn looks(services: &Services) -> u64 {
    let mut queue = services.queue.clone();
    let info: redis::RedisResult<String> = redis::cmd("INFO")
        .arg("commandstats")
        .query_async(&mut queue)
        .await;
    let info = info.unwrap();
    let line = info
        .lines()
        .find_map(|line| line.strip_prefix("cmdstat_xlen:calls="));
    line.map_or(0, |rest| rest.split(',').next().unwrap().parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_set_the_steps_in_both_directions() {
    let stage = Stage::set(Services::start().await).await;
    let _operator = stage.operator("operator").await;
    let period = Duration::from_secs(3);
    let rules = json!({
        "stabilizationWindowSeconds": 0,
        "policies": [{"type": "Pods", "value": 1, "periodSeconds": period.as_secs()}],
    });
    let worker = json!({
        "minReplicas": 1, "maxReplicas": 8, "targetQueueDepth": 10, "lanesPerWorker": 1,
        "behavior": {"scaleUp": rules, "scaleDown": {
            "stabilizationWindowSeconds": 0,
            "policies": [{"type": "Percent", "value": 50, "periodSeconds": period.as_secs()}],
        }},
    });
    let market = Market::open(&stage, "steps", 4, worker).await;
    market.occupy(&stage.services).await;
    let mut replicas = Replicas::watch(&stage, "steps");
    replicas.until(1, LONGEST).await;
    market.fill(&stage.services, 0..4, 10).await;
    replicas.until(2, LONGEST).await;
    stage
        .until_condition("steps", "Scaling", "True", "LimitedByPolicy")
        .await;
    replicas.until(4, LONGEST).await;
    // So that four stood when the period of the way down began.
    tokio::time::sleep(period + BEAT).await;
    market.empty(&stage.services).await;
    replicas.until(1, LONGEST).await;
    let seen = replicas.seen();
    let steps: Vec<(Duration, i32)> = seen
        .windows(2)
        .map(|two| (two[1].0 - two[0].0, two[1].1))
        .collect();
    println!("steps, each with the time since the one before: {steps:?}");
    assert_eq!(replicas.numbers(), [0, 1, 2, 3, 4, 2, 1]);
    // From 2 to 3, from 3 to 4, and from 2 to 1: each at the first look after its period.
    for (took, to) in [steps[2], steps[3], steps[5]] {
        assert!(took + SLACK >= period, "{took:?} until {to}: {steps:?}");
        let late = period + 2 * BEAT + SLACK;
        assert!(took <= late, "{took:?} until {to}: {steps:?}");
    }
}
