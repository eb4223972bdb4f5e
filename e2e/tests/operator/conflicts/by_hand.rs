//! Somebody changes the worker Deployment by hand.

use std::time::Duration;

use flashsale_e2e::{
    operator::{Operator, SOON, Stage, one_product, with},
    patience::until,
    services::Services,
};
use k8s_openapi::api::{apps::v1::Deployment, core::v1::ResourceQuota};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

/// How soon the workers are as they shall be.
const PUT_BACK: Duration = Duration::from_secs(3);

/// An open sale that needs one worker.
async fn open() -> (Stage, Operator) {
    let stage = Stage::set(Services::start().await).await;
    let operator = stage.operator("operator").await;
    stage.create("drop", one_product("shoe", 5)).await;
    stage.until_replicas("drop", 1).await;
    (stage, operator)
}

#[tokio::test]
async fn what_is_changed_by_hand_is_put_back_and_what_is_added_stays() {
    let (stage, _operator) = open().await;
    let scale = json!({"spec": {"replicas": 7}});
    let parameters = PatchParams::default();
    stage
        .deployments
        .patch_scale("drop-worker", &parameters, &Patch::Merge(scale))
        .await
        .unwrap();
    let took = until("one worker again", PUT_BACK, || async {
        stage.replicas("drop").await == 1
    })
    .await;
    println!("replicas were put back after {took:?}");

    let before = stage.workers("drop").await.unwrap();
    let edit = json!({
        "metadata": {"annotations": {"team": "shop"}},
        "spec": {"template": {"spec": {
            "containers": [{"name": "worker", "image": "somewhere.else/worker:1"}],
            "automountServiceAccountToken": true,
        }}},
    });
    by_hand(&stage, edit).await;
    let took = until("the image of before", PUT_BACK, || async {
        let now = stage.workers("drop").await.unwrap();
        now.spec.as_ref().unwrap().template == before.spec.as_ref().unwrap().template
    })
    .await;
    println!("the pods were put back after {took:?}");
    let now = stage.workers("drop").await.unwrap();
    assert_eq!(now.metadata.annotations.unwrap()["team"], "shop");
    assert_eq!(now.spec.unwrap().replicas, Some(1));

    stage
        .deployments
        .delete("drop-worker", &DeleteParams::default())
        .await
        .unwrap();
    let took = until(
        "a Deployment of another uid with one worker",
        PUT_BACK,
        || async {
            let now = stage.workers("drop").await;
            now.is_some_and(|now| now.metadata.uid != before.metadata.uid)
                && stage.replicas("drop").await == 1
        },
    )
    .await;
    println!("the Deployment was made again after {took:?}");
    assert!(!is_applied_in_a_circle(&stage).await);
}

/// A restored backup, for example, has the Deployment without its owner.
#[tokio::test]
async fn labels_and_owners_that_were_changed_by_hand_are_put_back() {
    let (stage, _operator) = open().await;
    let before = stage.workers("drop").await.unwrap().metadata;
    let edit = json!({"metadata": {
        "ownerReferences": null,
        "labels": {"app.kubernetes.io/instance": "other", "flashsale.dev/sale": null, "team": "shop"},
    }});
    let parameters = PatchParams::default();
    stage
        .deployments
        .patch("drop-worker", &parameters, &Patch::Merge(edit))
        .await
        .unwrap();
    // Without an owner nothing tells that it was changed.
    stage.annotate("drop", "touched", json!("yes")).await;
    until("its owner and labels are there again", SOON, || async {
        let now = stage.workers("drop").await.unwrap().metadata;
        let mut labels = now.labels.unwrap();
        labels.remove("team") == Some("shop".to_owned())
            && Some(labels) == before.labels
            && now.owner_references == before.owner_references
    })
    .await;
}

/// The label that the operator's watch selects Deployments by.
const WATCHED_BY: &str = "app.kubernetes.io/managed-by";

#[tokio::test]
async fn a_deployment_that_nobody_needs_gets_the_label_back_that_it_is_watched_by() {
    let (stage, _operator) = open().await;
    let idle = json!({"worker": {"minReplicas": 0, "scaleDownStabilizationSeconds": 1}});
    stage
        .edit("drop", with(one_product("shoe", 5), &idle))
        .await;
    stage.until_replicas("drop", 0).await;
    let before = stage.workers("drop").await.unwrap().metadata.uid;
    // The visit that follows the last scaling may put it back the first time.
    for _ in 0..2 {
        take_off_label(&stage).await;
        until("it is labelled again", SOON, || is_labelled(&stage)).await;
    }
    assert_eq!(stage.workers("drop").await.unwrap().metadata.uid, before);
}

/// As a policy does, which answers each repair.
#[tokio::test]
async fn labels_that_somebody_keeps_changing_are_let_be_and_hide_no_workers_from_the_end() {
    let (stage, operator) = open().await;
    let rewrite = async || {
        if is_labelled(&stage).await {
            take_off_label(&stage).await;
        }
    };
    until("repairs are held back", SOON, || async {
        rewrite().await;
        operator.log().contains("somebody keeps changing labels")
    })
    .await;
    assert_eq!(stage.replicas("drop").await, 1);
    let parameters = DeleteParams::default();
    stage.sales.delete("drop", &parameters).await.unwrap();
    until("the object is gone", SOON, || async {
        rewrite().await;
        stage.sales.get_opt("drop").await.unwrap().is_none()
    })
    .await;
    assert_eq!(stage.replicas("drop").await, 0);
}

async fn is_labelled(stage: &Stage) -> bool {
    let workers = stage.workers("drop").await.unwrap();
    let labels = workers.metadata.labels.unwrap_or_default();
    labels.contains_key(WATCHED_BY)
}

async fn take_off_label(stage: &Stage) {
    by_hand(stage, json!({"metadata": {"labels": {WATCHED_BY: null}}})).await;
}

/// A quota that leaves no room for the Deployment, as any admission policy may.
#[tokio::test]
async fn a_deployment_that_the_api_server_refuses_is_told_of() {
    let stage = Stage::set(Services::start().await).await;
    let quotas: Api<ResourceQuota> = Api::namespaced(stage.cluster.client(), &stage.namespace);
    let quota: ResourceQuota = serde_json::from_value(json!({
        "metadata": {"name": "none"},
        "spec": {"hard": {"count/deployments.apps": "0"}},
    }))
    .unwrap();
    quotas.create(&PostParams::default(), &quota).await.unwrap();
    let _operator = stage.operator("operator").await;
    stage.create("drop", one_product("shoe", 5)).await;
    let said = stage
        .until_condition("drop", "Accepted", "False", "ApplyFailed")
        .await;
    println!("{said}");
    assert!(said.contains("quota"), "{said}");
    stage.until_event("drop", "ApplyFailed").await;
    stage
        .until_condition("drop", "Open", "True", "TakingBuys")
        .await;
    quotas
        .delete("none", &DeleteParams::default())
        .await
        .unwrap();
    stage.until_replicas("drop", 1).await;
    stage
        .until_condition("drop", "Accepted", "True", "Accepted")
        .await;
}

async fn by_hand(stage: &Stage, patch: Value) {
    let parameters = PatchParams {
        field_manager: Some("kubectl-edit".to_owned()),
        ..PatchParams::default()
    };
    stage
        .deployments
        .patch("drop-worker", &parameters, &Patch::Strategic(patch))
        .await
        .unwrap();
}

/// Whether the operator writes the Deployment again and again.
async fn is_applied_in_a_circle(stage: &Stage) -> bool {
    let generation = |workers: Option<Deployment>| workers.unwrap().metadata.generation;
    let before = generation(stage.workers("drop").await);
    let changes = async {
        until("it is written again", SOON, || async {
            generation(stage.workers("drop").await) != before
        })
        .await
    };
    tokio::time::timeout(PUT_BACK, changes).await.is_ok()
}
