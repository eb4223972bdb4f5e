//! Which connections are taken.

use std::{
    net::{IpAddr, Shutdown, SocketAddr},
    sync::{
        Arc, LazyLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use socket2::SockRef;
use tokio::{io::AsyncReadExt as _, net::TcpStream, sync::Semaphore, time::timeout};

use super::{limits::ConnectionLimits, refusal::whole};
use crate::{
    client::{Client, Proxies},
    log_budget::LogBudget,
    metrics::ConnectionMetrics,
    places::{Full, Place, Places},
    problem::unavailable,
};

/// Lines about refused connections of this process.
static REFUSALS: LogBudget = LogBudget::new();

/// Longest that a refused client may take to read why.
const LINGER: Duration = Duration::from_secs(1);

/// Most bytes of a refused client's request that are read and thrown away. The answer is lost to a
/// client that sends more (RFC 9112, section 9.6).
const LINGER_BYTES: usize = 32 * 1024;

/// The longest `Retry-After` of a refused connection, in seconds; they begin with 1, so that those
/// who are refused at the same time do not return at the same time.
const LONGEST_RETRY: u64 = 5;

static ANSWERS: LazyLock<Vec<Bytes>> = LazyLock::new(|| {
    (1..=LONGEST_RETRY)
        .map(|seconds| {
            let detail = "too many connections are open; connect again after a pause";
            whole(
                &unavailable(detail),
                &[("retry-after", &seconds.to_string())],
            )
        })
        .collect()
});

/// Takes connections as long as there are places.
#[derive(Debug)]
pub(super) struct Admission {
    places: Arc<Places<IpAddr>>,
    /// Refusals that may be under way at a time.
    refusals: Arc<Semaphore>,
    /// The next of the answers to send.
    next: AtomicUsize,
    proxies: Arc<Proxies>,
    metrics: ConnectionMetrics,
}

impl Admission {
    pub(super) fn new(
        limits: ConnectionLimits,
        proxies: Arc<Proxies>,
        metrics: ConnectionMetrics,
    ) -> Self {
        let limit = i64::try_from(limits.total).unwrap_or(i64::MAX);
        metrics.limit.set(limit);
        Self {
            places: Places::new(limits.total, limits.per_address, metrics.open.clone()),
            refusals: Arc::new(Semaphore::new(limits.refusals)),
            next: AtomicUsize::new(0),
            proxies,
            metrics,
        }
    }

    /// All places, for whoever has to narrow them.
    pub(super) fn places(&self) -> &Arc<Places<IpAddr>> {
        &self.places
    }

    /// A place for a connection from `peer`; none when there is no room, and then it is refused.
    pub(super) fn admit(&self, stream: TcpStream, peer: SocketAddr) -> Option<Admitted> {
        let peer = self.proxies.client_at(peer.ip());
        match self.places.take(peer.limited()) {
            Ok(place) => Some(Admitted {
                stream,
                peer,
                place,
            }),
            Err(full) => {
                self.refuse(stream, peer, full);
                None
            }
        }
    }

    /// Answers at once or not at all: a client that does not read costs nothing but its file, and
    /// that for [`LINGER`] at most.
    fn refuse(&self, stream: TcpStream, client: Client, full: Full) {
        let (reason, counter) = match full {
            Full::Total => ("all places are taken", &self.metrics.refused_total),
            Full::Key => ("its address has too many", &self.metrics.refused_address),
            Full::Narrowed => ("memory is short", &self.metrics.refused_memory),
        };
        counter.inc();
        if let Some(left_out) = REFUSALS.spend(Instant::now()) {
            tracing::warn!(%client, reason, left_out, "refused a connection of {client}: {reason}");
        }
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % ANSWERS.len();
        let is_sent = ANSWERS
            .get(turn)
            .is_some_and(|answer| SockRef::from(&stream).send(answer).is_ok());
        if is_sent && let Ok(permit) = Arc::clone(&self.refusals).try_acquire_owned() {
            tokio::spawn(async move {
                linger(stream).await;
                drop(permit);
            });
        }
    }
}

/// A connection that has its place.
#[derive(Debug)]
pub(super) struct Admitted {
    pub(super) stream: TcpStream,
    /// Who has connected.
    pub(super) peer: Client,
    pub(super) place: Place<IpAddr>,
}

/// Waits until the client has closed. Closed while its request is unread, a connection is reset, and
/// with it the answer.
async fn linger(mut stream: TcpStream) {
    let _ = SockRef::from(&stream).shutdown(Shutdown::Write);
    let mut read = [0; 1024];
    let until_end = async {
        for _ in 0..LINGER_BYTES / read.len() {
            if !matches!(stream.read(&mut read).await, Ok(1..)) {
                break;
            }
        }
    };
    // Whoever has not closed by then is cut off.
    let _ = timeout(LINGER, until_end).await;
}
