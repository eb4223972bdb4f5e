//! Processor time with TLS to the stores and without.

use std::fmt;

use super::{Consumer, Measure};

/// How gateway and worker speak with the stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StoreLink {
    /// In the clear.
    Plain,
    /// By TLS 1.3, with certificates on both sides.
    Tls,
}

/// Whose processor time is measured.
const CONSUMERS: [Consumer; 5] = [
    Consumer::Gateway,
    Consumer::RedisForGateway,
    Consumer::Worker,
    Consumer::RedisForWorker,
    Consumer::PostgresForWorker,
];

impl StoreLink {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Plain, Self::Tls];

    /// What this way of speaking is held against.
    #[must_use]
    pub fn limit(self, consumer: Consumer) -> Option<Measure> {
        (self == Self::Tls).then_some(Measure::Link(Self::Plain, consumer))
    }
}

/// All rows.
pub fn rows() -> impl Iterator<Item = Measure> {
    CONSUMERS
        .into_iter()
        .flat_map(|consumer| StoreLink::ALL.map(|link| Measure::Link(link, consumer)))
}

impl fmt::Display for StoreLink {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Plain => "without TLS",
            Self::Tls => "with TLS",
        })
    }
}
