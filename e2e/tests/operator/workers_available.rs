//! Workers that cannot run are told of, with the reason that Kubernetes has.

use flashsale_e2e::{
    operator::{Stage, one_product, with},
    services::Services,
};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Pod, ResourceQuota};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use crate::ready::make_ready;

/// The pods of the workers of `drop`.
fn pods(stage: &Stage) -> (Api<Pod>, ListParams) {
    let pods = Api::namespaced(stage.cluster.client(), &stage.namespace);
    let ours = ListParams::default().labels("flashsale.dev/sale=drop");
    (pods, ours)
}

/// Says of every pod of the workers what a node or the scheduler would say.
async fn say(stage: &Stage, status: Value) {
    let (pods, ours) = pods(stage);
    let patch = Patch::Strategic(json!({ "status": status }));
    for pod in pods.list(&ours).await.unwrap() {
        let parameters = PatchParams::default();
        let name = pod.name_any();
        pods.patch_status(&name, &parameters, &patch).await.unwrap();
    }
}

/// The container of the workers, waiting for this.
fn waiting(reason: &str, exit_code: Option<i32>) -> Value {
    let ended = exit_code.map(|code| json!({"terminated": {"exitCode": code, "reason": "Error"}}));
    json!({"phase": "Pending", "containerStatuses": [{
        "name": "worker", "image": "i", "imageID": "", "ready": false, "restartCount": 0,
        "state": {"waiting": {"reason": reason, "message": "as the kubelet says"}},
        "lastState": ended.unwrap_or(json!({})),
    }]})
}

fn unschedulable() -> Value {
    json!({"conditions": [{
        "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
        "message": "0/3 nodes are available",
    }]})
}

async fn until_workers(stage: &Stage, is: &str, reason: &str) -> String {
    let said = stage
        .until_condition("drop", "WorkersAvailable", is, reason)
        .await;
    println!("{reason}: {said}");
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn what_keeps_pods_from_running_is_told_until_they_run() {
    let stage = Stage::set(Services::start().await).await;
    if !stage.cluster.has_controllers() {
        println!("skipped: nothing makes pods here");
        return;
    }
    let _operator = stage.operator("operator").await;
    stage.create("drop", one_product("shoe", 5)).await;
    until_workers(&stage, "False", "Starting").await;
    for (status, reason, expected) in [
        (unschedulable(), "Unschedulable", "0/3 nodes"),
        (
            with(
                waiting("ImagePullBackOff", None),
                &json!({"conditions": [{"type": "PodScheduled", "status": "True"}]}),
            ),
            "ImageUnavailable",
            "ImagePullBackOff: cannot pull image",
        ),
        (
            waiting("CrashLoopBackOff", Some(3)),
            "CrashLoop",
            "exit code 3",
        ),
    ] {
        say(&stage, status).await;
        let said = until_workers(&stage, "False", reason).await;
        assert!(said.contains(expected), "{said}");
    }
    make_ready(&stage, "drop").await;
    until_workers(&stage, "True", "Available").await;
    stage.until_event("drop", "Recovered").await;
    let told = stage.events("drop").await;
    let told = told
        .iter()
        .filter(|(reason, _)| reason == "WorkersUnavailable");
    assert_eq!(told.count(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_that_cannot_start_are_told_long_before_the_opening() {
    let stage = Stage::set(Services::start().await).await;
    if !stage.cluster.has_controllers() {
        println!("skipped: nothing makes pods here");
        return;
    }
    let quotas: Api<ResourceQuota> = Api::namespaced(stage.cluster.client(), &stage.namespace);
    let quota = json!({"metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}});
    let quota: ResourceQuota = serde_json::from_value(quota).unwrap();
    quotas.create(&PostParams::default(), &quota).await.unwrap();
    let _operator = stage.operator("operator").await;
    let opens = Timestamp::now() + SignedDuration::from_secs(60);
    let spec = json!({"opensAt": opens, "worker": {"prewarmSeconds": 55}});
    stage
        .create("drop", with(one_product("shoe", 5), &spec))
        .await;
    stage.until_phase("drop", "Scheduled").await;
    let said = until_workers(&stage, "False", "QuotaExceeded").await;
    assert!(said.contains("exceeded quota: none"), "{said}");
    let told = stage.until_event("drop", "WorkersUnavailable").await;
    assert!(told.contains("exceeded quota: none"), "{told}");
    let left = opens.duration_since(Timestamp::now());
    println!("told {left:#} before the opening");
    assert!(left.is_positive());
    quotas
        .delete("none", &DeleteParams::default())
        .await
        .unwrap();
    stage
        .until("drop", "a pod is there", |status| {
            status.replicas == Some(1)
        })
        .await;
    make_ready(&stage, "drop").await;
    until_workers(&stage, "True", "Available").await;
}
