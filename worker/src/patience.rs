//! Waiting for a part that is away: longer each time, up to a bound, and no longer than until
//! the worker is told to stop.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// First wait.
const FIRST: Duration = Duration::from_millis(50);

/// Longest wait: a part that comes back is found within a second.
const LONGEST: Duration = Duration::from_secs(1);

/// The waits of one outage.
#[derive(Debug)]
pub struct Patience {
    next: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { next: FIRST }
    }
}

impl Patience {
    /// Waits; false when `stop` was cancelled meanwhile.
    pub async fn wait(&mut self, stop: &CancellationToken) -> bool {
        let wait = self.next;
        self.next = (self.next * 2).min(LONGEST);
        tokio::select! {
            () = tokio::time::sleep(wait) => true,
            () = stop.cancelled() => false,
        }
    }
}
