//! Figures: what is made of measurements, and how people read them.

use std::fmt::Display;
use std::time::Duration;

/// A whole number with its thousands apart: `19,469`.
pub fn grouped(number: impl Display) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// How long things took, shortest first. Every one is kept, so quantiles are exact.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Latencies(Vec<Duration>);

/// There is no quantile of no latencies.
#[derive(Debug, thiserror::Error)]
#[error("nothing was measured whose latency is asked for")]
pub struct NothingMeasured;

impl FromIterator<Duration> for Latencies {
    fn from_iter<T: IntoIterator<Item = Duration>>(durations: T) -> Self {
        let mut durations: Vec<_> = durations.into_iter().collect();
        durations.sort_unstable();
        Self(durations)
    }
}

impl Latencies {
    /// The time within which this share of all ended (nearest rank).
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a length, far below 2^52"
    )]
    pub fn quantile(&self, share: f64) -> Result<Duration, NothingMeasured> {
        let rank = (self.0.len() as f64 * share).ceil() as usize;
        let latency = self.0.get(rank.saturating_sub(1));
        latency.copied().ok_or(NothingMeasured)
    }

    /// The same in milliseconds.
    pub fn quantile_ms(&self, share: f64) -> Result<f64, NothingMeasured> {
        Ok(self.quantile(share)?.as_secs_f64() * 1e3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (19_469, "19,469"),
            (1_000_000, "1,000,000"),
        ] {
            assert_eq!(grouped(number), text);
        }
    }

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
