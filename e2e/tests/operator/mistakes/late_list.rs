//! A new leader whose list of Deployments is late takes no worker away.

use std::{
    net::Ipv4Addr,
    path::PathBuf,
    time::{Duration, Instant},
};

use flashsale_e2e::{
    cluster::{ControlPlane, tools},
    operator::{SOON, Stage, one_product},
    patience::until,
    processes::get,
    services::Services,
};
use flashsale_testbed::{launch::Launch, ports::free_port, process::Process};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{TcpListener, TcpStream},
};

use crate::market::Market;

/// How late the list of Deployments is.
const DELAY: Duration = Duration::from_secs(3);

/// How long the workers are watched once the new leader has told what it sees.
const WATCHED: Duration = Duration::from_secs(3);

const WORKERS: i32 = 6;

/// Sales that are visited at the same time.
const OTHERS: [&str; 3] = ["one", "two", "three"];

#[tokio::test]
async fn a_new_leader_that_sees_deployments_late_takes_no_worker_away() {
    let stage = Stage::set(Services::start().await).await;
    let operator = stage.lone_operator("before").await;
    let worker = json!({
        "minReplicas": 1, "maxReplicas": 12, "targetQueueDepth": 10, "lanesPerWorker": 1,
        "scaleDownStabilizationSeconds": 600,
    });
    let lanes = usize::try_from(WORKERS).unwrap();
    let market = Market::open(&stage, "drop", lanes, worker).await;
    for name in OTHERS {
        stage.create(name, one_product(name, 5)).await;
        stage.until_phase(name, "Open").await;
    }
    market.fill(&stage.services, 0..lanes, 10).await;
    stage.until_replicas("drop", WORKERS).await;
    // The stabilization window keeps them.
    market.empty(&stage.services).await;
    operator.kill().await;

    let (kubeconfig, _proxy) = late(&stage).await;
    let started = Instant::now();
    let operator = stage.operator_through("after", &kubeconfig).await;
    let reconciled = async || {
        let metrics = operator.metrics().await;
        let mut samples = metrics.lines();
        samples.any(|line| {
            line.starts_with("flashsale_operator_reconcile_duration_seconds_count")
                && !line.ends_with(" 0")
        })
    };
    while !reconciled().await {
        assert!(started.elapsed() < SOON, "no visit yet");
        assert_eq!(stage.replicas("drop").await, WORKERS);
    }
    assert!(started.elapsed() > DELAY, "the list was not late");
    let told = Instant::now();
    while told.elapsed() < WATCHED {
        assert_eq!(stage.replicas("drop").await, WORKERS);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for name in OTHERS {
        stage.edit(name, json!({"suspend": true})).await;
        stage.until_phase(name, "Suspended").await;
    }
}

/// A way to the API server on which lists of Deployments are late.
async fn late(stage: &Stage) -> (PathBuf, Process) {
    let port = free_port().unwrap();
    let files = stage.services.data_dir.path();
    let plain = Launch::new(
        "kubectl proxy",
        tools().await.join("kubectl"),
        files.join("kubectl-proxy.log"),
    )
    .args(["proxy", &format!("--port={port}")])
    .env("KUBECONFIG", ControlPlane::kubeconfig(stage.cluster));
    let process = Process::start(plain).await.unwrap();
    until("kubectl proxy answers", SOON, || async {
        get(&format!("http://127.0.0.1:{port}/version"))
            .await
            .is_some()
    })
    .await;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(pass_on(client, port));
        }
    });
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "late",
        "clusters": [{"name": "late", "cluster": {"server": server}}],
        "users": [{"name": "late", "user": {}}],
        "contexts": [{"name": "late", "context": {"cluster": "late", "user": "late"}}],
    });
    let path = files.join("late-kubeconfig");
    std::fs::write(&path, kubeconfig.to_string()).unwrap();
    (path, process)
}

async fn pass_on(client: TcpStream, port: u16) {
    let server = TcpStream::connect((Ipv4Addr::LOCALHOST, port))
        .await
        .unwrap();
    let (mut answers, mut requests) = server.into_split();
    let (mut from_client, mut to_client) = client.into_split();
    let back = tokio::spawn(async move { copy(&mut answers, &mut to_client).await });
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(read) = from_client.read(&mut bytes).await {
        if read == 0
            || requests
                .write_all(late_bytes(&bytes[..read]).await)
                .await
                .is_err()
        {
            break;
        }
    }
    back.abort();
}

/// The same bytes, later if they ask for a list of Deployments.
async fn late_bytes(bytes: &[u8]) -> &[u8] {
    let text = String::from_utf8_lossy(bytes);
    let head = text.lines().next().unwrap_or_default();
    if head.contains("/deployments?") && !head.contains("watch=true") {
        tokio::time::sleep(DELAY).await;
    }
    bytes
}
