//! How many requests per second the API server gets from the controller: a token bucket, as client-go
//! has it. It lets bursts pass, so that an opening of many sales is not held up, and keeps a mistake
//! that concerns thousands of objects from becoming everybody's.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};

/// Requests per second over a long time. In steady state a twentieth of them is made in a big cluster.
const PER_SECOND: u32 = 200;

/// Requests at once, after a while without any.
const BURST: u32 = 300;

/// Tokens that events leave for everything else.
const RESERVED: u32 = 100;

/// Shared by all clones.
#[derive(Debug, Clone)]
pub(super) struct Pace {
    /// When the bucket will be full again, were no other request made.
    full_at: Arc<Mutex<Instant>>,
    /// Time in which a token is added.
    each: Duration,
    /// Time in which an empty bucket fills.
    whole: Duration,
    /// The same, down to what events leave for others.
    spare: Duration,
}

/// A token that was taken before it is there; it is given back when whoever waits for it gives up.
struct Reserved<'a> {
    pace: &'a Pace,
    at: Instant,
    is_used: bool,
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        if !self.is_used {
            *self.pace.full_at.lock() -= self.pace.each;
        }
    }
}

impl Pace {
    /// That of the controller.
    pub(super) fn new() -> Self {
        Self::of(Duration::from_secs(1) / PER_SECOND, BURST, RESERVED)
    }

    /// A token is added every `each`, up to `burst`, of which events leave `reserved`.
    pub(super) fn of(each: Duration, burst: u32, reserved: u32) -> Self {
        Self {
            full_at: Arc::new(Mutex::new(Instant::now())),
            each,
            whole: each * burst,
            spare: each * burst.saturating_sub(reserved),
        }
    }

    /// Waits for a token and takes it; false when there is none within `patience`. Whoever came first gets
    /// the first one.
    pub(super) async fn take(&self, patience: Duration) -> bool {
        let Some(mut reserved) = self.reserve(Instant::now(), patience) else {
            return false;
        };
        sleep_until(reserved.at).await;
        reserved.is_used = true;
        true
    }

    /// Waits until more tokens are there than others may soon need, and takes one of them. Has no bound of
    /// its own; whoever gives up has taken none.
    pub(super) async fn take_spare(&self) {
        while let Err(at) = self.try_spare(Instant::now()) {
            sleep_until(at).await;
        }
    }

    /// Takes the next token, if it is there within `patience`.
    fn reserve(&self, now: Instant, patience: Duration) -> Option<Reserved<'_>> {
        let mut full_at = self.full_at.lock();
        let next = (*full_at).max(now) + self.each;
        let at = next.checked_sub(self.whole).map_or(now, |at| at.max(now));
        if at.duration_since(now) > patience {
            return None;
        }
        *full_at = next;
        Some(Reserved {
            pace: self,
            at,
            is_used: false,
        })
    }

    /// Takes a token that nobody else may soon need, or answers when there may be one.
    fn try_spare(&self, now: Instant) -> Result<(), Instant> {
        let mut full_at = self.full_at.lock();
        let next = (*full_at).max(now) + self.each;
        match next.checked_sub(self.spare) {
            Some(at) if at > now => Err(at),
            _ => {
                *full_at = next;
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EACH: Duration = Duration::from_millis(100);

    /// Takes a token, and answers after how many milliseconds it is there.
    fn taken(pace: &Pace, now: Instant) -> u128 {
        let mut reserved = pace.reserve(now, Duration::MAX).unwrap();
        reserved.is_used = true;
        (reserved.at - now).as_millis()
    }

    #[test]
    fn a_burst_passes_at_once_and_what_follows_keeps_the_pace() {
        let pace = Pace::of(EACH, 5, 0);
        let start = Instant::now();
        let all: Vec<u128> = (0..8).map(|_| taken(&pace, start)).collect();
        assert_eq!(all, [0, 0, 0, 0, 0, 100, 200, 300]);
        // The three of them are owed: half a second later two tokens are there.
        let later = start + 5 * EACH;
        let all: Vec<u128> = (0..3).map(|_| taken(&pace, later)).collect();
        assert_eq!(all, [0, 0, 100]);
        // After a rest the bucket is full, and not more than full.
        let rested = start + Duration::from_mins(1);
        let at_once = (0..10).filter(|_| taken(&pace, rested) == 0);
        assert_eq!(at_once.count(), 5);
    }

    #[test]
    fn a_minute_of_requests_is_bounded_however_many_are_to_be_made() {
        let pace = Pace::new();
        let start = Instant::now();
        let made = (0..100_000).take_while(|_| taken(&pace, start) < 60_000);
        assert_eq!(made.count(), 60 * 200 + 300 - 1);
    }

    #[test]
    fn nobody_waits_longer_than_may_be_and_whoever_gives_up_owes_nothing() {
        let pace = Pace::of(EACH, 1, 0);
        let start = Instant::now();
        assert_eq!(taken(&pace, start), 0);
        assert_eq!(taken(&pace, start), 100);
        assert!(pace.reserve(start, EACH).is_none(), "it would take two");
        drop(pace.reserve(start, 2 * EACH).unwrap());
        assert_eq!(taken(&pace, start), 200);
    }

    #[test]
    fn events_leave_tokens_for_others_and_never_owe_any() {
        let pace = Pace::of(EACH, 5, 2);
        let start = Instant::now();
        let events = (0..10).filter(|_| pace.try_spare(start).is_ok());
        assert_eq!(events.count(), 3);
        assert_eq!(pace.try_spare(start), Err(start + EACH));
        let all: Vec<u128> = (0..3).map(|_| taken(&pace, start)).collect();
        assert_eq!(all, [0, 0, 100]);
        // An event comes once what the others took is there again.
        let at = start + 4 * EACH;
        assert_eq!(pace.try_spare(start), Err(at));
        assert_eq!(pace.try_spare(at), Ok(()));
    }
}
