//! The measures of requests at fixed rates.

use std::fmt;

use super::{Measure, Target, Unit, confirmation::Quantile};

/// Requests a second, as a share of what the gateway acknowledged over 64 connections in the same
/// round when each answer was followed by the next request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Load {
    /// A quarter.
    Quarter,
    /// Half: where latency is promised.
    Half,
    /// Three quarters.
    ThreeQuarters,
}

/// What is told of a load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Figure {
    /// Requests that were due a second.
    Rate,
    /// From when requests were due until they were answered.
    Latency(Quantile),
    /// Requests that were sent more than 1 ms after they were due.
    Late,
    /// Requests that were never sent, or never answered.
    Lost,
    /// Processor time of the load generator for a request.
    Generator,
}

impl Load {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Quarter, Self::Half, Self::ThreeQuarters];

    /// The share.
    #[must_use]
    pub fn share(self) -> f64 {
        match self {
            Self::Quarter => 0.25,
            Self::Half => 0.5,
            Self::ThreeQuarters => 0.75,
        }
    }
}

impl Figure {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Rate,
        Self::Latency(Quantile::Median),
        Self::Latency(Quantile::Percentile99),
        Self::Latency(Quantile::Percentile999),
        Self::Latency(Quantile::Longest),
        Self::Late,
        Self::Lost,
        Self::Generator,
    ];

    /// What its values count.
    #[must_use]
    pub fn unit(self) -> Unit {
        match self {
            Self::Rate => Unit::PerSecond,
            Self::Latency(_) => Unit::Milliseconds,
            Self::Late | Self::Lost => Unit::Count,
            Self::Generator => Unit::Microseconds,
        }
    }
}

/// What a figure of `target` is shown as a share of: latencies at half of the rate are held against
/// the empty route's at the same rate.
#[must_use]
pub fn limit(target: Target, load: Load, figure: Figure) -> Option<Measure> {
    let has_limit =
        target == Target::Gateway && load == Load::Half && matches!(figure, Figure::Latency(_));
    has_limit.then_some(Measure::OpenLoop(Target::EmptyRoute, load, figure))
}

/// All rows.
pub fn rows() -> impl Iterator<Item = Measure> {
    let empty_route = [(Target::EmptyRoute, Load::Half)];
    let gateway = Load::ALL.map(|load| (Target::Gateway, load));
    empty_route
        .into_iter()
        .chain(gateway)
        .flat_map(|(target, load)| {
            Figure::ALL.map(|figure| Measure::OpenLoop(target, load, figure))
        })
}

impl fmt::Display for Load {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Quarter => "a quarter of the most",
            Self::Half => "half of the most",
            Self::ThreeQuarters => "three quarters of the most",
        })
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rate => formatter.write_str("due"),
            Self::Latency(quantile) => quantile.fmt(formatter),
            Self::Late => formatter.write_str("sent late"),
            Self::Lost => formatter.write_str("not answered"),
            Self::Generator => formatter.write_str("generator"),
        }
    }
}
