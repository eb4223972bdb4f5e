//! The shared connection that all calls of the turnstile pipeline over.
//!
//! The connection manager reconnects by itself when a connection breaks, but not when it merely
//! falls silent (a host that vanished, a partition) or when the server has become a replica. In
//! both cases it is replaced here.

use std::{
    io,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use flashsale_core::connect::{self, ConnectError};
use redis::{RedisError, RedisResult, ServerErrorKind, aio::ConnectionManager};
use tokio::time::timeout;

/// How long a silent connection is kept before another one is tried. Shorter would pile up
/// connections on a server that is merely slow.
const REPLACE_AFTER: Duration = Duration::from_secs(1);

/// The connection, and what is known of its health.
pub(super) struct Link {
    client: redis::Client,
    state: Mutex<State>,
}

struct State {
    manager: ConnectionManager,
    /// Counts replacements, so that late failures of an old connection change nothing.
    generation: u64,
    /// When the present connection fell silent; none while it answers.
    silent_since: Option<Instant>,
    /// False from the first failure until the next answer, for one log line each.
    healthy: bool,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Link").finish_non_exhaustive()
    }
}

/// One use of the connection.
pub(super) struct Lease {
    pub(super) manager: ConnectionManager,
    generation: u64,
}

impl Link {
    pub(super) fn new(client: redis::Client) -> Result<Self, ConnectError> {
        let state = State {
            manager: connect::shared(&client)?,
            generation: 0,
            silent_since: None,
            healthy: true,
        };
        Ok(Self {
            client,
            state: Mutex::new(state),
        })
    }

    /// The connection as it is now.
    pub(super) fn lease(&self) -> Lease {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        Lease {
            manager: state.manager.clone(),
            generation: state.generation,
        }
    }

    /// The connection answered.
    pub(super) fn answered(&self, lease: &Lease) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.generation == lease.generation {
            state.silent_since = None;
        }
        if !state.healthy {
            state.healthy = true;
            tracing::info!("the turnstile answers again");
        }
    }

    /// The connection failed.
    pub(super) fn failed(&self, lease: &Lease, error: &RedisError) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.healthy {
            state.healthy = false;
            tracing::warn!(%error, "the turnstile is out of reach, buys are answered 503: {error}");
        }
        if state.generation != lease.generation {
            return;
        }
        let since = *state.silent_since.get_or_insert_with(Instant::now);
        let is_stale = (error.is_timeout() && since.elapsed() >= REPLACE_AFTER)
            || error.kind() == redis::ErrorKind::Server(ServerErrorKind::ReadOnly);
        if is_stale && let Ok(manager) = connect::shared(&self.client) {
            state.manager = manager;
            state.generation += 1;
            state.silent_since = None;
        }
    }

    pub(super) async fn heartbeat(&self, longest: Duration) -> RedisResult<()> {
        let mut lease = self.lease();
        let ping = redis::cmd("PING");
        let answer = timeout(longest, ping.exec_async(&mut lease.manager)).await;
        match answer.unwrap_or_else(|_| Err(no_answer())) {
            Ok(()) => {
                self.answered(&lease);
                Ok(())
            }
            Err(error) => {
                self.failed(&lease, &error);
                Err(error)
            }
        }
    }
}

/// The error of a call that was given up.
pub(super) fn no_answer() -> RedisError {
    io::Error::new(io::ErrorKind::TimedOut, "no answer in time").into()
}
