//! What a shopper's client does with an answer: take it, or try again with the same key.

use std::time::Duration;

use jiff::Timestamp;
use rand::Rng;

use super::{answer::Answer, crowd::Press};

/// Wait before the first repeat; doubled for each further one.
const FIRST_WAIT: Duration = Duration::from_millis(50);

/// Longest wait between two attempts, whatever the gateway asks for.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// An opening further away than this is not waited for.
const WORTH_WAITING: Duration = Duration::from_secs(5);

/// What to do next.
#[derive(Debug, PartialEq)]
pub(super) enum Next {
    /// The answer counts.
    Take(Result<Answer, String>),
    /// The same press again, after this long.
    Repeat(Duration),
}

/// Judges what came of an attempt. `left` is the patience that the shopper has left.
pub(super) fn judge(press: Press, result: Result<Answer, String>, left: Duration) -> Next {
    let wait = match &result {
        Ok(Answer::Unavailable { retry_after, .. }) => Some(retry_after.unwrap_or_default()),
        // A repeat that the shopper did not ask for must not count as theirs.
        Ok(Answer::RateLimited { retry_after }) if press.attempts > 0 && !press.again => {
            Some(*retry_after)
        }
        Ok(Answer::NotOpen { opens_at }) => opens_soon(*opens_at),
        Ok(_) => None,
        Err(_) => Some(Duration::ZERO),
    };
    match wait {
        Some(wait) if !left.is_zero() => {
            Next::Repeat(backoff(press.attempts).max(wait).min(LONGEST_WAIT))
        }
        _ => Next::Take(result),
    }
}

fn opens_soon(opens_at: Option<Timestamp>) -> Option<Duration> {
    let left = Duration::try_from(opens_at?.duration_since(Timestamp::now())).unwrap_or_default();
    (left < WORTH_WAITING).then_some(left)
}

/// Doubles with each attempt, and spread out, so that a crowd that failed together does not come
/// back together.
fn backoff(attempts: u16) -> Duration {
    let doubled = FIRST_WAIT * 2_u32.pow(u32::from(attempts.min(7)));
    doubled
        .min(LONGEST_WAIT)
        .mul_f64(rand::rng().random_range(0.5..1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_mins(1);

    fn press(again: bool, attempts: u16) -> Press {
        Press {
            meant_us: 0,
            shopper: 0,
            again,
            second: false,
            attempts,
        }
    }

    fn unavailable() -> Answer {
        Answer::Unavailable {
            retry_after: Some(Duration::from_secs(1)),
            reason: "503".to_owned(),
        }
    }

    #[test]
    fn a_final_answer_is_taken() {
        let taken = judge(press(false, 0), Ok(Answer::SoldOut), PATIENCE);
        assert_eq!(taken, Next::Take(Ok(Answer::SoldOut)));
    }

    #[test]
    fn outages_are_tried_again_as_late_as_the_gateway_asks_until_patience_ends() {
        let next = judge(press(false, 0), Ok(unavailable()), PATIENCE);
        assert_eq!(next, Next::Repeat(Duration::from_secs(1)));
        let broken = judge(press(false, 3), Err("broke".to_owned()), PATIENCE);
        assert!(matches!(broken, Next::Repeat(wait) if wait < Duration::from_secs(1)));
        let late = judge(press(false, 9), Ok(unavailable()), Duration::ZERO);
        assert_eq!(late, Next::Take(Ok(unavailable())));
    }

    #[test]
    fn a_shopper_is_rate_limited_only_by_their_own_presses() {
        let limited = || {
            Ok(Answer::RateLimited {
                retry_after: Duration::from_secs(2),
            })
        };
        assert_eq!(
            judge(press(true, 0), limited(), PATIENCE),
            Next::Take(limited())
        );
        assert_eq!(
            judge(press(false, 1), limited(), PATIENCE),
            Next::Repeat(Duration::from_secs(2))
        );
    }

    #[test]
    fn an_opening_is_waited_for_only_when_it_is_near() {
        let in_seconds = |seconds| {
            let opens_at = Timestamp::now() + Duration::from_secs(seconds);
            Ok(Answer::NotOpen {
                opens_at: Some(opens_at),
            })
        };
        assert!(matches!(
            judge(press(false, 0), in_seconds(1), PATIENCE),
            Next::Repeat(_)
        ));
        assert!(matches!(
            judge(press(false, 0), in_seconds(60), PATIENCE),
            Next::Take(_)
        ));
    }
}
