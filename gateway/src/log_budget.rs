//! How many lines a stampede may write.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Lines that may be written each [`PERIOD`]. When Redis is away in the first second of a sale,
/// twenty thousand lines that say the same would take the disk away as well.
const LINES: u32 = 100;

/// How long until the budget is whole again.
const PERIOD: Duration = Duration::from_secs(1);

/// A budget of log lines.
#[derive(Debug)]
pub(crate) struct LogBudget(Mutex<Spent>);

#[derive(Debug)]
struct Spent {
    /// When the present period began.
    since: Option<Instant>,
    lines: u32,
    /// Lines not written since the last one that was.
    left_out: u64,
}

impl LogBudget {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(Spent {
            since: None,
            lines: 0,
            left_out: 0,
        }))
    }

    /// Asks for one line: how many were left out before it, or none when it is to be left out.
    pub(crate) fn spend(&self, now: Instant) -> Option<u64> {
        let mut spent = self.0.lock();
        if spent
            .since
            .is_none_or(|since| now.duration_since(since) >= PERIOD)
        {
            spent.since = Some(now);
            spent.lines = 0;
        }
        if spent.lines >= LINES {
            spent.left_out += 1;
            return None;
        }
        spent.lines += 1;
        Some(std::mem::take(&mut spent.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stampede_writes_a_hundred_lines_a_second_and_tells_how_many_it_left_out() {
        let budget = LogBudget::new();
        let start = Instant::now();
        let written = (0..1000).filter(|_| budget.spend(start).is_some()).count();
        assert_eq!(written, 100);
        assert_eq!(budget.spend(start + PERIOD), Some(900));
        assert_eq!(budget.spend(start + PERIOD), Some(0));
    }
}
