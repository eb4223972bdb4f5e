//! What was: the needs of the stabilization windows, and how many workers there were.

use std::{cmp::Ordering, collections::VecDeque, time::Duration};

/// Longest stabilization window that a spec can ask for.
const LONGEST_WINDOW: Duration = Duration::from_hours(1);

/// Longest period of a policy that a spec can ask for.
const LONGEST_PERIOD: Duration = Duration::from_mins(30);

/// The needs of the last hour, as far as a window can ask for them: those that no later need
/// exceeded (or fell below). So a need that stays the same costs one entry, not one a second.
#[derive(Debug, Clone, Default)]
pub(super) struct Needs {
    /// Falling from the front.
    highest: VecDeque<(Duration, u32)>,
    /// Rising from the front.
    lowest: VecDeque<(Duration, u32)>,
}

impl Needs {
    pub(super) fn is_empty(&self) -> bool {
        self.highest.is_empty()
    }

    pub(super) fn record(&mut self, now: Duration, need: u32) {
        push(&mut self.highest, now, need, Ordering::Less);
        push(&mut self.lowest, now, need, Ordering::Greater);
    }

    /// Notes that the need of `now` is not known while there are `current`: as far as anyone
    /// knows, all of them are needed.
    pub(super) fn record_unknown(&mut self, now: Duration, current: u32) {
        push(&mut self.highest, now, current, Ordering::Less);
    }

    /// The highest need of the last `window`; `need`, that of `now`, counts in any case.
    pub(super) fn highest(&self, window: Duration, now: Duration, need: u32) -> u32 {
        first_within(&self.highest, window, now).map_or(need, |found| found.max(need))
    }

    /// The lowest need of the last `window`; `need`, that of `now`, counts in any case.
    pub(super) fn lowest(&self, window: Duration, now: Duration, need: u32) -> u32 {
        first_within(&self.lowest, window, now).map_or(need, |found| found.min(need))
    }
}

fn push(entries: &mut VecDeque<(Duration, u32)>, now: Duration, need: u32, eclipsed: Ordering) {
    while entries.back().is_some_and(|(_, other)| {
        let order = other.cmp(&need);
        order == eclipsed || order == Ordering::Equal
    }) {
        entries.pop_back();
    }
    entries.push_back((now, need));
    while entries
        .front()
        .is_some_and(|(at, _)| now.saturating_sub(*at) >= LONGEST_WINDOW)
    {
        entries.pop_front();
    }
}

fn first_within(
    entries: &VecDeque<(Duration, u32)>,
    window: Duration,
    now: Duration,
) -> Option<u32> {
    entries
        .iter()
        .find(|(at, _)| now.saturating_sub(*at) < window)
        .map(|(_, need)| *need)
}

/// How many workers there were over the last half hour: the scale events.
#[derive(Debug, Clone, Default)]
pub(super) struct Staffing {
    /// Each number, by when it began.
    changes: VecDeque<(Duration, u32)>,
    /// Whether the last of them was decided on, and not yet seen.
    is_pending: bool,
}

impl Staffing {
    /// Notes that `current` are there. A decision that has come true counts from when it was made,
    /// since its change can have been made no earlier; one that has not is forgotten.
    pub(super) fn record(&mut self, now: Duration, current: u32) {
        if self.is_pending && self.last() != Some(current) {
            self.changes.pop_back();
        }
        self.push(now, current);
        self.is_pending = false;
        // The last one before the longest period stays: it says what stood when that began.
        while self
            .changes
            .get(1)
            .is_some_and(|(at, _)| now.saturating_sub(*at) >= LONGEST_PERIOD)
        {
            self.changes.pop_front();
        }
    }

    /// Notes that from `now` on there shall be so many.
    pub(super) fn decide(&mut self, now: Duration, workers: u32) {
        self.is_pending = self.push(now, workers);
    }

    /// Workers that stood when the period that ends `now` began; as far as nobody knows, the
    /// first that were seen.
    pub(super) fn at_start_of(&self, period: Duration, now: Duration) -> Option<u32> {
        self.changes
            .iter()
            .rev()
            .find(|(at, _)| now.saturating_sub(*at) >= period)
            .or_else(|| self.changes.front())
            .map(|(_, workers)| *workers)
    }

    fn last(&self) -> Option<u32> {
        self.changes.back().map(|(_, workers)| *workers)
    }

    /// True if it is a change.
    fn push(&mut self, now: Duration, workers: u32) -> bool {
        let is_change = self.last() != Some(workers);
        if is_change {
            self.changes.push_back((now, workers));
        }
        is_change
    }
}
