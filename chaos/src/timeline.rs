//! When buys were acknowledged, as a history tells.

use std::path::Path;

use jiff::Timestamp;
use serde_json::Value;

use crate::{error::ChaosError, files};

/// The instants of first acknowledgements, in microseconds since the Unix epoch, in their order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Timeline(Vec<i64>);

impl Timeline {
    /// Reads a history.
    pub(crate) fn read(history: &Path) -> Result<Self, ChaosError> {
        Ok(Self::parse(&files::read(history)?))
    }

    fn parse(text: &str) -> Self {
        let mut acknowledged: Vec<i64> = text
            .lines()
            // Most lines are none of these, and JSON takes its time.
            .filter(|line| line.contains("\"answer\"") && line.contains("\"job\""))
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .filter(|line| line["replayed"] != true)
            .filter_map(|line| line["at"].as_i64())
            .collect();
        acknowledged.sort_unstable();
        Self(acknowledged)
    }

    /// Buys that were acknowledged after this instant.
    pub(crate) fn after(&self, instant: Timestamp) -> usize {
        let instant = instant.as_microsecond();
        self.0.iter().filter(|at| **at > instant).count()
    }

    /// The longest time between two acknowledgements, in milliseconds; none where there are no two.
    pub(crate) fn longest_pause_ms(&self) -> Option<u64> {
        let pauses = self.0.iter().zip(self.0.iter().skip(1));
        pauses
            .map(|(before, after)| after.abs_diff(*before) / 1_000)
            .max()
    }

    /// How long after this instant the first acknowledgement came, in milliseconds; none where none
    /// did.
    pub(crate) fn gap_ms(&self, instant: Timestamp) -> Option<u64> {
        let instant = instant.as_microsecond();
        let first = self.0.iter().find(|at| **at >= instant);
        first.map(|first| first.abs_diff(instant) / 1_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replays_and_refusals_are_no_acknowledgements() {
        let timeline = Timeline::parse(
            "{\"type\":\"answer\",\"at\":5000000,\"job\":\"b\"}\n\
             {\"type\":\"answer\",\"at\":1000000,\"job\":\"a\"}\n\
             {\"type\":\"answer\",\"at\":7000000,\"job\":\"a\",\"replayed\":true}\n\
             {\"type\":\"answer\",\"at\":8000000,\"kind\":\"sold-out\"}\n\
             {\"type\":\"event\",\"at\":9000000,\"job\":\"a\"}\n",
        );
        assert_eq!(timeline, Timeline(vec![1_000_000, 5_000_000]));
        assert_eq!(timeline.longest_pause_ms(), Some(4_000));
        let second = Timestamp::from_second(2).unwrap();
        assert_eq!(timeline.after(second), 1);
        assert_eq!(timeline.gap_ms(second), Some(3_000));
    }
}
