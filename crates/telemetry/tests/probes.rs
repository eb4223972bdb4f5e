//! The probes over real sockets.
#![allow(
    clippy::unwrap_used,
    reason = "clippy.toml covers test functions, not what they call"
)]

use std::net::SocketAddr;
use std::time::Duration;

use flashsale_telemetry::probes::{self, Probes};
use prometheus::{IntCounter, Registry};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

struct Server {
    address: SocketAddr,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl Server {
    async fn start(probes: &Probes) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(probes::serve(listener, probes.clone(), shutdown.clone()));
        Self {
            address,
            shutdown,
            task,
        }
    }

    /// Status line, header lines and body of a GET.
    async fn get(&self, path: &str) -> (u16, String, String) {
        let mut socket = TcpStream::connect(self.address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head.to_lowercase(), body.to_owned())
    }
}

/// The value of a metric without labels.
fn value(text: &str, name: &str) -> f64 {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .unwrap();
    line.trim().parse().unwrap()
}

#[tokio::test]
async fn healthz_does_not_depend_on_readiness() {
    let probes = Probes::new(Registry::new());
    let _never_ready = probes.readiness("redis");
    let server = Server::start(&probes).await;
    assert_eq!(server.get("/healthz").await.0, 200);
    assert_eq!(server.get("/elsewhere").await.0, 404);
}

#[tokio::test]
async fn healthz_fails_when_a_loop_has_ended() {
    let probes = Probes::new(Registry::new());
    let lease = probes.heartbeat("lease", Duration::from_mins(1));
    let server = Server::start(&probes).await;
    assert_eq!(server.get("/healthz").await.0, 200);
    drop(lease);
    let (status, _, body) = server.get("/healthz").await;
    assert_eq!((status, body.as_str()), (503, "lease: has ended\n"));
}

#[tokio::test]
async fn readyz_names_what_is_not_ready_and_why() {
    let probes = Probes::new(Registry::new());
    let postgres = probes.readiness("postgres");
    let redis = probes.readiness("redis");
    let server = Server::start(&probes).await;

    postgres.ready();
    redis.not_ready("connection refused");
    let (status, _, body) = server.get("/readyz").await;
    assert_eq!(status, 503);
    let answer: serde_json::Value = serde_json::from_str(&body).unwrap();
    let expected = json!({"ready": false, "checks": [
        {"name": "postgres", "ready": true},
        {"name": "redis", "ready": false, "reason": "connection refused"},
    ]});
    assert_eq!(answer, expected);

    redis.ready();
    assert_eq!(server.get("/readyz").await.0, 200);
}

#[tokio::test]
async fn metrics_show_the_registry_and_the_process() {
    let registry = Registry::new();
    let buys = IntCounter::new("buys_total", "Buys asked for.").unwrap();
    registry.register(Box::new(buys.clone())).unwrap();
    buys.inc_by(7);
    let server = Server::start(&Probes::new(registry)).await;

    let (status, head, text) = server.get("/metrics").await;
    assert_eq!(status, 200);
    assert!(
        head.contains("content-type: text/plain; version=0.0.4"),
        "{head}"
    );
    assert!((value(&text, "buys_total") - 7.0).abs() < f64::EPSILON);
    assert!(value(&text, "process_resident_memory_bytes ") > 1e6);
    assert!(value(&text, "process_open_fds ") >= 3.0);
    assert!(value(&text, "process_cpu_seconds_total ") >= 0.0);
    assert!(
        text.contains("# TYPE process_cpu_seconds_total counter"),
        "{text}"
    );
    let now = std::time::SystemTime::UNIX_EPOCH
        .elapsed()
        .unwrap()
        .as_secs_f64();
    let age = now - value(&text, "process_start_time_seconds ");
    assert!((-2.0..600.0).contains(&age), "started {age} s ago");
}

#[tokio::test]
async fn connections_that_are_held_open_keep_nobody_out() {
    let server = Server::start(&Probes::new(Registry::new())).await;
    let mut held = Vec::new();
    for _ in 0..200 {
        let mut socket = TcpStream::connect(server.address).await.unwrap();
        socket.write_all(b"GET /metrics HTT").await.unwrap();
        held.push(socket);
    }
    assert_eq!(server.get("/healthz").await.0, 200);
    // Sooner than one that is idle is closed anyway.
    let ended = tokio::time::timeout(Duration::from_secs(5), async {
        let mut nothing = [0; 1];
        // Closed with its bytes unread, a connection is reset.
        !matches!(held[0].read(&mut nothing).await, Ok(1..))
    });
    assert!(ended.await.unwrap(), "the oldest has given its place up");
}

#[tokio::test]
async fn shutdown_is_not_held_up_by_a_client_that_says_nothing() {
    let server = Server::start(&Probes::new(Registry::new())).await;
    let mut halfway = TcpStream::connect(server.address).await.unwrap();
    halfway.write_all(b"GET /metrics HTT").await.unwrap();
    assert_eq!(server.get("/healthz").await.0, 200);

    server.shutdown.cancel();
    let ended = tokio::time::timeout(Duration::from_secs(10), server.task).await;
    ended.unwrap().unwrap();
    TcpStream::connect(server.address).await.unwrap_err();
}
