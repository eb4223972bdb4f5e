//! How long a buy that arrives now would wait, told by how fast the buys before it are taken.

use std::time::{Duration, Instant};

use flashsale_core::turnstile::MAX_BUYS_A_CALL;

/// How fast the calls of one sale take buys while more of them wait than fit into a call.
#[derive(Debug, Default)]
pub(super) struct DrainRate {
    /// Time per buy: a mean that counts each call twice as much as the one before it, so that it
    /// follows Redis within a few calls.
    per_buy: Duration,
    /// When the last call was answered.
    answered: Option<Instant>,
}

impl DrainRate {
    /// A call with so many buys was sent at `sent` and is answered now, while others wait or not. How
    /// long a call takes that is not full says nothing of how many buys could have gone with it.
    pub(super) fn answered(&mut self, buys: usize, sent: Instant, now: Instant, others_wait: bool) {
        // Of calls on their way together, each has only the time since the one before it.
        let since = self.answered.map_or(sent, |answered| answered.max(sent));
        self.answered = Some(now);
        if buys == MAX_BUYS_A_CALL && others_wait {
            let buys = u32::try_from(buys).unwrap_or(u32::MAX);
            let per_buy = now.saturating_duration_since(since) / buys;
            self.per_buy = (self.per_buy + per_buy) / 2;
        }
    }

    /// How long a further buy waits for its call behind `waiting` others. Nothing while the next call
    /// takes it along.
    pub(super) fn wait(&self, waiting: usize) -> Duration {
        if waiting < MAX_BUYS_A_CALL {
            return Duration::ZERO;
        }
        let waiting = u32::try_from(waiting).unwrap_or(u32::MAX);
        self.per_buy.saturating_mul(waiting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: usize = MAX_BUYS_A_CALL;

    /// Ten full calls, two at a time, one answered every `step`.
    fn answer(rate: &mut DrainRate, start: Instant, step: Duration) {
        for call in 1..=10 {
            let now = start + step * call;
            rate.answered(FULL, now.checked_sub(2 * step).unwrap(), now, true);
        }
    }

    #[test]
    fn the_wait_follows_the_calls_that_are_full() {
        let start = Instant::now() + Duration::from_mins(1);
        let (slow, fast) = (Duration::from_millis(64), Duration::from_millis(1));
        let mut rate = DrainRate::default();
        assert_eq!(rate.wait(1_000_000), Duration::ZERO, "nothing is known");
        answer(&mut rate, start, slow);
        let wait = rate.wait(10 * FULL);
        let expected = Duration::from_millis(640);
        assert!(
            wait > expected * 9 / 10 && wait < expected * 11 / 10,
            "{wait:?}"
        );
        assert_eq!(rate.wait(FULL - 1), Duration::ZERO);

        let later = start + Duration::from_mins(1);
        rate.answered(1, later, later + slow, true);
        rate.answered(FULL, later + slow, later + 9 * slow, false);
        assert_eq!(rate.wait(10 * FULL), wait, "neither tells the rate");
        answer(&mut rate, later + 10 * slow, fast);
        assert!(rate.wait(10 * FULL) < Duration::from_millis(12));
    }
}
