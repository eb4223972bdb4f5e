//! Redis's clock, as far as the readings of a history tell it.

/// How fast Redis's clock may run away from the load's, in microseconds per second, beyond the
/// readings on either side. Machines keep within 200 ppm, and an adjustment by NTP within 500 ppm.
const DRIFT_PER_SECOND: i64 = 500;

/// How far a gateway's idea of Redis's clock may be off, in microseconds: it is taken from answers
/// of Redis once a second or less.
const GATEWAY_ERROR: i64 = 1_500_000;

/// One reading: Redis's clock showed `redis_at` between `sent` and `heard`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reading {
    sent: i64,
    heard: i64,
    redis_at: i64,
    error: i64,
}

/// The readings of one run, in the order of time.
#[derive(Debug, Clone, Default)]
pub(super) struct RedisClock(Vec<Reading>);

impl RedisClock {
    /// Adds a reading; times in microseconds.
    pub(super) fn add(&mut self, sent: u64, heard: u64, redis_at: i64, by_gateway: bool) {
        self.0.push(Reading {
            sent: signed(sent),
            heard: signed(heard),
            redis_at,
            error: if by_gateway { GATEWAY_ERROR } else { 0 },
        });
    }

    /// Brings the readings into order.
    pub(super) fn finish(&mut self) {
        self.0.sort_by_key(|reading| reading.heard);
    }

    /// Whether there is no reading.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The earliest that the clock can have shown at `from`, and the latest at `to`, both in
    /// microseconds of the run; none without a reading before and one after. A step of the clock is
    /// between two readings, so both of them count.
    pub(super) fn bounds(&self, from: u64, to: u64) -> Option<(i64, i64)> {
        let (from, to) = (signed(from), signed(to));
        let first = self.0.partition_point(|reading| reading.heard < from);
        let last = self.0.partition_point(|reading| reading.sent <= to);
        // Nobody knows whether the clock was stepped before the first reading or after the last.
        if first == 0 || last == self.0.len() {
            return None;
        }
        let around = self
            .0
            .get(first.saturating_sub(1)..(last + 1).min(self.0.len()))?;
        let offsets = around.iter().map(|reading| {
            let distance = (from - reading.heard).max(reading.sent - to).max(0);
            let open = distance / 1_000_000 * DRIFT_PER_SECOND + DRIFT_PER_SECOND + reading.error;
            let behind = reading.redis_at - reading.heard - open;
            let ahead = reading.redis_at - reading.sent + open;
            (behind, ahead)
        });
        offsets
            .reduce(|(behind, ahead), (low, high)| (behind.min(low), ahead.max(high)))
            .map(|(behind, ahead)| (from + behind, to + ahead))
    }
}

/// Microseconds of a run; 292,000 years are not reached.
fn signed(us: u64) -> i64 {
    i64::try_from(us).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(readings: &[(u64, u64, i64)]) -> RedisClock {
        let mut clock = RedisClock::default();
        for (sent, heard, redis_at) in readings {
            clock.add(*sent, *heard, *redis_at, false);
        }
        clock.finish();
        clock
    }

    #[test]
    fn a_clock_without_readings_is_unknown() {
        assert_eq!(clock(&[]).bounds(1, 2), None);
    }

    #[test]
    fn bounds_hold_the_true_time_and_are_as_wide_as_the_readings_around() {
        // The clock is ahead by a million; readings take 100 and 300 microseconds.
        let clock = clock(&[(1_000, 1_100, 1_001_050), (501_000, 501_300, 1_501_010)]);
        let (earliest, latest) = clock.bounds(250_000, 250_000).unwrap();
        assert!((1_249_000..=1_250_000).contains(&earliest), "{earliest}");
        assert!((1_250_000..=1_251_000).contains(&latest), "{latest}");
    }

    #[test]
    fn a_step_between_two_readings_leaves_both_possible() {
        let clock = clock(&[
            (0, 10, 5),
            (500_000, 500_010, 9_500_005),
            (1_000_000, 1_000_010, 10_000_005),
            (1_500_000, 1_500_010, 10_500_005),
        ]);
        let (earliest, latest) = clock.bounds(250_000, 250_000).unwrap();
        assert!(earliest <= 250_000 && latest >= 9_250_000);
        // Later on only the new offset counts, and after the last reading nothing is known.
        let (earliest, _) = clock.bounds(1_100_000, 1_100_000).unwrap();
        assert!(earliest > 9_000_000, "{earliest}");
        assert_eq!(clock.bounds(2_000_000, 2_000_000), None);
    }
}
