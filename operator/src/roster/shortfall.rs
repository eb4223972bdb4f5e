//! A sale that lacks workers.

use std::time::{Duration, Instant};

/// How long pods may take to start before anybody asks what keeps them, and the shortest time between
/// two looks at the pods of a sale.
const SOONEST: Duration = Duration::from_secs(2);

/// The longest time between two looks at the pods of a sale.
const LATEST: Duration = Duration::from_secs(30);

/// A sale that lacks workers.
#[derive(Debug, Clone, Copy)]
pub struct Shortfall {
    pub(crate) since: Instant,
    pub(crate) next_look: Instant,
}

impl Shortfall {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            since: now,
            next_look: now + SOONEST,
        }
    }

    /// What cannot be mended soon is looked at less often.
    pub(crate) fn looked(&mut self, now: Instant) {
        let lasts = now.duration_since(self.since);
        self.next_look = now + lasts.clamp(SOONEST, LATEST);
    }
}
