//! How much was forwarded, and when the next bytes may be.

use std::{
    num::NonZeroU64,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::Instant;

use super::Direction;

/// Time that an idle direction may make up for afterwards. Timers are a millisecond or two late, and
/// without it each of those would be lost to the rate.
const BURST: Duration = Duration::from_millis(10);

/// Both directions of a proxy, all its connections together.
#[derive(Debug)]
pub(super) struct Meters {
    to_target: Meter,
    to_client: Meter,
}

impl Meters {
    pub(super) fn new() -> Self {
        Self {
            to_target: Meter::new(),
            to_client: Meter::new(),
        }
    }

    pub(super) fn of(&self, direction: Direction) -> &Meter {
        match direction {
            Direction::ToTarget => &self.to_target,
            Direction::ToClient => &self.to_client,
        }
    }
}

/// One direction.
#[derive(Debug)]
pub(super) struct Meter {
    bytes: AtomicU64,
    /// When everything that has its turn already is through, at the rate that then was.
    free_at: Mutex<Instant>,
}

impl Meter {
    fn new() -> Self {
        Self {
            bytes: AtomicU64::new(0),
            free_at: Mutex::new(Instant::now()),
        }
    }

    /// Bytes that were forwarded.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// So many more were forwarded.
    pub(super) fn count(&self, length: usize) {
        let length = u64::try_from(length).unwrap_or(u64::MAX);
        self.bytes.fetch_add(length, Ordering::Relaxed);
    }

    /// When `length` further bytes are through at so many bytes per second, after all that were
    /// asked for before.
    pub(super) fn turn(&self, length: usize, bytes_per_second: NonZeroU64) -> Instant {
        self.turn_at(Instant::now(), length, bytes_per_second)
    }

    fn turn_at(&self, now: Instant, length: usize, bytes_per_second: NonZeroU64) -> Instant {
        let length = u64::try_from(length).unwrap_or(u64::MAX);
        let nanos = u128::from(length) * 1_000_000_000 / u128::from(bytes_per_second.get());
        let takes = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        let mut free_at = self.free_at.lock();
        let from = now.checked_sub(BURST).unwrap_or(now).max(*free_at);
        *free_at = from + takes;
        *free_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_take_turns_at_the_rate() {
        let meter = Meter::new();
        let rate = NonZeroU64::new(1_000_000).unwrap();
        let start = Instant::now() + Duration::from_secs(1);
        let turns: Vec<Duration> = (0..3)
            .map(|_| meter.turn_at(start, 100_000, rate) + BURST - start)
            .collect();
        assert_eq!(turns, [100, 200, 300].map(Duration::from_millis));
        // Idle time beyond the burst is not made up for.
        let later = start + Duration::from_secs(10);
        let turn = meter.turn_at(later, 100_000, rate) + BURST - later;
        assert_eq!(turn, Duration::from_millis(100));
    }
}
