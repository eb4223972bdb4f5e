//! The server of the probes: few connections, each for a short time.
//!
//! It shares its process's files and processor with the work, and Kubernetes restarts a process
//! whose probes do not answer. So nobody may keep the kubelet out by holding connections.

use std::{collections::VecDeque, io, pin::pin, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::AbortHandle,
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Connections at a time. The kubelet and a Prometheus or two need as many as that; a further one
/// takes the place of the oldest, which is the least likely to be waiting for an answer.
const MOST: usize = 16;

/// How long a connection may be without a request, or in the middle of a head.
const IDLE: Duration = Duration::from_secs(10);

/// How long a connection may last. Whoever scrapes more often connects again.
const LONGEST: Duration = Duration::from_mins(2);

/// Pause after a failed accept: the usual reason, too many open files, does not pass at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Answers with `router` until `shutdown`; requests in flight then get `drain` longer.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: CancellationToken,
    drain: Duration,
) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(IDLE);
    let open = TaskTracker::new();
    let mut places = Places::default();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let answering = answer(&http, stream, router.clone(), shutdown.clone());
                    places.take(open.spawn(answering).abort_handle());
                }
                Err(error) => pause(&error).await,
            },
        }
    }
    drop(listener);
    open.close();
    // Whoever has not read an answer by then does without.
    let _ = timeout(drain, open.wait()).await;
}

/// Not an `async fn`, so that the task does not borrow `http`.
fn answer(
    http: &http1::Builder,
    stream: TcpStream,
    router: Router,
    shutdown: CancellationToken,
) -> impl Future<Output = ()> + Send + 'static {
    let service = TowerToHyperService::new(router);
    let connection = http.serve_connection(TokioIo::new(stream), service);
    async move {
        let mut connection = pin!(connection);
        let served = async {
            tokio::select! {
                ended = connection.as_mut() => ended,
                () = shutdown.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            }
        };
        if let Ok(Err(error)) = timeout(LONGEST, served).await {
            tracing::debug!(%error, "a connection to the probes ended: {error}");
        }
    }
}

async fn pause(error: &io::Error) {
    tracing::warn!(%error, "a connection to the probes could not be accepted: {error}");
    sleep(ACCEPT_PAUSE).await;
}

/// The connections, oldest first.
#[derive(Debug, Default)]
struct Places(VecDeque<AbortHandle>);

impl Places {
    fn take(&mut self, connection: AbortHandle) {
        self.0.retain(|open| !open.is_finished());
        if self.0.len() >= MOST
            && let Some(oldest) = self.0.pop_front()
        {
            oldest.abort();
        }
        self.0.push_back(connection);
    }
}
