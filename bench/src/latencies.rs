//! Latencies, every one of them kept: percentiles are exact.

use std::time::Duration;

use crate::error::{Result, wrong};

/// How long things took, shortest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Latencies(Vec<Duration>);

impl FromIterator<Duration> for Latencies {
    fn from_iter<T: IntoIterator<Item = Duration>>(durations: T) -> Self {
        let mut durations: Vec<_> = durations.into_iter().collect();
        durations.sort_unstable();
        Self(durations)
    }
}

impl Latencies {
    /// Milliseconds within which this share of all ended (nearest rank).
    pub(crate) fn quantile_ms(&self, share: f64) -> Result<f64> {
        Ok(self.quantile(share)?.as_secs_f64() * 1e3)
    }

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a length, far below 2^52"
    )]
    pub(crate) fn quantile(&self, share: f64) -> Result<Duration> {
        let rank = (self.0.len() as f64 * share).ceil() as usize;
        let latency = self.0.get(rank.saturating_sub(1));
        Ok(*latency.ok_or_else(|| wrong("nothing was measured whose latency is asked for"))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_were_there() {
        let latencies: Latencies = (1..=1000).rev().map(Duration::from_millis).collect();
        let quantiles =
            [0.0, 0.5, 0.99, 0.999, 1.0].map(|share| latencies.quantile(share).unwrap());
        assert_eq!(
            quantiles,
            [1, 500, 990, 999, 1_000].map(Duration::from_millis)
        );
        assert!(Latencies::default().quantile(0.5).is_err());
    }
}
