//! When a failed visit is made again: later and later, and not all objects at once.

use std::{collections::HashMap, time::Duration};

use parking_lot::Mutex;

/// Delay after the first failure.
const FIRST: Duration = Duration::from_secs(1);

/// Longest delay: what has mended itself is noticed within it.
const LONGEST: Duration = Duration::from_mins(1);

/// Doublings after which the delay is [`LONGEST`] anyway.
const DOUBLINGS: u32 = 6;

/// Failures in a row, by the uid of the object.
#[derive(Debug, Default)]
pub struct Backoff(Mutex<HashMap<String, u32>>);

impl Backoff {
    /// Counts a failure of `object`; answers after how long to try again.
    pub fn failed(&self, object: &str) -> Duration {
        let mut failures = self.0.lock();
        let count = failures.entry(object.to_owned()).or_default();
        *count = count.saturating_add(1);
        delay(*count, rand::random())
    }

    /// How often `object` has failed in a row.
    pub fn failures(&self, object: &str) -> u32 {
        self.0.lock().get(object).copied().unwrap_or_default()
    }

    /// `object` is well again, or gone.
    pub fn reset(&self, object: &str) {
        self.0.lock().remove(object);
    }
}

/// The delay after `failures` in a row; `random`, from 0 to 1, takes up to half of it away.
fn delay(failures: u32, random: f64) -> Duration {
    let doublings = failures.saturating_sub(1).min(DOUBLINGS);
    let longest = (FIRST * 2_u32.pow(doublings)).min(LONGEST);
    longest.mul_f64(1.0 - random.clamp(0.0, 1.0) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_a_minute() {
        let delays: Vec<u64> = (1..10)
            .map(|failures| delay(failures, 0.0).as_secs())
            .collect();
        assert_eq!(delays, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(delay(u32::MAX, 1.0), LONGEST / 2);
    }

    #[test]
    fn each_object_has_its_own_count() {
        let backoff = Backoff::default();
        for _ in 0..5 {
            backoff.failed("a");
        }
        assert!(backoff.failed("a") > FIRST * 8);
        assert!(backoff.failed("b") <= FIRST);
        backoff.reset("a");
        assert_eq!(backoff.failures("a"), 0);
        assert!(backoff.failed("a") <= FIRST);
    }
}
