//! The measures of the whole way: from a buy to the event on its shopper's socket.

use std::fmt;

use super::Measure;

/// Under what load the way is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Load {
    /// 1,000 buys a second by a thousand connected shoppers.
    Steady,
    /// 5,000 a second by the same.
    Busy,
    /// 5,000 a second by all shoppers of the part `sockets`, who also hear every stock update.
    Crowded,
}

/// How far a buy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Its answer was read.
    Acknowledged,
    /// A worker has told of its order, which is then committed.
    Settled,
    /// `order_confirmed` was read from its shopper's socket.
    Confirmed,
}

/// Which of all latencies, from the instant when a buy was due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Quantile {
    /// Half are shorter.
    Median,
    /// 99 of 100 are shorter.
    Percentile99,
    /// 999 of 1,000 are shorter.
    Percentile999,
    /// None is longer.
    Longest,
}

impl Load {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Steady, Self::Busy, Self::Crowded];

    /// Buys a second.
    #[must_use]
    pub fn rate(self) -> u32 {
        match self {
            Self::Steady => 1_000,
            Self::Busy | Self::Crowded => 5_000,
        }
    }
}

impl Stage {
    /// What is shown of it: of the stages on the way less than of the end.
    #[must_use]
    pub fn quantiles(self) -> &'static [Quantile] {
        match self {
            Self::Acknowledged | Self::Settled => &[Quantile::Median, Quantile::Percentile99],
            Self::Confirmed => &[
                Quantile::Median,
                Quantile::Percentile99,
                Quantile::Percentile999,
                Quantile::Longest,
            ],
        }
    }

    const ALL: [Self; 3] = [Self::Acknowledged, Self::Settled, Self::Confirmed];
}

impl Quantile {
    /// The share of all latencies that are no longer.
    #[must_use]
    pub fn share(self) -> f64 {
        match self {
            Self::Median => 0.5,
            Self::Percentile99 => 0.99,
            Self::Percentile999 => 0.999,
            Self::Longest => 1.0,
        }
    }
}

/// The rows of one load.
pub fn rows(load: Load) -> impl Iterator<Item = Measure> {
    Stage::ALL.into_iter().flat_map(move |stage| {
        let quantiles = stage.quantiles().iter();
        quantiles.map(move |quantile| Measure::Confirmation(load, stage, *quantile))
    })
}

impl fmt::Display for Load {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Steady => "1,000 buys/s",
            Self::Busy => "5,000 buys/s",
            Self::Crowded => "5,000 buys/s, all sockets",
        })
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Acknowledged => "acknowledged",
            Self::Settled => "settled",
            Self::Confirmed => "order_confirmed",
        })
    }
}

impl fmt::Display for Quantile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Median => "p50",
            Self::Percentile99 => "p99",
            Self::Percentile999 => "p99.9",
            Self::Longest => "longest",
        })
    }
}
