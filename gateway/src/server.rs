//! Accepting connections, and letting them go at the end.

mod refusal;

use std::{io, pin::pin, time::Duration};

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::front::Front;

use refusal::Explained;

/// Pause after a failed accept: the usual reason, too many open files, does not pass at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Largest address and headers of a request together, in bytes; larger ones are answered 431.
const MAX_HEAD: usize = 32 * 1024;

/// The HTTP server.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    front: Front,
    http: http1::Builder,
    connections: TaskTracker,
}

impl Server {
    /// A server on `listener` that lets a connection be silent for `idle`.
    #[must_use]
    pub fn new(listener: TcpListener, front: Front, idle: Duration) -> Self {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(idle)
            .max_header_size(MAX_HEAD);
        Self {
            listener,
            front,
            http,
            connections: TaskTracker::new(),
        }
    }

    /// Accepts until `shutdown`; the connections then still open are [`Open`].
    pub async fn accept_until(self, shutdown: CancellationToken) -> Open {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return Open(self.connections),
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => self.serve(stream, shutdown.clone()),
                    Err(error) => recover(&error).await,
                },
            }
        }
    }

    fn serve(&self, stream: TcpStream, shutdown: CancellationToken) {
        // An answer is one small packet; waiting for more of it would only delay it. A failure
        // shows at the first read.
        let _ = stream.set_nodelay(true);
        let connection = self
            .http
            .serve_connection(Explained::new(TokioIo::new(stream)), self.front.clone())
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
}

/// Connections that outlived accepting.
#[derive(Debug)]
pub struct Open(TaskTracker);

impl Open {
    /// Lets requests in flight finish, for at most `grace`.
    pub async fn finish(self, grace: Duration) {
        self.0.close();
        if timeout(grace, self.0.wait()).await.is_err() {
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
