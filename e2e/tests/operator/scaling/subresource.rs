//! Who writes replicas: the operator through `/scale` and nothing else, people through the
//! `scale` subresource of the FlashSale.

use std::time::Duration;

use flashsale_e2e::{cluster::told, operator::Stage, services::Services};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use serde_json::json;

use crate::{market::Market, replicas::Replicas};

const LONGEST: Duration = Duration::from_secs(20);

#[tokio::test]
async fn replicas_are_never_applied() {
    let stage = Stage::set(Services::start().await).await;
    let _operator = stage.operator("operator").await;
    let worker = json!({
        "minReplicas": 1, "maxReplicas": 8, "targetQueueDepth": 10, "lanesPerWorker": 1,
        "scaleDownStabilizationSeconds": 0,
    });
    let market = Market::open(&stage, "applied", 5, worker).await;
    market.occupy(&stage.services).await;
    let mut replicas = Replicas::watch(&stage, "applied");
    market.fill(&stage.services, 0..5, 10).await;
    replicas.until(5, LONGEST).await;
    let before = stage.workers("applied").await.unwrap();
    applied_without_replicas(&before.metadata.managed_fields.unwrap_or_default());

    // A new template is applied while the queue asks for five.
    stage
        .edit(
            "applied",
            json!({"worker": {"podAnnotations": {"team": "blue"}}}),
        )
        .await;
    flashsale_e2e::patience::until("the template is new", LONGEST, || async {
        let deployment = stage.workers("applied").await.unwrap();
        let template = deployment.spec.unwrap().template.metadata.unwrap();
        let annotations = template.annotations.unwrap_or_default();
        annotations.get("team").is_some_and(|team| team == "blue")
    })
    .await;
    let after = stage.workers("applied").await.unwrap();
    applied_without_replicas(&after.metadata.managed_fields.unwrap_or_default());
    let numbers = replicas.numbers();
    assert_eq!(*numbers.last().unwrap(), 5);
    assert!(numbers.is_sorted(), "an apply took workers: {numbers:?}");
}

/// Server-side apply says who owns which field.
fn applied_without_replicas(managers: &[ManagedFieldsEntry]) {
    let applied: Vec<_> = managers
        .iter()
        .filter(|manager| manager.operation.as_deref() == Some("Apply"))
        .collect();
    assert_eq!(applied.len(), 1, "{managers:#?}");
    assert_eq!(applied[0].manager.as_deref(), Some("flashsale-operator"));
    let fields = serde_json::to_value(&applied[0].fields_v1).unwrap();
    let spec = &fields["f:spec"];
    assert!(spec["f:template"].is_object(), "{fields:#}");
    assert!(spec["f:replicas"].is_null(), "{fields:#}");
}

#[tokio::test]
async fn kubectl_scale_sets_the_least_number_of_workers() {
    let stage = Stage::set(Services::start().await).await;
    let _operator = stage.operator("operator").await;
    let worker = json!({
        "minReplicas": 1, "maxReplicas": 8, "scaleDownStabilizationSeconds": 0,
    });
    Market::open(&stage, "by-hand", 2, worker).await;
    stage.until_replicas("by-hand", 1).await;
    for replicas in [3, 1] {
        let count = format!("--replicas={replicas}");
        let scaled = stage
            .cluster
            .kubectl(&["scale", "fs/by-hand", "-n", &stage.namespace, &count])
            .await;
        assert!(scaled.status.success(), "{}", told(&scaled));
        stage.until_replicas("by-hand", replicas).await;
        let spec = stage.sales.get("by-hand").await.unwrap().spec;
        assert_eq!(spec.worker.min_replicas, replicas);
    }
}
