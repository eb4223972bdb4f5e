//! The control plane that the other tests stand on: it works, and nothing of it stays.
#![allow(
    clippy::unwrap_used,
    reason = "tests say by unwrapping what they take for granted"
)]

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use flashsale_e2e::{
    cluster::{ControlPlane, told},
    patience::until,
};
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use kube::{
    Api,
    api::{ListParams, PostParams},
};
use serde_json::json;

/// How long controllers, and the end of processes, may take on a busy machine.
const SOON: Duration = Duration::from_secs(30);

/// Marks the lines of the sacrificed parent among those of the test harness.
const TOLD: &str = "control plane: ";

fn deployment() -> Deployment {
    serde_json::from_value(json!({
        "metadata": {"name": "shop"},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "shop"}},
            "template": {
                "metadata": {"labels": {"app": "shop"}},
                "spec": {"containers": [{"name": "shop", "image": "shop"}]},
            },
        },
    }))
    .unwrap()
}

/// Whether the process runs; a zombie does not.
fn runs(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

async fn until_gone(pids: &[i32], directory: &Path) {
    until("processes and files are gone", SOON, || async {
        !pids.iter().copied().any(runs) && !directory.exists()
    })
    .await;
}

#[tokio::test]
async fn deployment_gets_its_replica_set_and_strangers_get_nothing() {
    let cluster = ControlPlane::shared().await;
    let namespace = cluster.namespace("smoke").await;
    let deployments: Api<Deployment> = Api::namespaced(cluster.client(), &namespace);
    deployments
        .create(&PostParams::default(), &deployment())
        .await
        .unwrap();
    if cluster.has_controllers() {
        let sets: Api<ReplicaSet> = Api::namespaced(cluster.client(), &namespace);
        until("the deployment has its replica set", SOON, || async {
            let sets = sets.list(&ListParams::default()).await.unwrap();
            sets.items.len() == 1
        })
        .await;
    }

    let alice: Api<Deployment> = Api::namespaced(cluster.client_as("alice", &["devs"]), &namespace);
    let refused = alice.list(&ListParams::default()).await.unwrap_err();
    assert!(
        matches!(&refused, kube::Error::Api(status) if status.code == 403),
        "{refused}"
    );
    let allowed = cluster
        .kubectl(&["get", "deployment/shop", "-n", &namespace, "-o", "name"])
        .await;
    assert_eq!(told(&allowed).trim(), "deployment.apps/shop");
}

#[tokio::test]
async fn dropped_control_plane_leaves_nothing() {
    let cluster = ControlPlane::start().await;
    if cluster.is_given() {
        return;
    }
    let (pids, directory) = (cluster.pids(), state(&cluster));
    assert!(pids.len() >= 2 && pids.iter().copied().all(runs));
    drop(cluster);
    until_gone(&pids, &directory).await;
}

#[tokio::test]
async fn killed_test_program_leaves_no_control_plane() {
    let mut parent = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", "sacrificed_parent"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(parent.stdout.take().unwrap()).lines();
    let line = lines
        .find_map(|line| {
            line.unwrap()
                .split_once(TOLD)
                .map(|(_, told)| told.to_owned())
        })
        .unwrap();
    parent.kill().unwrap();
    parent.wait().unwrap();
    if line.is_empty() {
        return;
    }
    let (directory, pids) = line.split_once(' ').unwrap();
    let pids: Vec<i32> = pids.split(' ').map(|pid| pid.parse().unwrap()).collect();
    assert!(pids.len() >= 2);
    until_gone(&pids, &PathBuf::from(directory)).await;
}

/// Not a test: what `killed_test_program_leaves_no_control_plane` starts and kills.
#[tokio::test]
#[ignore = "started by another test"]
async fn sacrificed_parent() {
    let cluster = ControlPlane::shared().await;
    let mut told = Vec::new();
    if !cluster.is_given() {
        told.push(state(cluster).display().to_string());
        told.extend(cluster.pids().iter().map(ToString::to_string));
    }
    println!("{TOLD}{}", told.join(" "));
    std::future::pending::<()>().await;
}

fn state(cluster: &ControlPlane) -> PathBuf {
    cluster.kubeconfig().parent().unwrap().to_path_buf()
}
