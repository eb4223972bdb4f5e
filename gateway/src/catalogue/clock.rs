//! Redis's clock, by which sales open and close, told from this machine's.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;

/// Redis's clock. Before the first measurement it is this machine's.
///
/// An answer of Redis is taken as the time at which it arrived, so the clock is behind by the way
/// back of that answer and never ahead: who is told "open" by it can buy.
#[derive(Debug, Clone, Default)]
pub struct RedisClock {
    /// Microseconds to add to this machine's clock.
    offset: Arc<AtomicI64>,
}

impl RedisClock {
    /// Takes over what Redis has just answered, in microseconds since the Unix epoch.
    pub fn set(&self, redis_us: i64) {
        self.set_at(redis_us, Timestamp::now().as_microsecond());
    }

    fn set_at(&self, redis_us: i64, local_us: i64) {
        self.offset.store(redis_us - local_us, Ordering::Relaxed);
    }

    /// Redis's time now.
    pub fn now(&self) -> Timestamp {
        let local = Timestamp::now();
        let redis = local.as_microsecond() + self.offset.load(Ordering::Relaxed);
        Timestamp::from_microsecond(redis).unwrap_or(local)
    }

    /// How long until Redis's clock shows `instant`; zero when it is past.
    pub fn until(&self, instant: Timestamp) -> Duration {
        Duration::try_from(instant.duration_since(self.now())).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_follows_redis() {
        let clock = RedisClock::default();
        let local = Timestamp::now().as_microsecond();
        clock.set_at(local + 5_000_000, local);
        let ahead = clock.now().as_microsecond() - local;
        assert!((5_000_000..6_000_000).contains(&ahead), "{ahead}");
        assert_eq!(clock.until(Timestamp::UNIX_EPOCH), Duration::ZERO);
    }
}
