//! How many requests per second the API server gets from the controller: a token bucket, as client-go
//! has it. It lets bursts pass, so that an opening of many sales is not held up, and keeps a mistake
//! that concerns thousands of objects from becoming everybody's.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

/// Requests per second over a long time. In steady state a twentieth of them is made in a big cluster.
const PER_SECOND: u32 = 200;

/// Requests at once, after a while without any.
const BURST: u32 = 300;

/// Shared by all clones.
#[derive(Debug, Clone)]
pub(super) struct Pace {
    /// When the bucket will be full again, were no other request made.
    full_at: Arc<Mutex<Instant>>,
    /// Time in which a token is added.
    each: Duration,
    /// Time in which an empty bucket fills.
    whole: Duration,
}

impl Pace {
    /// That of the controller.
    pub(super) fn new() -> Self {
        Self::of(PER_SECOND, BURST)
    }

    fn of(per_second: u32, burst: u32) -> Self {
        let each = Duration::from_secs(1) / per_second;
        Self {
            full_at: Arc::new(Mutex::new(Instant::now())),
            each,
            whole: each * burst,
        }
    }

    /// Waits for a token and takes it. Whoever came first gets the first one.
    pub(super) async fn take(&self) {
        let at = self.reserve(Instant::now());
        sleep_until(at).await;
    }

    /// When the next token is there. It is taken.
    fn reserve(&self, now: Instant) -> Instant {
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        *full_at = (*full_at).max(now) + self.each;
        (*full_at - self.whole).max(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_at_once_and_what_follows_keeps_the_pace() {
        let pace = Pace::of(10, 5);
        let start = Instant::now();
        let waits = || (pace.reserve(start) - start).as_millis();
        let all: Vec<u128> = (0..8).map(|_| waits()).collect();
        assert_eq!(all, [0, 0, 0, 0, 0, 100, 200, 300]);
        // The three of them are owed: half a second later two tokens are there.
        let later = start + Duration::from_millis(500);
        let all: Vec<u128> = (0..3)
            .map(|_| (pace.reserve(later) - later).as_millis())
            .collect();
        assert_eq!(all, [0, 0, 100]);
        // After a rest the bucket is full, and not more than full.
        let rested = start + Duration::from_mins(1);
        let at_once = (0..10).filter(|_| pace.reserve(rested) == rested);
        assert_eq!(at_once.count(), 5);
    }

    #[test]
    fn a_minute_of_requests_is_bounded_however_many_are_to_be_made() {
        let pace = Pace::new();
        let start = Instant::now();
        let end = start + Duration::from_mins(1);
        let made = (0..100_000).take_while(|_| pace.reserve(start) < end);
        assert_eq!(made.count(), 60 * 200 + 300 - 1);
    }
}
