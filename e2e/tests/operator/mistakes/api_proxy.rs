//! A way to the API server on which some requests are delayed or refused.

use std::{
    net::Ipv4Addr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use flashsale_e2e::{
    cluster::{ControlPlane, tools},
    operator::{SOON, Stage},
    patience::until,
    processes::get,
};
use flashsale_testbed::{launch::Launch, ports::free_port, process::Process};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

/// An answer that clients try again after.
const UNAVAILABLE: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// The answer to a watch of what the API server does not remember any more.
fn expired() -> String {
    let event = json!({"type": "ERROR", "object": {
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "too old resource version", "reason": "Expired", "code": 410,
    }});
    let length = event.to_string().len();
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
         connection: close\r\n\r\n{event}"
    )
}

/// What is done with a request.
pub(super) enum Handling {
    Passed,
    Delayed(Duration),
    Refused,
    /// A watch that ends, since what it is to begin with is too old: a new list is needed.
    Expired,
}

/// Passes requests on to the API server over `kubectl proxy`, until it is dropped.
pub(super) struct ApiProxy {
    kubeconfig: PathBuf,
    cut: CancellationToken,
    _accepting: AbortOnDropHandle<()>,
    _process: Process,
}

impl ApiProxy {
    /// A proxy that asks `handling` about the first line of each request.
    pub(super) async fn start(
        stage: &Stage,
        handling: impl Fn(&str) -> Handling + Send + Sync + 'static,
    ) -> Self {
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
        let kubeconfig = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "proxy",
            "clusters": [{"name": "proxy", "cluster": {"server": server}}],
            "users": [{"name": "proxy", "user": {}}],
            "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "proxy"}}],
        });
        let path = files.join("proxy-kubeconfig");
        std::fs::write(&path, kubeconfig.to_string()).unwrap();
        let cut = CancellationToken::new();
        let accepting = accept(listener, port, Arc::new(handling), cut.clone());
        Self {
            kubeconfig: path,
            cut,
            _accepting: AbortOnDropHandle::new(tokio::spawn(accepting)),
            _process: process,
        }
    }

    /// Leads through the proxy.
    pub(super) fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Ends all connections of now, watches among them. May be called once.
    pub(super) fn cut(&self) {
        self.cut.cancel();
    }
}

async fn accept(
    listener: TcpListener,
    port: u16,
    handling: Arc<impl Fn(&str) -> Handling + Send + Sync + 'static>,
    cut: CancellationToken,
) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let passing = pass_on(client, port, Arc::clone(&handling));
        if cut.is_cancelled() {
            connections.spawn(passing);
        } else {
            let cut = cut.clone();
            connections.spawn(async move {
                cut.run_until_cancelled(passing).await;
            });
        }
    }
}

async fn pass_on(client: TcpStream, port: u16, handling: Arc<impl Fn(&str) -> Handling>) {
    let server = TcpStream::connect((Ipv4Addr::LOCALHOST, port))
        .await
        .unwrap();
    let (mut answers, mut requests) = server.into_split();
    let (mut from_client, mut to_client) = client.into_split();
    // Requests of one connection come one after the other, so this is only done between answers.
    let passing_back = copy(&mut answers, &mut to_client);
    let answered = async {
        let mut bytes = vec![0; 64 * 1024];
        while let Ok(read @ 1..) = from_client.read(&mut bytes).await {
            let text = String::from_utf8_lossy(&bytes[..read]);
            match handling(text.lines().next().unwrap_or_default()) {
                Handling::Passed => {}
                Handling::Delayed(delay) => tokio::time::sleep(delay).await,
                Handling::Refused => return Some(UNAVAILABLE.to_vec()),
                Handling::Expired => return Some(expired().into_bytes()),
            }
            if requests.write_all(&bytes[..read]).await.is_err() {
                break;
            }
        }
        None
    };
    let answer = tokio::select! {
        _ = passing_back => None,
        answer = answered => answer,
    };
    if let Some(answer) = answer {
        let _ = to_client.write_all(&answer).await;
    }
}
