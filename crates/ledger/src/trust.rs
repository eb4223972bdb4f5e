//! Which of the pool's connections may be used again.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use sqlx::pool::PoolConnectionMetadata;
use tokio::time::Instant;

/// Which idle connections may be used again. Both limits are milliseconds after `epoch`.
#[derive(Debug, Clone)]
pub(crate) struct Trust {
    epoch: Instant,
    /// Connections that were used last before this are not used again.
    used_after: Arc<AtomicU64>,
    /// Connections that were opened before this are not used again.
    opened_after: Arc<AtomicU64>,
}

impl Trust {
    pub(crate) fn new() -> Self {
        Self {
            epoch: Instant::now(),
            used_after: Arc::default(),
            opened_after: Arc::default(),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// One connection was bad: those that wait beside it are of the same age and lead to the same
    /// place, and each would cost a call.
    pub(crate) fn end(&self) {
        self.used_after.fetch_max(self.now(), Ordering::Relaxed);
    }

    /// Connections are opened in another way from now on. One that is on its way back to the pool is
    /// neither in use nor idle yet, so only its age tells that it is a former one.
    pub(crate) fn end_for_all_opened(&self) {
        // One more than now, since both times that are compared are rounded down.
        self.opened_after
            .fetch_max(self.now() + 1, Ordering::Relaxed);
    }

    pub(crate) fn covers(&self, connection: &PoolConnectionMetadata) -> bool {
        let now = self.now();
        let before =
            |age: Duration| now.saturating_sub(u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
        before(connection.idle_for) >= self.used_after.load(Ordering::Relaxed)
            && before(connection.age) >= self.opened_after.load(Ordering::Relaxed)
    }
}
