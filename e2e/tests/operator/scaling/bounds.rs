//! Never more workers than busy lanes can use.

use std::time::Duration;

use flashsale_e2e::{operator::Stage, services::Services};
use serde_json::json;

use crate::{figures::sample, market::Market, replicas::Replicas};

const LONGEST: Duration = Duration::from_secs(20);

/// Looks that a wrong rule would have needed to show itself.
const SOME_LOOKS: Duration = Duration::from_secs(3);

#[tokio::test]
async fn a_hot_product_gets_no_worker_that_would_stand_idle() {
    let stage = Stage::set(Services::start().await).await;
    let operator = stage.operator("operator").await;
    let worker = json!({
        "minReplicas": 0, "maxReplicas": 12, "targetQueueDepth": 10, "lanesPerWorker": 1,
        "scaleDownStabilizationSeconds": 0,
    });
    let market = Market::open(&stage, "hot", 6, worker).await;
    market.occupy(&stage.services).await;
    let mut replicas = Replicas::watch(&stage, "hot");
    market.fill(&stage.services, 0..1, 500).await;
    replicas.until(1, LONGEST).await;
    let why = stage
        .until_condition("hot", "Scaling", "True", "LimitedByHotProducts")
        .await;
    assert!(why.contains("one driver at a time"), "{why}");
    stage.until_event("hot", "LimitedByHotProducts").await;
    let limited = format!(
        "flashsale_operator_scaling_limited{{sale=\"{}\"}}",
        stage.id("hot")
    );
    assert_eq!(sample(&operator.metrics().await, &limited), Some(1.0));
    tokio::time::sleep(SOME_LOOKS).await;
    assert_eq!(replicas.numbers(), [0, 1], "50 were asked for, 1 is of use");

    // Three more lanes, three more workers.
    market.fill(&stage.services, 1..4, 1).await;
    replicas.until(4, LONGEST).await;
    // The depth asks for no more than the lanes can use any longer.
    market.empty(&stage.services).await;
    market.fill(&stage.services, 0..4, 10).await;
    stage
        .until_condition("hot", "Scaling", "True", "AtNeed")
        .await;
    assert!(replicas.now() <= 4, "{:?}", replicas.numbers());
}

#[tokio::test]
async fn a_worker_with_several_lanes_counts_for_all_of_them() {
    let stage = Stage::set(Services::start().await).await;
    let _operator = stage.operator("operator").await;
    let worker = json!({
        "minReplicas": 0, "maxReplicas": 12, "targetQueueDepth": 1, "lanesPerWorker": 2,
        "scaleDownStabilizationSeconds": 0,
    });
    let market = Market::open(&stage, "wide", 5, worker).await;
    market.occupy(&stage.services).await;
    let mut replicas = Replicas::watch(&stage, "wide");
    market.fill(&stage.services, 0..5, 20).await;
    replicas.until(3, LONGEST).await;
    tokio::time::sleep(SOME_LOOKS).await;
    assert_eq!(replicas.now(), 3, "five lanes, two a worker");

    // maxReplicas stands above what lanes could use.
    stage
        .edit("wide", json!({"worker": {"maxReplicas": 2}}))
        .await;
    replicas.until(2, LONGEST).await;
    stage
        .until_condition("wide", "Scaling", "True", "LimitedByMaxReplicas")
        .await;
}
