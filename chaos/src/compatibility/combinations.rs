//! What is combined: the one list that `make compat` plays.

use std::time::Duration;

use crate::{error::ChaosError, names};

use super::servers::Server::{
    self, PgBouncer118, PgBouncer126, Postgres15, Postgres18, Redis7, Redis8, Valkey9,
};

/// How Redis stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Queue {
    /// One server.
    Single,
    /// A primary with two replicas and three Sentinels. The primary is killed in mid-sale.
    Sentinel,
    /// A primary with a replica and three Sentinels. The primary is killed again and again, and cut off
    /// from its replica.
    Failovers,
    /// Three primaries with a replica each. In mid-sale the sale's slot is moved, and then the primary
    /// is killed that has it.
    Cluster,
}

impl Queue {
    /// Replicas of each primary.
    pub const fn replicas(self) -> u8 {
        match self {
            Self::Single => 0,
            Self::Failovers | Self::Cluster => 1,
            Self::Sentinel => 2,
        }
    }
}

/// How PostgreSQL stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ledger {
    /// One server.
    Single,
    /// Behind this pooler, in transaction mode.
    Pooled(Server),
    /// A primary and a standby that replicates synchronously. The primary is killed in mid-sale and
    /// the standby promoted.
    Standby,
}

/// Servers that a sale runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Combination {
    /// What selects it.
    pub name: &'static str,
    /// Redis or Valkey, Sentinels included.
    pub redis: Server,
    /// How it stands.
    pub queue: Queue,
    /// PostgreSQL.
    pub postgres: Server,
    /// How it stands.
    pub ledger: Ledger,
    /// Replicas of Redis that have to have a buy before it is acknowledged
    /// (`spec.durability.redisReplicas`): all that there are, since any may be promoted. With 0, buys may
    /// be lost when a primary dies: they are counted and are no violation.
    pub redis_replicas: u8,
    /// Whether all connections to the stores use TLS, with a private authority and client certificates.
    pub tls: bool,
}

/// Every combination.
pub const ALL: [Combination; 16] = [
    plain("redis-7.0-postgres-15", Redis7, Postgres15),
    plain("redis-8-postgres-18", Redis8, Postgres18),
    plain("valkey-9-postgres-15", Valkey9, Postgres15),
    plain("valkey-9-postgres-18", Valkey9, Postgres18),
    queue("sentinel-redis-7.0", Redis7, Queue::Sentinel),
    queue("sentinel-redis-8", Redis8, Queue::Sentinel),
    queue("sentinel-valkey-9", Valkey9, Queue::Sentinel),
    queue("cluster-redis-7.0", Redis7, Queue::Cluster),
    queue("cluster-redis-8", Redis8, Queue::Cluster),
    queue("cluster-valkey-9", Valkey9, Queue::Cluster),
    ledger("pgbouncer-1.18", Postgres15, Ledger::Pooled(PgBouncer118)),
    ledger("pgbouncer-1.26", Postgres18, Ledger::Pooled(PgBouncer126)),
    ledger("standby-postgres-15", Postgres15, Ledger::Standby),
    ledger("standby-postgres-18", Postgres18, Ledger::Standby),
    Combination {
        tls: true,
        ..plain("tls", Redis7, Postgres15)
    },
    queue("failovers", Redis7, Queue::Failovers),
];

const fn plain(name: &'static str, redis: Server, postgres: Server) -> Combination {
    Combination {
        name,
        redis,
        queue: Queue::Single,
        postgres,
        ledger: Ledger::Single,
        redis_replicas: 0,
        tls: false,
    }
}

const fn queue(name: &'static str, redis: Server, queue: Queue) -> Combination {
    Combination {
        queue,
        redis_replicas: queue.replicas(),
        ..plain(name, redis, Postgres15)
    }
}

const fn ledger(name: &'static str, postgres: Server, ledger: Ledger) -> Combination {
    Combination {
        ledger,
        ..plain(name, Redis7, postgres)
    }
}

impl Combination {
    /// The combinations whose names contain one of `patterns`, separated by commas; all without any.
    pub fn matching(patterns: &str) -> Result<Vec<Self>, ChaosError> {
        names::matching("combination", ALL, |combination| combination.name, patterns)
    }

    /// The combination of exactly this name.
    pub fn named(name: &str) -> Option<Self> {
        ALL.into_iter().find(|combination| combination.name == name)
    }

    /// The longest that it may take.
    pub fn longest(&self) -> Duration {
        match self.queue {
            Queue::Failovers => Duration::from_mins(10),
            Queue::Single | Queue::Sentinel | Queue::Cluster => Duration::from_mins(4),
        }
    }

    /// Its servers: Redis, PostgreSQL, and the pooler if there is one.
    pub fn servers(&self) -> Vec<Server> {
        let mut servers = vec![self.redis, self.postgres];
        if let Ledger::Pooled(pooler) = self.ledger {
            servers.push(pooler);
        }
        servers
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_and_select() {
        let names: HashSet<&str> = ALL.iter().map(|combination| combination.name).collect();
        assert_eq!(names.len(), ALL.len());
        assert_eq!(Combination::matching("").unwrap().len(), ALL.len());
        assert_eq!(
            Combination::matching("cluster, pgbouncer-1.18")
                .unwrap()
                .len(),
            4
        );
        assert!(Combination::matching("nothing-like-it").is_err());
    }
}
