//! How fast Redis takes buys: how many go into a call, and how long one that arrives now would wait.

use std::time::{Duration, Instant};

use flashsale_queue::turnstile::MAX_BUYS_A_CALL;

/// Least number of buys that a full call has. Where it is the way to Redis that takes long, smaller
/// calls would take just as long, with fewer buys each.
const FEWEST_BUYS_A_CALL: usize = 16;

/// How fast the calls of one sale take buys while more of them wait than fit into a call.
#[derive(Debug)]
pub(super) struct DrainRate {
    /// How long a call may take. While buys wait, a full call ends at least as often.
    call_timeout: Duration,
    /// Time per buy: a mean that counts each full call twice as much as the one before it, so that it
    /// follows Redis within a few calls.
    per_buy: Duration,
    /// When the last full call ended.
    measured: Option<Instant>,
    /// When the last call ended.
    ended: Option<Instant>,
}

impl DrainRate {
    /// The rate of calls that may take so long each.
    pub(super) fn new(call_timeout: Duration) -> Self {
        Self {
            call_timeout,
            per_buy: Duration::ZERO,
            measured: None,
            ended: None,
        }
    }

    /// A call with so many buys was sent at `sent` and ended at `now`, with an answer or because its
    /// time was over. A call that is not full says nothing of how many buys could have gone with it.
    pub(super) fn ended(&mut self, buys: usize, is_full: bool, sent: Instant, now: Instant) {
        // Of calls on their way together, each has only the time since the one before it.
        let since = self.ended.map_or(sent, |ended| ended.max(sent));
        self.ended = Some(now);
        if let (true, Ok(buys @ 1..)) = (is_full, u32::try_from(buys)) {
            let taken = now.saturating_duration_since(since) / buys;
            self.per_buy = self.per_buy(now).map_or(taken, |mean| (mean + taken) / 2);
            self.measured = Some(now);
        }
    }

    /// Time per buy, if that is known of late: Redis may be as fast as ever by now.
    fn per_buy(&self, now: Instant) -> Option<Duration> {
        let age = now.saturating_duration_since(self.measured?);
        (age <= self.call_timeout).then_some(self.per_buy)
    }

    /// Most buys of the next call: so many that it ends in half the time that it may take, with
    /// `calls` on their way together.
    pub(super) fn most_a_call(&self, calls: usize, now: Instant) -> usize {
        let buys = self.per_buy(now).and_then(|per_buy| {
            let all_calls = (self.call_timeout / 2).as_nanos();
            usize::try_from(all_calls.checked_div(per_buy.as_nanos())?).ok()
        });
        buys.map_or(MAX_BUYS_A_CALL, |buys| {
            (buys / calls.max(1)).clamp(FEWEST_BUYS_A_CALL, MAX_BUYS_A_CALL)
        })
    }

    /// How long a further buy waits for its call behind `waiting` others; zero where that is unknown,
    /// and where calls would not become full without it: then nobody would know any more.
    pub(super) fn wait(&self, waiting: usize, now: Instant) -> Duration {
        let per_buy = self.per_buy(now).filter(|_| waiting > FEWEST_BUYS_A_CALL);
        let waiting = u32::try_from(waiting).unwrap_or(u32::MAX);
        per_buy.map_or(Duration::ZERO, |per_buy| per_buy.saturating_mul(waiting))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: usize = MAX_BUYS_A_CALL;
    const CALL_TIMEOUT: Duration = Duration::from_millis(400);

    /// Ten full calls, two at a time, one answered every `step`; when the last was.
    fn answer(rate: &mut DrainRate, start: Instant, step: Duration) -> Instant {
        let ends = (1..=10).map(|call| start + step * call);
        ends.inspect(|now| rate.ended(FULL, true, now.checked_sub(2 * step).unwrap(), *now))
            .last()
            .unwrap()
    }

    #[test]
    fn the_wait_follows_the_calls_that_are_full() {
        let start = Instant::now() + Duration::from_mins(1);
        let (slow, fast) = (Duration::from_millis(64), Duration::from_millis(1));
        let mut rate = DrainRate::new(CALL_TIMEOUT);
        assert_eq!(
            rate.wait(1_000_000, start),
            Duration::ZERO,
            "nothing is known"
        );
        let now = answer(&mut rate, start, slow);
        let wait = rate.wait(10 * FULL, now);
        let expected = Duration::from_millis(640);
        assert!(
            wait > expected * 9 / 10 && wait < expected * 11 / 10,
            "{wait:?}"
        );

        rate.ended(1, false, now, now + slow);
        rate.ended(FULL, false, now + slow, now + 2 * slow);
        let now = now + 2 * slow;
        assert_eq!(rate.wait(10 * FULL, now), wait, "neither tells the rate");
        let now = answer(&mut rate, now, fast);
        assert!(rate.wait(10 * FULL, now) < Duration::from_millis(12));
    }

    #[test]
    fn what_was_measured_long_ago_is_not_known() {
        let start = Instant::now();
        let mut rate = DrainRate::new(CALL_TIMEOUT);
        let now = answer(&mut rate, start, Duration::from_millis(100));
        assert!(rate.wait(FULL, now + CALL_TIMEOUT) > Duration::ZERO);
        assert_eq!(rate.wait(FEWEST_BUYS_A_CALL, now), Duration::ZERO);
        let later = now + CALL_TIMEOUT + Duration::from_millis(1);
        assert_eq!(rate.wait(FULL, later), Duration::ZERO);
        assert_eq!(rate.most_a_call(2, later), FULL);
    }

    #[test]
    fn calls_to_a_slow_redis_have_fewer_buys() {
        let start = Instant::now();
        let mut rate = DrainRate::new(CALL_TIMEOUT);
        assert_eq!(rate.most_a_call(2, start), FULL, "nothing is known");
        // 2 ms per buy: two calls of 50 take 200 ms together.
        let now = answer(&mut rate, start, 128 * Duration::from_millis(2));
        assert!((45..=50).contains(&rate.most_a_call(2, now)));
        assert!((22..=25).contains(&rate.most_a_call(4, now)));
        let now = answer(&mut rate, now, 128 * Duration::from_millis(50));
        assert_eq!(rate.most_a_call(2, now), FEWEST_BUYS_A_CALL);
        let now = answer(&mut rate, now, Duration::from_millis(1));
        assert_eq!(rate.most_a_call(2, now), FULL);
    }
}
