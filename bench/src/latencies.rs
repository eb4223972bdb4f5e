//! Latencies, every one of them kept: percentiles are exact.

use std::time::Duration;

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
    /// Milliseconds within which this share of all ended (nearest rank); 0 when there are none.
    pub(crate) fn quantile_ms(&self, share: f64) -> f64 {
        self.quantile(share).as_secs_f64() * 1e3
    }

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a length, far below 2^52"
    )]
    pub(crate) fn quantile(&self, share: f64) -> Duration {
        let rank = (self.0.len() as f64 * share).ceil() as usize;
        self.0
            .get(rank.saturating_sub(1))
            .copied()
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_were_there() {
        let latencies: Latencies = (1..=1000).rev().map(Duration::from_millis).collect();
        let quantiles =
            [0.0, 0.5, 0.99, 0.999, 1.0].map(|share| latencies.quantile_ms(share).to_bits());
        let expected = [1.0_f64, 500.0, 990.0, 999.0, 1000.0].map(f64::to_bits);
        assert_eq!(quantiles, expected);
        assert_eq!(Latencies::default().quantile_ms(0.5).to_bits(), 0);
    }
}
