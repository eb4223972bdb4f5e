//! Every fault there is, by its name.

use std::fmt;

use flashsale_domain::words;
use flashsale_testbed::fault_proxy::Direction;

use crate::{error::ChaosError, names};

/// A fault, and what is allowed while it lasts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What selects it, e.g. `worker-killed`.
    pub name: String,
    /// What happens.
    pub kind: Kind,
}

words! {
    /// A part of the system.
    pub enum Part {
        /// The worker that drives the most lanes.
        Worker = "worker",
        /// One of the gateways.
        Gateway = "gateway",
        /// The control loop.
        Control = "control",
        /// Redis, which has on the disk what it acknowledged.
        Redis = "redis",
        /// PostgreSQL with all its backends.
        Postgres = "postgres",
    }
}

words! {
    /// The programs at one end of a link.
    pub enum Side {
        /// The worker that drives the most lanes.
        Worker = "worker",
        /// All workers.
        Workers = "workers",
        /// All gateways.
        Gateways = "gateways",
        /// The control loop.
        Control = "control",
    }
}

words! {
    /// The store at the other end.
    pub enum Store {
        /// PostgreSQL.
        Postgres = "postgres",
        /// Redis.
        Redis = "redis",
    }
}

words! {
    /// What goes wrong with the payment provider, for 5 to 15 s.
    pub enum ProviderTrouble {
        /// It hangs up.
        Away = "provider-away",
        /// It does what it is told, and its answers are lost.
        AnswersLost = "provider-answers-lost",
        /// Its answers take longer than gateways wait.
        Slow = "provider-slow",
        /// Its events are never delivered.
        EventsLost = "provider-events-lost",
        /// Each event is delivered twice.
        EventsTwice = "provider-events-twice",
        /// Events are held back and then delivered, the newest first.
        EventsReversed = "provider-events-reversed",
    }
}

/// What happens to a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Connections are reset, new ones refused.
    Cut,
    /// Bytes are late.
    Delayed,
    /// Bytes of one direction are taken and do not arrive.
    Silent(Direction),
    /// Connections that are there fall silent for good; new ones work.
    Swallowed,
}

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// SIGKILL, and a new start.
    Killed(Part),
    /// SIGSTOP for 5 to 15 s, then SIGCONT.
    Paused(Part),
    /// A proxy fails.
    Link(Side, Store, Trouble),
    /// A worker's packets to a store (or from it) are dropped by its kernel; needs root.
    Packets(Store, Direction),
    /// PostgreSQL takes no writes.
    LedgerReadOnly,
    /// PostgreSQL takes no connections.
    LedgerFull,
    /// Batches are committed and their answers lost, again and again.
    CommitUnknown,
    /// PostgreSQL fails over to a replica that had not got the last commits.
    LedgerPromoted,
    /// Redis is at `maxmemory`.
    RedisFull,
    /// Redis forgets everything.
    Flushed,
    /// Redis comes back with an older snapshot.
    RedisRestored,
    /// Redis dies, and a replica that lagged is promoted.
    RedisPromoted,
    /// Redis is demoted with its connections kept, and a replica is promoted.
    RedisDemoted,
    /// The clock of Redis steps by this many seconds.
    RedisClock(i32),
    /// The clock of a worker steps by this many seconds.
    WorkerClock(i32),
    /// Three of the others that can happen at once.
    Three,
    /// The payment provider fails, while shoppers pay.
    Provider(ProviderTrouble),
    /// As [`Killed`](Self::Killed), while shoppers pay.
    KilledWhilePaying(Part),
}

impl Fault {
    /// Every fault, once.
    pub fn all() -> Vec<Self> {
        let mut kinds: Vec<Kind> = Part::ALL.map(Kind::Killed).to_vec();
        kinds.extend(Part::ALL.map(Kind::Paused));
        kinds.extend([
            Kind::LedgerReadOnly,
            Kind::LedgerFull,
            Kind::CommitUnknown,
            Kind::LedgerPromoted,
            Kind::RedisFull,
            Kind::Flushed,
            Kind::RedisRestored,
            Kind::RedisPromoted,
            Kind::RedisDemoted,
            Kind::RedisClock(3_600),
            Kind::RedisClock(-3_600),
            Kind::WorkerClock(3_600),
            Kind::WorkerClock(-3_600),
            Kind::Three,
        ]);
        let troubles = [
            Trouble::Silent(Direction::ToTarget),
            Trouble::Silent(Direction::ToClient),
            Trouble::Cut,
            Trouble::Delayed,
            Trouble::Swallowed,
        ];
        for side in Side::ALL {
            for store in Store::ALL {
                kinds.extend(troubles.map(|trouble| Kind::Link(side, store, trouble)));
            }
        }
        for store in Store::ALL {
            for direction in [Direction::ToTarget, Direction::ToClient] {
                kinds.push(Kind::Packets(store, direction));
            }
        }
        kinds.extend(ProviderTrouble::ALL.map(Kind::Provider));
        kinds.extend(Part::ALL.map(Kind::KilledWhilePaying));
        kinds.into_iter().map(Self::from).collect()
    }

    /// The faults whose names contain one of `patterns`, separated by commas; all without any.
    pub fn matching(patterns: &str) -> Result<Vec<Self>, ChaosError> {
        names::matching("fault", Self::all(), |fault| &fault.name, patterns)
    }

    /// The fault of exactly this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::all().into_iter().find(|fault| fault.name == name)
    }
}

impl From<Kind> for Fault {
    fn from(kind: Kind) -> Self {
        Self {
            name: kind.to_string(),
            kind,
        }
    }
}

impl Kind {
    /// Whether orders of the round's sale have to be paid.
    pub fn has_payments(self) -> bool {
        matches!(self, Self::Provider(_) | Self::KilledWhilePaying(_))
    }

    /// Within how many milliseconds everything must flow again, counted from the instant that
    /// [`Episode::since`](crate::round::Episode) names: longer after a store's failover.
    pub fn limit_ms(self) -> u64 {
        match self {
            Self::LedgerPromoted
            | Self::RedisPromoted
            | Self::RedisDemoted
            | Self::RedisRestored
            | Self::Flushed => 10_000,
            _ => 5_000,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Killed(part) => write!(formatter, "{part}-killed"),
            Self::Paused(part) => write!(formatter, "{part}-paused"),
            Self::Link(side, store, trouble) => write!(formatter, "{side}-{store}-{trouble}"),
            Self::Packets(store, direction) => {
                write!(formatter, "packets-{store}-{}", way(*direction))
            }
            Self::LedgerReadOnly => formatter.write_str("postgres-read-only"),
            Self::LedgerFull => formatter.write_str("postgres-out-of-connections"),
            Self::CommitUnknown => formatter.write_str("postgres-commit-unknown"),
            Self::LedgerPromoted => formatter.write_str("postgres-promoted"),
            Self::RedisFull => formatter.write_str("redis-full"),
            Self::Flushed => formatter.write_str("redis-flushed"),
            Self::RedisRestored => formatter.write_str("redis-restored"),
            Self::RedisPromoted => formatter.write_str("redis-promoted"),
            Self::RedisDemoted => formatter.write_str("redis-demoted"),
            Self::RedisClock(step) => write!(formatter, "clock-redis-{}", ahead(*step)),
            Self::WorkerClock(step) => write!(formatter, "clock-worker-{}", ahead(*step)),
            Self::Three => formatter.write_str("three-at-once"),
            Self::Provider(trouble) => formatter.write_str(trouble.as_str()),
            Self::KilledWhilePaying(part) => write!(formatter, "{part}-killed-while-paying"),
        }
    }
}

fn way(direction: Direction) -> &'static str {
    match direction {
        Direction::ToTarget => "there",
        Direction::ToClient => "back",
    }
}

fn ahead(step: i32) -> &'static str {
    if step > 0 { "forward" } else { "back" }
}

impl fmt::Display for Trouble {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cut => formatter.write_str("cut"),
            Self::Delayed => formatter.write_str("delayed"),
            Self::Silent(direction) => write!(formatter, "silent-{}", way(*direction)),
            Self::Swallowed => formatter.write_str("swallowed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_and_select() {
        let all = Fault::all();
        let names: HashSet<&str> = all.iter().map(|fault| fault.name.as_str()).collect();
        assert_eq!(names.len(), all.len());
        assert_eq!(Fault::matching("").unwrap(), all);
        let silent = Fault::matching("worker-postgres-silent, redis-flushed").unwrap();
        assert_eq!(silent.len(), 3, "{silent:?}");
        assert_eq!(Fault::matching("provider,paying").unwrap().len(), 11);
        assert_eq!(Fault::named("redis-full").unwrap().kind, Kind::RedisFull);
        assert!(Fault::matching("nothing-like-it").is_err());
    }
}
