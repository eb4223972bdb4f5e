//! How long a buy that arrives now would wait, told by how long calls take.

use std::time::Duration;

use flashsale_core::turnstile::MAX_BUYS_A_CALL;

/// How long the calls of one sale take.
#[derive(Debug, Default)]
pub(super) struct CallTimes {
    /// A mean that counts each call twice as much as the one before it, so that it follows Redis
    /// within a few calls.
    mean: Duration,
}

impl CallTimes {
    /// A call was answered after `took`.
    pub(super) fn answered(&mut self, took: Duration) {
        self.mean = (self.mean + took) / 2;
    }

    /// How long a further buy waits for its call when `waiting` buys are before it and `at_a_time`
    /// calls are on their way at once. Nothing below one full call: the next one takes it along.
    pub(super) fn wait(&self, waiting: usize, at_a_time: usize) -> Duration {
        let calls = u32::try_from(waiting / MAX_BUYS_A_CALL).unwrap_or(u32::MAX);
        let at_a_time = u32::try_from(at_a_time).unwrap_or(u32::MAX).max(1);
        self.mean.saturating_mul(calls) / at_a_time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    #[test]
    fn the_wait_grows_with_full_calls_and_follows_redis() {
        let mut calls = CallTimes::default();
        assert_eq!(calls.wait(1_000_000, 2), Duration::ZERO, "nothing is known");
        for _ in 0..10 {
            calls.answered(50 * MILLISECOND);
        }
        let wait = calls.wait(10 * MAX_BUYS_A_CALL, 2);
        assert!(
            wait > 245 * MILLISECOND && wait <= 250 * MILLISECOND,
            "{wait:?}"
        );
        assert_eq!(calls.wait(MAX_BUYS_A_CALL - 1, 2), Duration::ZERO);
        for _ in 0..10 {
            calls.answered(MILLISECOND);
        }
        assert!(calls.wait(10 * MAX_BUYS_A_CALL, 2) < 6 * MILLISECOND);
    }
}
