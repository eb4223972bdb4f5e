//! When the workers of a sale are replaced for something that nobody has asked for.

use flashsale_e2e::{
    operator::{SOON, Stage, WORKER_IMAGE, one_product, with},
    patience::until,
    services::Services,
};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::ready::make_ready;

/// The default image of the next release.
const NEXT_IMAGE: &str = "docker.io/local/flashsale:next";

/// Image of the workers, and the generation of their Deployment.
fn image(deployment: &Deployment) -> (String, Option<i64>) {
    let template = &deployment.spec.as_ref().unwrap().template;
    let container = &template.spec.as_ref().unwrap().containers[0];
    let generation = deployment.metadata.generation;
    (container.image.clone().unwrap(), generation)
}

async fn until_image(stage: &Stage, name: &str, expected: &str) {
    until(&format!("{name} has {expected}"), SOON, || async {
        image(&stage.workers(name).await.unwrap()).0 == expected
    })
    .await;
}

/// Creates a sale with one worker that works.
async fn open(stage: &Stage, name: &str, worker: &Value) {
    let spec = with(one_product(name, 5), &json!({ "worker": worker }));
    stage.create(name, spec).await;
    stage.until_replicas(name, 1).await;
    make_ready(stage, name).await;
}

async fn set_by_hand(stage: &Stage, name: &str, patch: Value) {
    let (name, parameters) = (format!("{name}-worker"), PatchParams::default());
    let patch = Patch::Strategic(patch);
    stage
        .deployments
        .patch(&name, &parameters, &patch)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_new_default_image_waits_until_no_worker_runs() {
    let stage = Stage::set(Services::start().await).await;
    let operator = stage.operator("operator").await;
    let soon_gone = json!({"scaleDownStabilizationSeconds": 0});
    for name in ["stays", "edited", "former", "unseen"] {
        open(&stage, name, &soon_gone).await;
    }
    open(&stage, "at-once", &json!({"updatePolicy": "Immediately"})).await;
    let before = image(&stage.workers("stays").await.unwrap());
    assert_eq!(before.0, WORKER_IMAGE);
    operator.terminate().await;
    // As the release before has left it.
    let none = json!({"flashsale.dev/asked": null, "flashsale.dev/template": null});
    set_by_hand(&stage, "former", json!({"metadata": {"annotations": none}})).await;
    // Without the label that the watch selects by.
    let unlabelled = json!({"app.kubernetes.io/managed-by": null});
    set_by_hand(
        &stage,
        "unseen",
        json!({"metadata": {"labels": unlabelled}}),
    )
    .await;

    let image_of_next = ["--worker-image", NEXT_IMAGE];
    let _next = stage.operator_with("next", &image_of_next).await;
    until_image(&stage, "at-once", NEXT_IMAGE).await;
    for name in ["stays", "edited", "former", "unseen"] {
        let told = stage.until_event(name, "UpdateHeld").await;
        assert!(told.contains("updatePolicy"), "{told}");
        assert_eq!(image(&stage.workers(name).await.unwrap()).0, WORKER_IMAGE);
    }
    let now = image(&stage.workers("stays").await.unwrap());
    assert_eq!(now, before, "nothing of the pods was changed");

    // How many workers there may be is nothing that pods are made of; and what is changed by hand is
    // put back as before.
    stage
        .edit("stays", json!({"worker": {"maxReplicas": 5}}))
        .await;
    let by_hand = json!({"spec": {"template": {"spec": {"containers": [{"name": "worker", "image": "by/hand:1"}]}}}});
    set_by_hand(&stage, "stays", by_hand).await;
    until_image(&stage, "stays", WORKER_IMAGE).await;
    let labels = json!({"worker": {"podLabels": {"team": "shop"}}});
    stage.edit("edited", labels).await;
    until_image(&stage, "edited", NEXT_IMAGE).await;

    let closes = Timestamp::now() + SignedDuration::from_secs(1);
    for name in ["stays", "former"] {
        stage.edit(name, json!({ "closesAt": closes })).await;
    }
    for name in ["stays", "former"] {
        stage.until_replicas(name, 0).await;
        until_image(&stage, name, NEXT_IMAGE).await;
    }
}
