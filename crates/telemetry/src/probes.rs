//! Health, readiness and metrics over HTTP, on a port of their own.
//!
//! | path | answer |
//! |---|---|
//! | `/healthz` | 200 for as long as every heartbeat beats, 503 with a line for each that does not |
//! | `/readyz` | 200 when every named check is ready, 503 otherwise; JSON says which is not and why |
//! | `/metrics` | Prometheus's text format |
//!
//! ```no_run
//! use flashsale_telemetry::{listen, probes::{self, Probes}, shutdown};
//! use prometheus::Registry;
//!
//! # async fn run() -> std::io::Result<()> {
//! let probes = Probes::new(Registry::new());
//! let redis = probes.readiness("redis");
//! let listener = listen("[::]:9090".parse().unwrap())?;
//! let server = tokio::spawn(probes::serve(listener, probes, shutdown::on_signals()?));
//! redis.ready();
//! // Later, and true until the next `ready`:
//! redis.not_ready("connection refused");
//! # drop(server); Ok(())
//! # }
//! ```

mod liveness;
mod readiness;
mod server;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use prometheus::{Registry, TEXT_FORMAT, TextEncoder};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::process_metrics;

pub use self::liveness::Heartbeat;
use self::liveness::Heartbeats;
use self::readiness::Checks;
pub use self::readiness::ReadinessHandle;

/// A scrape takes milliseconds; a scraper that reads no further must not hold up the shutdown.
const DRAIN_PATIENCE: Duration = Duration::from_secs(1);

/// What the probes answer with. Cheap to clone; clones share everything.
#[derive(Debug, Clone)]
pub struct Probes {
    /// Where the process registers its metrics.
    registry: Registry,
    /// Named readiness checks.
    checks: Arc<Checks>,
    /// Named loops that have to go on.
    heartbeats: Arc<Heartbeats>,
}

impl Probes {
    /// Probes that show the metrics of `registry`, and beside them what Prometheus wants to know of
    /// every process: resident memory, CPU time, open files and their limit, start time.
    ///
    /// Ready from the start, since there is no check yet.
    pub fn new(registry: Registry) -> Self {
        Self {
            registry,
            checks: Arc::default(),
            heartbeats: Arc::default(),
        }
    }

    /// Adds the check `name`, not ready until its handle says so. A second check of the same name
    /// takes the place of the first.
    pub fn readiness(&self, name: &str) -> ReadinessHandle {
        Checks::add(&self.checks, name)
    }

    /// Adds the loop `name` without which the process is of no use. It has to beat at least every
    /// `patience`, from now on, or `/healthz` fails, upon which Kubernetes starts the process anew.
    /// So it must not wait for anything outside the process for that long.
    ///
    /// One handle a name: the process counts as dead when it is dropped.
    pub fn heartbeat(&self, name: &str, patience: Duration) -> Heartbeat {
        Heartbeats::add(&self.heartbeats, name, patience)
    }

    /// Whether every check is ready.
    pub fn is_ready(&self) -> bool {
        self.checks.report().ready
    }
}

/// Answers probes on `listener` until `shutdown` is cancelled; requests in flight then get one more
/// second. Connections are few and short: a further one takes the place of the oldest, so that
/// nobody keeps the kubelet out.
///
/// Give it a token that is cancelled last, so that the process can be watched while it drains.
pub async fn serve(listener: TcpListener, probes: Probes, shutdown: CancellationToken) {
    let router = Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(probes);
    server::serve(listener, router, shutdown, DRAIN_PATIENCE).await;
}

async fn healthz(State(probes): State<Probes>) -> Response {
    match probes.heartbeats.complaint(Instant::now()) {
        None => "ok\n".into_response(),
        Some(complaint) => (StatusCode::SERVICE_UNAVAILABLE, complaint).into_response(),
    }
}

async fn readyz(State(probes): State<Probes>) -> Response {
    let report = probes.checks.report();
    let status = if report.ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(report)).into_response()
}

async fn metrics(State(probes): State<Probes>) -> Response {
    let mut families = probes.registry.gather();
    families.extend(process_metrics::gather());
    match TextEncoder::new().encode_to_string(&families) {
        Ok(text) => ([(CONTENT_TYPE, TEXT_FORMAT)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "metrics could not be encoded");
            (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response()
        }
    }
}
