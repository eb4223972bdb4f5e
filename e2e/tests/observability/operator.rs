//! The operator's figures, and Prometheus looking on.

use std::time::{Duration, Instant};

use flashsale_e2e::{
    operator::{Stage, one_product, with},
    patience::until,
    prometheus::{Names, Plane, Prometheus, Span, Target, check, rules},
    readiness::make_ready,
    services::Services,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::{SEEN, looked_at, metrics_of_alerts_are_there, must_give};

/// The operator's own expressions, on a real operator that pre-warms a sale and opens it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operator_expressions_return_data() {
    let stage = Stage::set(Services::start().await).await;
    let operator = stage.operator("operator").await;
    let names = Names::new(&stage.namespace, "drop");
    let directory = tempfile::tempdir().unwrap();
    let target = Target {
        component: "operator",
        namespace: stage.namespace.clone(),
        probes_port: operator.probes_port,
    };
    let began = Timestamp::now();
    let prometheus = Prometheus::start(directory.path(), &[target]).await;
    // A scrape before anything is counted: growth shows between two scrapes only.
    until("the operator is scraped", SEEN, || async {
        let names = prometheus.names().await;
        names.contains("flashsale_operator_leader")
    })
    .await;
    let times = json!({
        "opensAt": Timestamp::now() + SignedDuration::from_secs(13),
        "worker": {"prewarmSeconds": 8},
    });
    stage
        .create("drop", with(one_product("shoe", 5), &times))
        .await;
    stage.until_replicas("drop", 1).await;
    make_ready(&stage, "drop").await;
    stage.until_phase("drop", "Open").await;
    operator_is_understood(&prometheus, &names, began).await;
}

/// Holds for any operator that has the sale `names` in force and is scraped since `began`.
async fn operator_is_understood(prometheus: &Prometheus, names: &Names, began: Timestamp) {
    let (_, recordings) = rules::expressions();
    let expressions = [looked_at(), recordings].concat();
    let tried = async || {
        let seen = (names, Span::since(began));
        check(prometheus, seen, &expressions, must_give(Plane::Control)).await
    };
    let start = Instant::now();
    while !tried().await.faults.is_empty() && start.elapsed() < SEEN {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    tried().await.assert_sound("operator");
    metrics_of_alerts_are_there(prometheus, Plane::Control).await;
}
