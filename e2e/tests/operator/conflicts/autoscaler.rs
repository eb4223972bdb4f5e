//! A `HorizontalPodAutoscaler` aims at the worker Deployment.

use std::time::{Duration, Instant};

use flashsale_e2e::{
    operator::{Stage, one_product, with},
    processes::Child,
    services::Services,
    shopping::buy,
};
use k8s_openapi::api::autoscaling::v1::HorizontalPodAutoscaler;
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::json;

/// For how long the operator must leave the replicas alone; it looks at the queue every second.
const UNTOUCHED: Duration = Duration::from_secs(4);

#[tokio::test]
async fn an_autoscaler_on_the_workers_is_told_of_and_not_fought() {
    let stage = Stage::set(Services::start().await).await;
    let _operator = stage.operator("operator").await;
    // No room for a spare: nobody settles here.
    let eager = json!({"worker": {"maxReplicas": 3, "targetQueueDepth": 1, "lanesPerWorker": 1}});
    let mut spec = with(one_product("shoe", 500), &eager);
    for id in ["hat", "scarf"] {
        let product = json!({"id": id, "name": id, "price": 100, "stock": 500});
        spec["products"].as_array_mut().unwrap().push(product);
    }
    stage.create("drop", spec).await;
    stage.until_replicas("drop", 1).await;
    let autoscalers: Api<HorizontalPodAutoscaler> =
        Api::namespaced(stage.cluster.client(), &stage.namespace);
    let began = Instant::now();
    autoscalers
        .create(&PostParams::default(), &autoscaler())
        .await
        .unwrap();
    let said = stage
        .until_condition("drop", "Ready", "False", "AutoscalerConflict")
        .await;
    println!("after {:?}: {said}", began.elapsed());
    assert!(
        said.contains("HorizontalPodAutoscaler greedy") && said.contains("delete it"),
        "{said}"
    );
    stage
        .until_condition("drop", "Scaling", "False", "AutoscalerConflict")
        .await;
    stage.until_event("drop", "AutoscalerConflict").await;

    // What the autoscaler would write stays, whatever the queue asks for.
    set_replicas(&stage, 2).await;
    let gateway = Child::gateway(&stage.services, "gateway").await;
    for product in ["shoe", "hat", "scarf"] {
        buy(&gateway, product, "somebody").await;
    }
    stage
        .until("drop", "the queue asks for three", |status| {
            status.desired_replicas == Some(3)
        })
        .await;
    let generation = stage.workers("drop").await.unwrap().metadata.generation;
    tokio::time::sleep(UNTOUCHED).await;
    let workers = stage.workers("drop").await.unwrap();
    assert_eq!(
        workers.metadata.generation, generation,
        "nothing was written"
    );
    assert_eq!(workers.spec.unwrap().replicas, Some(2));
    assert_eq!(stage.status("drop").await.phase.as_deref(), Some("Open"));

    let began = Instant::now();
    autoscalers
        .delete("greedy", &DeleteParams::default())
        .await
        .unwrap();
    stage.until_replicas("drop", 3).await;
    stage.until_condition("drop", "Scaling", "True", "").await;
    println!(
        "the operator went on {:?} after the autoscaler was gone",
        began.elapsed()
    );
}

fn autoscaler() -> HorizontalPodAutoscaler {
    serde_json::from_value(json!({
        "metadata": {"name": "greedy"},
        "spec": {
            "minReplicas": 1,
            "maxReplicas": 9,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "drop-worker"},
        },
    }))
    .unwrap()
}

async fn set_replicas(stage: &Stage, replicas: i32) {
    let patch = Patch::Merge(json!({"spec": {"replicas": replicas}}));
    stage
        .deployments
        .patch_scale("drop-worker", &PatchParams::default(), &patch)
        .await
        .unwrap();
}
