//! The connection that all calls of the turnstile pipeline over, and whether it works.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use flashsale_queue::connect::{self, SharedConnection};
use redis::{RedisError, RedisResult};
use tokio::time::timeout;

/// The connection, and what is known of its health.
#[derive(Debug)]
pub(super) struct Link {
    connection: SharedConnection,
    /// False from the first failure until the next answer, for one log line each.
    is_healthy: AtomicBool,
}

impl Link {
    pub(super) fn new(connection: SharedConnection) -> Self {
        Self {
            connection,
            is_healthy: AtomicBool::new(true),
        }
    }

    pub(super) fn connection(&self) -> SharedConnection {
        self.connection.clone()
    }

    /// Redis answered.
    pub(super) fn answered(&self) {
        // Read first: the cache line is shared by all calls, and it hardly ever changes.
        if !self.is_healthy.load(Ordering::Relaxed)
            && !self.is_healthy.swap(true, Ordering::Relaxed)
        {
            tracing::info!("the turnstile answers again");
        }
    }

    /// A call failed.
    pub(super) fn failed(&self, error: &RedisError) {
        if self.is_healthy.swap(false, Ordering::Relaxed) {
            tracing::warn!(%error, "the turnstile is out of reach, buys are answered 503: {error}");
        }
    }

    /// Asks whether a buy could be taken now.
    pub(super) async fn heartbeat(&self, longest: Duration) -> RedisResult<()> {
        let mut connection = self.connection();
        let asked = timeout(longest, connect::check_writable(&mut connection)).await;
        let answer = asked.unwrap_or_else(|_| Err(no_answer()));
        match &answer {
            Ok(()) => self.answered(),
            Err(error) => self.failed(error),
        }
        answer
    }
}

/// The error of a call that was given up.
pub(super) fn no_answer() -> RedisError {
    std::io::Error::new(std::io::ErrorKind::TimedOut, "no answer in time").into()
}
