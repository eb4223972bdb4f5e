//! Whether a lane's driver gets on: what its lease is renewed by.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// When a driver last finished a step; clones are of one driver.
///
/// A step is anything that ended, a failed or timed-out call included: the driver is then about to
/// do something about it. Only a driver that waits for something without a time limit makes none.
#[derive(Debug, Clone)]
pub struct Progress {
    began: Instant,
    /// Milliseconds from `began` to the last step.
    last_step: Arc<AtomicU64>,
}

impl Progress {
    /// A step was finished.
    pub fn step(&self) {
        let since = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_step.store(since, Ordering::Relaxed);
    }

    /// Time since the last one.
    pub fn since_last_step(&self) -> Duration {
        let last = Duration::from_millis(self.last_step.load(Ordering::Relaxed));
        self.began.elapsed().saturating_sub(last)
    }
}

impl Default for Progress {
    /// Of a driver that begins now.
    fn default() -> Self {
        Self {
            began: Instant::now(),
            last_step: Arc::default(),
        }
    }
}
