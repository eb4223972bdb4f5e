//! How often the metadata of a worker Deployment is put back. A policy that rewrites a label on sight would
//! otherwise be answered for ever, since each of its changes causes a visit.

use std::{
    mem,
    time::{Duration, Instant},
};

/// Repairs at once: people make a mistake more than once.
const BURST: u32 = 3;

/// Time between those that follow.
const EACH: Duration = Duration::from_mins(1);

/// The repairs of one Deployment.
#[derive(Debug)]
pub(super) struct Repairs {
    /// When as many as [`BURST`] may be made at once again.
    whole_at: Instant,
    /// Whether it was told that they are held back.
    is_told: bool,
}

impl Repairs {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            whole_at: now,
            is_told: false,
        }
    }

    /// Whether another one may be made.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.whole_at.saturating_duration_since(now) + EACH <= EACH * BURST
    }

    /// Counts one that was made.
    pub(super) fn note(&mut self, now: Instant) {
        if self.whole_at <= now {
            self.is_told = false;
        }
        self.whole_at = self.whole_at.max(now) + EACH;
    }

    /// Whether people are still to be told that repairs are held back. True once, until there was no
    /// repair for some minutes.
    pub(super) fn is_to_tell(&mut self) -> bool {
        !mem::replace(&mut self.is_told, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_that_rewrites_a_label_on_sight_is_answered_once_a_minute_and_told_of_once() {
        let start = Instant::now();
        let mut repairs = Repairs::new(start);
        let mut told = 0;
        let mut rewrite = |second| {
            let now = start + Duration::from_secs(second);
            let is_due = repairs.is_due(now);
            if is_due {
                repairs.note(now);
            } else {
                told += u32::from(repairs.is_to_tell());
            }
            is_due
        };
        let made: Vec<u64> = (0..240).filter(|second| rewrite(*second)).collect();
        assert_eq!(made, [0, 1, 2, 60, 120, 180]);
        // After a quiet time it is as in the beginning.
        let made: Vec<u64> = (600..640).filter(|second| rewrite(*second)).collect();
        assert_eq!(made, [600, 601, 602]);
        assert_eq!(told, 2);
    }
}
