//! When buys were acknowledged, as a history tells.

use std::{fs, path::Path};

use jiff::Timestamp;
use serde_json::Value;

use crate::error::ChaosError;

/// The instants of first acknowledgements, in microseconds since the Unix epoch, in their order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Timeline(Vec<i64>);

impl Timeline {
    /// Reads a history.
    pub(crate) fn read(history: &Path) -> Result<Self, ChaosError> {
        let text = fs::read_to_string(history).map_err(ChaosError::file(history))?;
        Ok(Self::parse(&text))
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

    /// The longest time between two acknowledgements, in milliseconds.
    pub(crate) fn longest_pause_ms(&self) -> u64 {
        let pauses = self.0.windows(2).map(|pair| match pair {
            [before, after] => u64::try_from((after - before) / 1_000).unwrap_or_default(),
            _ => 0,
        });
        pauses.max().unwrap_or_default()
    }

    /// The first acknowledgement after this instant.
    pub(crate) fn first_since(&self, instant: Timestamp) -> Option<i64> {
        let instant = instant.as_microsecond();
        self.0.iter().copied().find(|at| *at >= instant)
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
        assert_eq!(timeline.longest_pause_ms(), 4_000);
        let second = Timestamp::from_second(2).unwrap();
        assert_eq!(timeline.after(second), 1);
        assert_eq!(timeline.first_since(second), Some(5_000_000));
    }
}
