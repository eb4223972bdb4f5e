//! From a queue spike to patched replicas.

use std::time::{Duration, Instant};

use flashsale_e2e::{operator::Stage, services::Services};
use flashsale_testbed::figures::Latencies;
use serde_json::json;

use crate::{
    figures::{in_ms, load, random_phase, sample},
    market::Market,
    replicas::Replicas,
};

/// What is promised for 95 of 100 spikes.
const PROMISED: Duration = Duration::from_secs(2);

/// Spikes that are measured.
const SPIKES: usize = 20;

/// Products, each with a lane; as many workers as can be of use.
const LANES: usize = 12;
const WORKERS: i32 = 12;

/// The longest wait for a single change.
const LONGEST: Duration = Duration::from_secs(20);

/// From no worker at all to as many as are needed; the first spike finds no Deployment.
#[tokio::test(flavor = "multi_thread")]
async fn nineteen_of_twenty_spikes_are_answered_within_two_seconds() {
    let stage = Stage::set(Services::start().await).await;
    let operator = stage.operator("operator").await;
    let worker = json!({
        "minReplicas": 0, "maxReplicas": WORKERS, "targetQueueDepth": 10, "lanesPerWorker": 1,
        "scaleDownStabilizationSeconds": 0,
    });
    let market = Market::open(&stage, "spikes", LANES, worker).await;
    market.occupy(&stage.services).await;
    assert!(stage.workers("spikes").await.is_none(), "nobody is needed");
    let mut replicas = Replicas::watch(&stage, "spikes");
    let mut figures = Vec::new();
    for _ in 0..SPIKES {
        tokio::time::sleep(random_phase()).await;
        let start = Instant::now();
        market.fill(&stage.services, 0..LANES, 10).await;
        figures.push(replicas.until(WORKERS, LONGEST).await - start);
        market.empty(&stage.services).await;
        replicas.until(0, LONGEST).await;
    }
    straight_to_the_need(&replicas.numbers());
    judge(figures);
    compare(&operator.metrics().await);
}

/// No step on the way up. Only a new Deployment stands at Kubernetes' own default, 1, until its
/// `/scale` is written: an apply that says nothing of replicas cannot say another.
fn straight_to_the_need(numbers: &[i32]) {
    let numbers = match numbers {
        [0, 1, rest @ ..] | [0, rest @ ..] => rest,
        other => panic!("{other:?}"),
    };
    let expected = [WORKERS, 0].repeat(SPIKES);
    assert_eq!(numbers, expected);
}

fn judge(mut figures: Vec<Duration>) {
    figures.sort();
    let latencies: Latencies = figures.iter().copied().collect();
    let [p50, p95] = [0.5, 0.95].map(|share| latencies.quantile(share).unwrap());
    println!(
        "from a spike to patched replicas, {SPIKES} times, in ms: {}\n  p50 {} p95 {} max {} (load {})",
        in_ms(&figures),
        p50.as_millis(),
        p95.as_millis(),
        figures.last().unwrap().as_millis(),
        load(),
    );
    assert!(p95 <= PROMISED, "{p95:?}");
}

/// The operator's own measurement, which begins at the last look before the spike.
fn compare(metrics: &str) {
    let name = "flashsale_operator_spike_to_patch_seconds";
    let within = sample(metrics, &format!("{name}_bucket{{le=\"2\"}}")).unwrap();
    let count = sample(metrics, &format!("{name}_count")).unwrap();
    let mean = sample(metrics, &format!("{name}_sum")).unwrap() / count;
    println!("  the operator's own: {count} patches, {within} within 2 s, mean {mean:.3} s");
    assert!(count >= 20.0, "{count}");
    assert!(within >= 0.95 * count, "{within} of {count}");
}
