//! `spec.suspend` closes the intake, keeps the queue, and lets the workers go on.

use std::time::Duration;

use flashsale_e2e::{
    operator::{SOON, Stage},
    patience::until,
    processes::Child,
    services::Services,
    shopping::orders,
};
use flashsale_queue::turnstile::Admission;
use serde_json::json;

use crate::{market::Market, replicas::Replicas};

const BUYS: usize = 40;

#[tokio::test]
async fn a_suspended_sale_takes_no_buy_and_settles_what_it_took() {
    let stage = Stage::set(Services::start().await).await;
    let _operator = stage.operator("operator").await;
    let worker = json!({
        "minReplicas": 0, "maxReplicas": 8, "targetQueueDepth": 10, "lanesPerWorker": 1,
        "scaleDownStabilizationSeconds": 0,
    });
    let market = Market::open(&stage, "halt", 2, worker).await;
    let mut replicas = Replicas::watch(&stage, "halt");
    for shopper in 0..BUYS {
        let taken = market.press(&stage.services, shopper % 2, shopper).await;
        assert!(matches!(taken, Admission::Queued { .. }), "{taken:?}");
    }
    replicas.until(2, SOON).await;

    stage.edit("halt", json!({"suspend": true})).await;
    stage.until_phase("halt", "Suspended").await;
    until("intake is closed", SOON, || async {
        market.press(&stage.services, 0, BUYS).await == Admission::Suspended
    })
    .await;
    let depth = market.depth(&stage.services).await;
    assert!(depth >= BUYS as u64, "the queue is kept: {depth}");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(replicas.now(), 2, "workers go on: {:?}", replicas.numbers());

    let _worker = Child::worker(&stage.services, "worker").await;
    until("the queue is settled", SOON, || async {
        market.depth(&stage.services).await == 0
    })
    .await;
    let settled = orders(&stage.services, &stage.id("halt")).await;
    assert_eq!(u64::try_from(settled).unwrap(), depth);
    replicas.until(0, SOON).await;

    stage.edit("halt", json!({"suspend": false})).await;
    stage.until_phase("halt", "Open").await;
    until("intake is open again", SOON, || async {
        let taken = market.press(&stage.services, 1, BUYS + 1).await;
        matches!(taken, Admission::Queued { .. })
    })
    .await;
    for reason in ["Suspended", "Resumed"] {
        stage.until_event("halt", reason).await;
    }
}
