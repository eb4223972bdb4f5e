//! Whole seconds that all processes share: those of Redis's clock.
//!
//! Gateways tell of their buys at whole seconds, and a second is taken to be over half a second
//! later. So each message of each gateway falls well within one second, and a chart shows no
//! teeth where a message came a millisecond early or late.

use std::time::Duration;

use jiff::Timestamp;

/// When gateways tell of their buys: this long after a whole second.
pub(super) const TELLING: Duration = Duration::ZERO;

/// When a second is over: this long after a whole second.
pub(super) const ENDING: Duration = Duration::from_millis(500);

const SECOND_US: i64 = 1_000_000;

/// Shortest wait: a timer that fires a little early, or a clock that is set a little back, must not
/// make two seconds of one.
const SHORTEST_US: i64 = SECOND_US / 2;

/// How long from `now` until `phase` after a whole second: half a second at least, one and a half
/// at most, whatever the clock is set to meanwhile.
pub(super) fn until(now: Timestamp, phase: Duration) -> Duration {
    let phase = i64::try_from(phase.as_micros()).unwrap_or_default();
    let wait = (phase - now.as_microsecond()).rem_euclid(SECOND_US);
    let wait = if wait < SHORTEST_US {
        wait + SECOND_US
    } else {
        wait
    };
    Duration::from_micros(wait.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_end_at_the_phase_and_are_never_short() {
        let wait = |microseconds, phase| {
            let now = Timestamp::from_microsecond(microseconds).unwrap();
            until(now, phase).as_micros()
        };
        assert_eq!(wait(7_000_000, TELLING), 1_000_000);
        assert_eq!(wait(7_000_003, TELLING), 999_997);
        assert_eq!(wait(6_999_997, TELLING), 1_000_003, "a timer was early");
        assert_eq!(wait(7_000_000, ENDING), 500_000);
        assert_eq!(wait(7_400_000, ENDING), 1_100_000);
        assert_eq!(wait(-1, TELLING), 1_000_001, "before 1970");
    }
}
