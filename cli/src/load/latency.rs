//! Latencies as HDR histograms.

use std::time::Duration;

use hdrhistogram::{CreationError, Histogram};
use serde::Serialize;

/// Digits that are kept of each value: 0.1 % off at most.
const SIGNIFICANT_DIGITS: u8 = 3;

/// Longest latency that is told apart, in microseconds: an hour. Shoppers give up long before.
const LONGEST_US: u64 = 3_600_000_000;

/// A histogram of latencies, in microseconds.
#[derive(Debug, Clone)]
pub(super) struct Latencies(Histogram<u64>);

/// What a histogram says, in microseconds. Percentiles are of the values themselves, measured
/// from the instant each press was meant for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LatencySummary {
    /// How many values.
    pub count: u64,
    /// Half are below.
    pub p50_us: u64,
    /// Nine of ten are below.
    pub p90_us: u64,
    /// 99 of 100 are below.
    pub p99_us: u64,
    /// 999 of 1000 are below.
    pub p999_us: u64,
    /// None is above.
    pub max_us: u64,
}

impl Latencies {
    pub(super) fn new() -> Result<Self, CreationError> {
        Histogram::new_with_max(LONGEST_US, SIGNIFICANT_DIGITS).map(Self)
    }

    pub(super) fn record(&mut self, micros: u64) {
        self.0.saturating_record(micros);
    }

    /// None while there is no value.
    pub(super) fn summary(&self) -> Option<LatencySummary> {
        (!self.0.is_empty()).then(|| LatencySummary {
            count: self.0.len(),
            p50_us: self.0.value_at_quantile(0.5),
            p90_us: self.0.value_at_quantile(0.9),
            p99_us: self.0.value_at_quantile(0.99),
            p999_us: self.0.value_at_quantile(0.999),
            max_us: self.0.max(),
        })
    }
}

/// Microseconds for people: three digits and a unit, e.g. `1.24 ms`.
pub(super) fn readable(micros: u64) -> String {
    let duration = Duration::from_micros(micros);
    let millis = duration.as_secs_f64() * 1e3;
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..10_000 => format!("{millis:.2} ms"),
        10_000..100_000 => format!("{millis:.1} ms"),
        100_000..1_000_000 => format!("{millis:.0} ms"),
        _ => format!("{:.2} s", duration.as_secs_f64()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_values() {
        let mut latencies = Latencies::new().unwrap();
        assert_eq!(latencies.summary(), None);
        (1..=1000).for_each(|value| latencies.record(value));
        let summary = latencies.summary().unwrap();
        assert_eq!(
            (
                summary.count,
                summary.p50_us,
                summary.p99_us,
                summary.max_us
            ),
            (1000, 500, 990, 1000)
        );
        latencies.record(59_000_000);
        assert!(latencies.summary().unwrap().max_us >= 59_000_000);
    }

    #[test]
    fn latencies_are_readable() {
        for (micros, text) in [
            (870, "870 µs"),
            (1_240, "1.24 ms"),
            (12_400, "12.4 ms"),
            (340_000, "340 ms"),
            (2_500_000, "2.50 s"),
        ] {
            assert_eq!(readable(micros), text);
        }
    }
}
