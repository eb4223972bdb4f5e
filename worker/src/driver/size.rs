//! How many jobs a batch of this lane may have: fewer after the ledger was too slow for one.

use std::time::{Duration, Instant};

/// How long a smaller size stays in force before a larger one is tried again: a statement that is
/// cancelled costs its whole time limit, so it must stay rare while the ledger is slow.
const STAYS_SMALL: Duration = Duration::from_secs(10);

/// The size of a lane's batches. It outlives the lane's driver, so that the next one does not
/// begin with a batch that is known to be too large.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchSize {
    /// What the sale asks for.
    most: usize,
    /// What is in force.
    current: usize,
    /// When to double it, if it is not what the sale asks for.
    grow_at: Option<Instant>,
}

impl BatchSize {
    /// Batches of up to `most` jobs, but at least of one.
    pub fn new(most: usize) -> Self {
        let most = most.max(1);
        Self {
            most,
            current: most,
            grow_at: None,
        }
    }

    /// The same knowledge for a lane whose sale now asks for `most`.
    #[must_use]
    pub fn of_at_most(self, most: usize) -> Self {
        match self.grow_at {
            None => Self::new(most),
            Some(_) => Self {
                most: most.max(1),
                current: self.current.min(most.max(1)),
                grow_at: self.grow_at,
            },
        }
    }

    /// Jobs in a batch at most.
    pub(super) fn at(&mut self, now: Instant) -> usize {
        if self.grow_at.is_some_and(|at| at <= now) {
            self.current = self.current.saturating_mul(2).min(self.most);
            self.grow_at = (self.current < self.most).then(|| now + STAYS_SMALL);
        }
        self.current
    }

    /// A batch of `jobs` jobs took too long: half as many from now on.
    pub(crate) fn shrink(&mut self, jobs: usize, now: Instant) {
        self.current = (jobs / 2).clamp(1, self.current);
        self.grow_at = (self.current < self.most).then(|| now + STAYS_SMALL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_that_was_too_large_is_halved_and_comes_back_step_by_step() {
        let start = Instant::now();
        let mut size = BatchSize::new(1_000);
        size.shrink(1_000, start);
        size.shrink(500, start);
        assert_eq!(size.at(start), 250);
        assert_eq!(size.at(start + STAYS_SMALL), 500);
        assert_eq!(size.at(start + STAYS_SMALL), 500, "one step at a time");
        assert_eq!(size.at(start + STAYS_SMALL * 2), 1_000);
        assert_eq!(size.at(start + STAYS_SMALL * 9), 1_000);
    }

    #[test]
    fn a_small_batch_that_was_too_slow_never_makes_the_size_larger_or_zero() {
        let start = Instant::now();
        let mut size = BatchSize::new(8);
        size.shrink(3, start);
        assert_eq!(size.at(start), 1);
        size.shrink(100, start);
        assert_eq!(size.at(start), 1);
    }

    #[test]
    fn an_edited_batch_size_is_obeyed_and_what_was_learnt_is_kept() {
        let start = Instant::now();
        let mut size = BatchSize::new(1_000);
        assert_eq!(size.clone().of_at_most(2_000).at(start), 2_000);
        size.shrink(1_000, start);
        assert_eq!(size.clone().of_at_most(2_000).at(start), 500);
        assert_eq!(size.of_at_most(100).at(start), 100);
    }
}
