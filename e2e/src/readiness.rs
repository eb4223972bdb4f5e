//! Makes the pods of a worker Deployment ready or not, as a node would; there is no node here.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, ResourceExt,
    api::{ListParams, Patch, PatchParams},
};
use serde_json::json;

use crate::{
    operator::{SOON, Stage},
    patience::until,
};

/// Makes all pods of the workers of `name` ready, as many as the Deployment asks for, and waits
/// until the Deployment says so.
pub async fn make_ready(stage: &Stage, name: &str) {
    let wanted = stage.replicas(name).await;
    make(stage, name, true, wanted).await;
}

/// Makes all pods of the workers of `name` unready, as Kubernetes does when their nodes are lost.
pub async fn make_unready(stage: &Stage, name: &str) {
    make(stage, name, false, 0).await;
}

/// Has `wanted` workers be ready.
async fn make(stage: &Stage, name: &str, is_ready: bool, wanted: i32) {
    until(
        &format!("{wanted} workers of {name} are ready"),
        SOON,
        || async {
            if stage.cluster.has_controllers() {
                make_pods(stage, name, is_ready).await;
            } else {
                say_ready(stage, name, wanted).await;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
            ready(stage, name).await == wanted
        },
    )
    .await;
}

async fn ready(stage: &Stage, name: &str) -> i32 {
    let status = stage.workers(name).await.and_then(|found| found.status);
    status.and_then(|status| status.ready_replicas).unwrap_or(0)
}

async fn make_pods(stage: &Stage, name: &str, is_ready: bool) {
    let is = if is_ready { "True" } else { "False" };
    let pods: Api<Pod> = Api::namespaced(stage.cluster.client(), &stage.namespace);
    let ours = ListParams::default().labels(&format!("flashsale.dev/sale={name}"));
    for pod in pods.list(&ours).await.unwrap() {
        let now = jiff::Timestamp::now();
        let condition =
            |about: &str| json!({"type": about, "status": is, "lastTransitionTime": now});
        let status = json!({"status": {
            "phase": "Running",
            "conditions": [condition("Ready"), condition("ContainersReady")],
        }});
        pods.patch_status(
            &pod.name_any(),
            &PatchParams::default(),
            &Patch::Strategic(status),
        )
        .await
        .unwrap();
    }
}

/// Where nothing makes pods of a Deployment, nothing contradicts what its status says either.
async fn say_ready(stage: &Stage, name: &str, wanted: i32) {
    let replicas = stage.replicas(name).await;
    let status = json!({"status": {
        "replicas": replicas, "readyReplicas": wanted,
        "availableReplicas": wanted, "updatedReplicas": replicas,
    }});
    stage
        .deployments
        .patch_status(
            &format!("{name}-worker"),
            &PatchParams::default(),
            &Patch::Merge(status),
        )
        .await
        .unwrap();
}
