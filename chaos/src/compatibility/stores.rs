//! The servers of a combination, started.

use flashsale_testbed::{
    cluster::Cluster,
    data_dir::DataDir,
    launch::Launch,
    pgbouncer::{self, PgBouncer},
    postgres::Postgres,
    program::{self, StoreUrls},
    redis::{AppendFsync, Redis},
    sentinel::Watched,
};
use redis::InfoDict;
use sqlx::{
    ConnectOptions as _, Connection as _, PgConnection,
    postgres::{PgConnectOptions, PgSslMode},
};
use tokio::process::Command;

use std::{path::Path, time::Duration};

use super::{
    combinations::{Combination, Ledger, Queue},
    tls::Certificates,
};
use crate::{
    error::ChaosError,
    stores::{connect_to, execute, until},
};

/// Primaries of a Redis Cluster; each has a replica.
const PRIMARIES: usize = 3;

/// Connections of PgBouncer to PostgreSQL: fewer than the clients want, so that they share them.
const POOL_SIZE: u32 = 6;

/// How long a sale may take to go on after a failover.
const GOES_ON: Duration = Duration::from_mins(1);

/// How long a standby may take to follow synchronously.
const IN_STEP: Duration = Duration::from_secs(20);

/// Redis as a combination has it.
#[derive(Debug)]
pub(super) enum Redises {
    /// One server.
    Single(Box<Redis>),
    /// Servers that Sentinels watch.
    Watched(Watched),
    /// A Redis Cluster.
    Cluster(Cluster),
}

/// The servers. Dropping it ends them.
#[derive(Debug)]
pub struct Stores {
    /// In front of PostgreSQL; first, so that it is dropped first.
    pooler: Option<PgBouncer>,
    pub(super) redis: Redises,
    /// PostgreSQL, or the one that took its place.
    pub(super) postgres: Postgres,
    /// The standby, until it is promoted.
    pub(super) standby: Option<Postgres>,
    /// For TLS, if that is used.
    pub(super) certificates: Option<Certificates>,
    database_url: String,
}

impl Stores {
    /// Starts the servers of a combination, by the programs that the environment names.
    pub async fn start(combination: &Combination) -> Result<Self, ChaosError> {
        let postgres = Postgres::start(&DataDir::temporary()?).await?;
        let mut database_url = postgres.url();
        let (mut pooler, mut standby) = (None, None);
        let certificates = combination.tls.then(Certificates::new).transpose()?;
        if let Some(certificates) = &certificates {
            postgres.use_certificates(&certificates.server).await?;
            database_url.push_str("?sslmode=verify-full");
        }
        match combination.ledger {
            Ledger::Single => {}
            Ledger::Pooled(_) => {
                let started =
                    PgBouncer::start(&DataDir::temporary()?, &postgres.url(), POOL_SIZE).await?;
                started.url().clone_into(&mut database_url);
                pooler = Some(started);
            }
            Ledger::Standby => {
                let started = synchronous_standby(&postgres).await?;
                database_url = both(&postgres, &started);
                standby = Some(started);
            }
        }
        Ok(Self {
            pooler,
            redis: Redises::start(combination.queue, certificates.as_ref()).await?,
            postgres,
            standby,
            certificates,
            database_url,
        })
    }

    /// One of our programs with what it has to know of the stores.
    pub fn launch(&self, binary: &str, name: &str, logs: &Path) -> Result<Launch, ChaosError> {
        let redis = self.redis.url();
        let urls = StoreUrls {
            database: &self.database_url,
            redis: &redis,
        };
        let launch = program::ours(binary, name, urls, logs)?;
        Ok(launch.envs(self.further_environment()))
    }

    /// Everything that a hand tool has to know of the stores, as variables of its environment.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let mut environment = self.further_environment();
        environment.push(("FLASHSALE_DATABASE_URL", self.database_url.clone()));
        environment.push(("FLASHSALE_REDIS_URL", self.redis.url()));
        environment
    }

    /// What has to be known beside the addresses.
    fn further_environment(&self) -> Vec<(&'static str, String)> {
        let mut environment = Vec::new();
        if let Some(certificates) = &self.certificates {
            environment.extend(certificates.environment());
        }
        if self.pooler.is_some() {
            environment.extend([
                ("FLASHSALE_DATABASE_TRANSACTION_POOLER", "true".to_owned()),
                ("FLASHSALE_DATABASE_DIRECT_URL", self.postgres.url()),
            ]);
        }
        environment
    }

    /// A connection of the harness, without TLS: it has no certificate.
    async fn ledger(&self) -> Result<PgConnection, ChaosError> {
        let options: PgConnectOptions = self.postgres.url().parse()?;
        Ok(options.ssl_mode(PgSslMode::Disable).connect().await?)
    }

    /// Orders that the PostgreSQL has which takes writes.
    pub async fn orders(&self) -> Result<i64, ChaosError> {
        let mut ledger = self.ledger().await?;
        let count = sqlx::query_scalar("SELECT count(*) FROM orders")
            .fetch_one(&mut ledger)
            .await?;
        ledger.close().await?;
        Ok(count)
    }

    /// Waits for so many more orders.
    pub(super) async fn more_orders(&self, count: i64) -> Result<(), ChaosError> {
        let enough = self.orders().await? + count;
        until("the sale goes on", GOES_ON, async || {
            Ok(self.orders().await? >= enough)
        })
        .await
    }

    /// The longest time between two orders, in milliseconds.
    pub async fn longest_pause_of_orders(&self) -> Result<i64, ChaosError> {
        let mut ledger = self.ledger().await?;
        let pause: Option<i64> = sqlx::query_scalar(
            "SELECT (max(extract(epoch FROM pause)) * 1000)::bigint
               FROM (SELECT created_at - lag(created_at) OVER (ORDER BY created_at) AS pause
                       FROM orders) AS pauses",
        )
        .fetch_one(&mut ledger)
        .await?;
        pause.ok_or_else(|| ChaosError::wrong("there are no two orders"))
    }

    /// Names and versions as the servers report them: Redis, PostgreSQL, and the pooler if there is one.
    pub async fn versions(&self) -> Result<Vec<String>, ChaosError> {
        let mut versions = vec![self.redis.version().await?];
        let mut ledger = self.ledger().await?;
        let version: String = sqlx::query_scalar("SHOW server_version")
            .fetch_one(&mut ledger)
            .await?;
        let number = version.split(' ').next().unwrap_or_default();
        versions.push(format!("PostgreSQL {number}"));
        if self.pooler.is_some() {
            let program = pgbouncer::program()?;
            let output = Command::new(&program).arg("--version").output().await;
            let output = output.map_err(ChaosError::file(program))?;
            let text = String::from_utf8_lossy(&output.stdout);
            versions.push(text.lines().next().unwrap_or_default().to_owned());
        }
        Ok(versions)
    }
}

impl Redises {
    async fn start(queue: Queue, certificates: Option<&Certificates>) -> Result<Self, ChaosError> {
        let fsync = match queue {
            Queue::Failovers => AppendFsync::Always,
            Queue::Single | Queue::Sentinel | Queue::Cluster => AppendFsync::EverySecond,
        };
        Ok(match queue {
            Queue::Single => {
                let data_dir = DataDir::temporary()?;
                let redis = match certificates {
                    Some(files) => Redis::start_with_tls(&data_dir, fsync, &files.server).await,
                    None => Redis::start(&data_dir, fsync).await,
                };
                Self::Single(Box::new(redis?))
            }
            Queue::Sentinel | Queue::Failovers => {
                Self::Watched(Watched::start(queue.replicas().into(), fsync).await?)
            }
            Queue::Cluster => Self::Cluster(Cluster::start(PRIMARIES, fsync).await?),
        })
    }

    fn url(&self) -> String {
        match self {
            Self::Single(redis) => {
                let with_tls = redis.tls_url("localhost");
                with_tls.unwrap_or_else(|| redis.url())
            }
            Self::Watched(watched) => watched.url(),
            Self::Cluster(cluster) => cluster.url(),
        }
    }

    async fn version(&self) -> Result<String, ChaosError> {
        let server = match self {
            Self::Single(redis) => Some(&**redis),
            Self::Watched(watched) => watched.servers.first(),
            Self::Cluster(cluster) => cluster.servers.first(),
        };
        let server = server.ok_or_else(|| ChaosError::wrong("there is no Redis"))?;
        let mut queue = connect_to(&server.url()).await?;
        let info: InfoDict = redis::cmd("INFO")
            .arg("server")
            .query_async(&mut queue)
            .await?;
        // Valkey reports as `redis_version` the Redis that it can stand in for.
        let name = |field| info.get::<String>(field);
        let reported = name("valkey_version").map(|version| format!("Valkey {version}"));
        let redis = || name("redis_version").map(|version| format!("Redis {version}"));
        reported
            .or_else(redis)
            .ok_or_else(|| ChaosError::wrong("Redis does not tell its version"))
    }
}

/// A standby of `primary`, which confirms no commit from now on that the standby has not written.
async fn synchronous_standby(primary: &Postgres) -> Result<Postgres, ChaosError> {
    let address = ([127, 0, 0, 1], primary.port()).into();
    let standby = primary.replica(&DataDir::temporary()?, address).await?;
    let mut ledger = PgConnection::connect(&primary.url()).await?;
    for statement in [
        "ALTER SYSTEM SET synchronous_standby_names = '*'",
        "SELECT pg_reload_conf()",
    ] {
        execute(&mut ledger, statement).await?;
    }
    until("the standby follows synchronously", IN_STEP, async || {
        let is_synchronous: bool = sqlx::query_scalar(
            "SELECT count(*) > 0 FROM pg_stat_replication WHERE sync_state = 'sync'",
        )
        .fetch_one(&mut ledger)
        .await?;
        Ok(is_synchronous)
    })
    .await?;
    Ok(standby)
}

/// The address of a database that names both of its servers.
fn both(primary: &Postgres, standby: &Postgres) -> String {
    let url = primary.url();
    match url.rsplit_once('/') {
        Some((server, database)) => {
            format!("{server},127.0.0.1:{}/{database}", standby.port())
        }
        None => url,
    }
}
