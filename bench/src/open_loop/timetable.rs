//! When each request is due.

use std::time::{Duration, Instant};

/// Nanoseconds of a second.
const SECOND_NS: u64 = 1_000_000_000;

/// Requests at equal distances.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timetable {
    start: Instant,
    rate: u32,
    count: u32,
}

impl Timetable {
    /// `count` requests, `rate` of them a second, the first at `start`.
    pub(super) fn new(start: Instant, rate: u32, count: u32) -> Self {
        Self { start, rate, count }
    }

    /// When request `number` is due.
    pub(super) fn due(&self, number: u32) -> Instant {
        // Reckoned from the start and not from the one before, so that rounding does not add up.
        let after = u64::from(number) * SECOND_NS / u64::from(self.rate.max(1));
        self.start + Duration::from_nanos(after)
    }

    /// Whether request `number` exists and is due.
    pub(super) fn is_due(&self, number: u32, now: Instant) -> bool {
        number < self.count && self.due(number) <= now
    }

    /// When the last request has been due.
    pub(super) fn end(&self) -> Instant {
        self.due(self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_due_at_equal_distances_that_do_not_drift() {
        let start = Instant::now();
        let table = Timetable::new(start, 3, 10);
        assert_eq!(table.due(0), start);
        assert_eq!(table.due(1) - start, Duration::from_nanos(333_333_333));
        assert_eq!(table.due(9) - start, Duration::from_secs(3));
    }

    #[test]
    fn nothing_is_due_before_its_time_or_after_the_last() {
        let start = Instant::now();
        let table = Timetable::new(start, 1_000, 2);
        assert!(table.is_due(0, start));
        assert!(!table.is_due(1, start + Duration::from_micros(999)));
        assert!(table.is_due(1, start + Duration::from_millis(1)));
        assert!(!table.is_due(2, start + Duration::from_secs(1)));
    }
}
