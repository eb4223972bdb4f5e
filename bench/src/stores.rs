//! The servers of a run: PostgreSQL and Redis of its own, as `flashsale up` starts them.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use flashsale_core::{
    connect::{self, DedicatedConnection, LedgerConfig},
    ledger::Ledger,
};
use flashsale_testbed::{
    certificates::{self, Authority},
    data_dir::DataDir,
    postgres::Postgres,
    program::StoreUrls,
    redis::{AppendFsync, Redis},
};
use redis::InfoDict;

use crate::{error::BenchError, processor};

/// How long one command of the bench itself may take: filling and emptying lanes includes waits
/// for the disk that a shopper would not be given.
const COMMAND_PATIENCE: Duration = Duration::from_secs(30);

/// The user of PostgreSQL, whose name its clients' certificates have to have.
const POSTGRES_USER: &str = "flashsale";

/// Connections of the bench itself: it asks one thing at a time, an audit two.
const CONNECTIONS: u32 = 4;

/// How long the servers may take to finish what they do beside a run.
const QUIET_PATIENCE: Duration = Duration::from_mins(2);

/// How often they are asked whether they have.
const QUIET_INTERVAL: Duration = Duration::from_millis(20);

/// PostgreSQL, Redis, and the bench's own connections to both.
#[derive(Debug)]
pub struct Stores {
    /// PostgreSQL.
    pub postgres: Postgres,
    /// Redis.
    pub redis: Redis,
    /// The ledger in PostgreSQL.
    pub ledger: Ledger,
    /// Opens connections to Redis.
    pub client: redis::Client,
    /// A connection to Redis that waits long.
    pub queue: DedicatedConnection,
    /// Holds all files of the run.
    pub data_dir: DataDir,
    /// The certificate of our programs, where the servers speak TLS too.
    certificates: Option<PathBuf>,
}

/// A way to the stores.
#[derive(Debug)]
pub struct Way {
    /// Where PostgreSQL is.
    pub database: String,
    redis: String,
    /// Further flags of our programs.
    pub flags: Vec<String>,
}

impl Way {
    /// Both addresses.
    #[must_use]
    pub fn urls(&self) -> StoreUrls<'_> {
        StoreUrls {
            database: &self.database,
            redis: &self.redis,
        }
    }
}

impl Stores {
    /// Starts both in a temporary directory and brings the schema up to date.
    pub async fn start() -> Result<Self, BenchError> {
        let data_dir = DataDir::temporary()?;
        let postgres = Postgres::start(&data_dir).await?;
        let redis = Redis::start(&data_dir, AppendFsync::EverySecond).await?;
        Self::connect(data_dir, postgres, redis, None).await
    }

    /// The same, where both speak TLS too and want a certificate of who uses it; see
    /// [`secured_way`](Self::secured_way).
    pub async fn start_secured() -> Result<Self, BenchError> {
        let data_dir = DataDir::temporary()?;
        let authority = Authority::new("bench")?;
        let servers = data_dir.subdirectory("servers")?;
        let pair = authority.server(&["localhost", "127.0.0.1"])?;
        certificates::write(&servers, Some(&authority), Some(&pair))?;
        let ours = data_dir.subdirectory("ours")?;
        let pair = authority.client(POSTGRES_USER)?;
        certificates::write(&ours, Some(&authority), Some(&pair))?;
        let postgres = Postgres::start(&data_dir).await?;
        postgres.use_certificates(&servers).await?;
        let redis = Redis::start_with_tls(&data_dir, AppendFsync::EverySecond, &servers).await?;
        Self::connect(data_dir, postgres, redis, Some(ours)).await
    }

    async fn connect(
        data_dir: DataDir,
        postgres: Postgres,
        redis: Redis,
        certificates: Option<PathBuf>,
    ) -> Result<Self, BenchError> {
        let ledger = connect::ledger(&LedgerConfig {
            url: plain(&postgres),
            tls: connect::TlsSource::System,
            connections: CONNECTIONS,
            transaction_pooler: false,
            ping_before_use: false,
            bounds: None,
        })?;
        ledger.migrate().await?;
        let client = redis::Client::open(redis.url())?;
        let queue =
            connect::blocking(&connect::redis_client(&redis.url())?, COMMAND_PATIENCE).await?;
        Ok(Self {
            postgres,
            redis,
            ledger,
            client,
            queue,
            data_dir,
            certificates,
        })
    }

    /// The way without TLS.
    #[must_use]
    pub fn way(&self) -> Way {
        Way {
            database: plain(&self.postgres),
            redis: self.redis.url(),
            flags: Vec::new(),
        }
    }

    /// The way with TLS, where the servers speak it.
    #[must_use]
    pub fn secured_way(&self) -> Option<Way> {
        let certificates = self.certificates.as_ref()?.display().to_string();
        Some(Way {
            database: format!("{}?sslmode=verify-full", self.postgres.url()),
            redis: self.redis.tls_url("127.0.0.1")?,
            flags: vec![
                "--redis-tls".to_owned(),
                certificates.clone(),
                "--database-tls".to_owned(),
                certificates,
            ],
        })
    }

    /// Empties both, so that every measurement starts alike.
    pub async fn empty(&self) -> Result<(), BenchError> {
        for statement in [
            "TRUNCATE orders RESTART IDENTITY",
            "TRUNCATE products, sales, rejections",
        ] {
            sqlx::raw_sql(statement).execute(self.ledger.pool()).await?;
        }
        let mut queue = self.queue.clone();
        redis::cmd("FLUSHALL").query_async::<()>(&mut queue).await?;
        self.wait_for_quiet().await?;
        // Starts the append-only file over, or its growth would have it rewritten sooner in each
        // measurement than in the one before.
        redis::cmd("BGREWRITEAOF")
            .query_async::<()>(&mut queue)
            .await?;
        self.wait_for_quiet().await
    }

    /// Waits until both servers have on the disk what they were given before, so that a
    /// measurement does not pay for the filling before it.
    pub async fn settle_down(&self) -> Result<(), BenchError> {
        sqlx::raw_sql("CHECKPOINT")
            .execute(self.ledger.pool())
            .await?;
        self.wait_for_quiet().await?;
        let home = self.redis.log_file();
        let files = home.with_file_name("appendonlydir");
        let syncing =
            tokio::task::spawn_blocking(move || sync_all(&files).map_err(BenchError::file(files)));
        syncing
            .await
            .map_err(|error| BenchError::Wrong(format!("syncing broke: {error}")))?
    }

    async fn wait_for_quiet(&self) -> Result<(), BenchError> {
        let started = Instant::now();
        while self.is_rewriting().await? {
            if started.elapsed() > QUIET_PATIENCE {
                return Err(BenchError::TooLate {
                    what: "Redis did not finish rewriting its append-only file".to_owned(),
                    waited: QUIET_PATIENCE,
                });
            }
            tokio::time::sleep(QUIET_INTERVAL).await;
        }
        Ok(())
    }

    async fn is_rewriting(&self) -> Result<bool, BenchError> {
        let info = self.info("persistence").await?;
        let is_set = |name: &str| info.get::<u8>(name).is_some_and(|value| value != 0);
        Ok(is_set("aof_rewrite_in_progress") || is_set("aof_rewrite_scheduled"))
    }

    /// Waits until a replica has what the bench wrote last.
    pub async fn wait_for_replica(&self) -> Result<(), BenchError> {
        let mut queue = self.queue.clone();
        let started = Instant::now();
        loop {
            // `WAIT` counts only what its own connection wrote.
            let mut pipe = redis::pipe();
            pipe.set("waited-for", 1).ignore().cmd("WAIT").arg(1);
            let limit = QUIET_INTERVAL.as_millis();
            pipe.arg(u64::try_from(limit).unwrap_or(u64::MAX));
            let (replicas,): (u32,) = pipe.query_async(&mut queue).await?;
            if replicas > 0 {
                return Ok(());
            }
            if started.elapsed() > QUIET_PATIENCE {
                return Err(BenchError::TooLate {
                    what: "no replica of Redis follows".to_owned(),
                    waited: QUIET_PATIENCE,
                });
            }
        }
    }

    /// One section of what Redis tells about itself.
    pub async fn info(&self, section: &str) -> Result<InfoDict, BenchError> {
        let mut queue = self.queue.clone();
        Ok(redis::cmd("INFO")
            .arg(section)
            .query_async(&mut queue)
            .await?)
    }

    /// Bytes that Redis has allocated.
    pub async fn redis_memory(&self) -> Result<u64, BenchError> {
        let memory = self.info("memory").await?.get("used_memory");
        memory.ok_or_else(|| BenchError::Wrong("Redis does not tell its used_memory".to_owned()))
    }

    /// Seconds of processor time that PostgreSQL has used, all its processes together.
    pub fn postgres_seconds(&self) -> Result<f64, BenchError> {
        let stopped = || BenchError::Wrong("PostgreSQL is not running".to_owned());
        processor::seconds_with_children(self.postgres.pid().ok_or_else(stopped)?)
    }

    /// Seconds of processor time that Redis has used.
    pub fn redis_seconds(&self) -> Result<f64, BenchError> {
        let stopped = || BenchError::Wrong("Redis is not running".to_owned());
        processor::seconds(self.redis.pid().ok_or_else(stopped)?)
    }

    /// Has Redis sync its file as `policy` says from now on.
    pub async fn set_append_fsync(&self, policy: AppendFsync) -> Result<(), BenchError> {
        let mut queue = self.queue.clone();
        redis::cmd("CONFIG")
            .arg("SET")
            .arg("appendfsync")
            .arg(policy.to_string())
            .query_async::<()>(&mut queue)
            .await?;
        Ok(())
    }

    /// Stops both in order.
    pub async fn stop(mut self) -> Result<(), BenchError> {
        self.ledger.pool().close().await;
        self.redis.stop().await?;
        self.postgres.stop().await?;
        Ok(())
    }
}

/// The address of PostgreSQL without TLS: by itself a client prefers TLS where the server speaks it.
fn plain(postgres: &Postgres) -> String {
    format!("{}?sslmode=disable", postgres.url())
}

/// Brings every file of `directory` to the disk: Redis itself would do so within the second after.
fn sync_all(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        File::open(entry?.path())?.sync_all()?;
    }
    Ok(())
}
