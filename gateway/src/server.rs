//! Accepting connections, and letting them go at the end.

mod admission;
mod guarded;
mod limits;
mod pressure;
mod refusal;

use std::{future::pending, io, pin::pin, sync::Arc, time::Duration};

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::SockRef;
use tokio::{
    net::TcpListener,
    time::{Instant, sleep, timeout_at},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{client::Link, front::Front, metrics::ConnectionMetrics};

use admission::{Admission, Admitted};
use guarded::Guarded;
pub use limits::{ConnectionLimits, Times};
use refusal::Explained;

/// Pause after a failed accept: the usual reason, too many open files, does not pass at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Largest address and headers of a request together, in bytes; larger ones are answered 431.
const MAX_HEAD: usize = 32 * 1024;

/// Most that is read ahead of a connection, in bytes: a head and what came with it.
const MAX_BUFFER: usize = 2 * MAX_HEAD;

/// The HTTP server.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    front: Front,
    http: http1::Builder,
    times: Times,
    admission: Admission,
    metrics: ConnectionMetrics,
    connections: TaskTracker,
}

impl Server {
    /// A server on `listener` that takes connections up to `limits`.
    pub fn new(
        listener: TcpListener,
        front: Front,
        limits: ConnectionLimits,
        times: Times,
        metrics: ConnectionMetrics,
    ) -> Self {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(times.idle)
            // Who has sent a request may close that direction and is answered in the other.
            .half_close(true)
            .max_header_size(MAX_HEAD)
            .max_buf_size(MAX_BUFFER);
        Self {
            listener,
            http,
            times,
            admission: Admission::new(limits, front.proxies(), metrics.clone()),
            front,
            metrics,
            connections: TaskTracker::new(),
        }
    }

    /// Accepts until `shutdown`; the connections then still open are [`Open`]. Fewer are accepted
    /// while the memory of which the process may have `memory_limit` bytes is short.
    pub async fn accept_until(
        self,
        shutdown: CancellationToken,
        memory_limit: Option<u64>,
    ) -> Open {
        let mut pressure = pin!(async {
            match memory_limit {
                Some(limit) => pressure::watch(Arc::clone(self.admission.places()), limit).await,
                None => pending().await,
            }
        });
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return Open(self.connections.clone()),
                () = &mut pressure => {}
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, peer)) => {
                        if let Some(admitted) = self.admission.admit(stream, peer) {
                            self.serve(admitted, shutdown.clone());
                        }
                    }
                    Err(error) => recover(&error).await,
                },
            }
        }
    }

    fn serve(&self, admitted: Admitted, shutdown: CancellationToken) {
        self.prepare(&admitted);
        let link = Arc::new(Link::new(admitted.peer));
        let front = self.front.on(Arc::clone(&link));
        let guarded = Guarded::new(admitted, link, self.times, self.metrics.clone());
        let connection = self
            .http
            .serve_connection(Explained::new(TokioIo::new(guarded)), front)
            .with_upgrades();
        self.connections.spawn(async move {
            let mut connection = pin!(connection);
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = shutdown.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                // The client's doing: it went away, was silent for too long, or spoke no HTTP.
                tracing::debug!(%error, "a connection ended: {error}");
            }
        });
    }

    /// A failure of these shows at the first read.
    fn prepare(&self, admitted: &Admitted) {
        // An answer is one small packet; waiting for more of it would only delay it.
        let _ = admitted.stream.set_nodelay(true);
        // Also after the connection was closed here, the system keeps what was sent for a client
        // that does not take it.
        let _ = SockRef::from(&admitted.stream).set_tcp_user_timeout(Some(self.times.write));
    }
}

/// Connections that outlived accepting.
#[derive(Debug)]
pub struct Open(TaskTracker);

impl Open {
    /// Lets requests in flight finish until `deadline`.
    pub async fn finish(self, deadline: Instant) {
        self.0.close();
        if timeout_at(deadline, self.0.wait()).await.is_err() {
            let open = self.0.len();
            tracing::warn!(
                open,
                "{open} connections did not finish in time and are cut off"
            );
        }
    }
}

async fn recover(error: &io::Error) {
    let is_clients_doing = matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
    );
    if !is_clients_doing {
        tracing::warn!(%error, "a connection could not be accepted: {error}; is the limit of open files too low?");
        sleep(ACCEPT_PAUSE).await;
    }
}
