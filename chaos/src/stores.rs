//! The stores of a round, and what can be done to their data.

use std::{
    fs, io,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    time::{Duration, Instant},
};

use flashsale_testbed::{
    data_dir::DataDir,
    fault_proxy::FaultProxy,
    postgres::Postgres,
    redis::{AppendFsync, Redis},
};
use jiff::Timestamp;
use redis::{InfoDict, aio::MultiplexedConnection};
use sqlx::{Connection, PgConnection};
use tokio::time::timeout;

use crate::error::ChaosError;

/// How long a command of the harness may take.
const COMMAND: Duration = Duration::from_secs(5);

/// How often a replica is looked at until it is in step.
const IN_STEP_LOOKS: u32 = 200;

/// How long the primary's last write may take to arrive until the next look.
const IN_STEP_LOOK: Duration = Duration::from_millis(50);

/// How often anything else is looked at that is waited for.
const LOOK: Duration = Duration::from_millis(50);

/// The library that fakes a program's clock, where Debian puts it, by machine type.
const FAKETIME: &str = "/usr/lib";

/// The servers. Those that were replaced stay until the end.
#[derive(Debug)]
pub struct Stores {
    /// PostgreSQL.
    pub postgres: Postgres,
    /// Redis.
    pub redis: Redis,
    /// The password of the first Redis, and of every one that takes its place.
    redis_password: String,
    /// A Redis that was demoted and runs on.
    demoted: Option<Redis>,
    /// Files of replicas. After the servers, so that it is dropped after them.
    pub(crate) further: Vec<DataDir>,
}

impl Stores {
    /// Starts both in `data_dir`. `with_clock`: Redis's clock can be set.
    pub async fn start(data_dir: &DataDir, with_clock: bool) -> Result<Self, ChaosError> {
        let environment = if with_clock {
            clock::environment_of_redis(data_dir.path())
        } else {
            Vec::new()
        };
        let (postgres, redis) = tokio::join!(
            Postgres::start(data_dir),
            Redis::start_with(data_dir, AppendFsync::Always, environment)
        );
        let redis = redis?;
        Ok(Self {
            postgres: postgres?,
            redis_password: redis.password().to_owned(),
            redis,
            demoted: None,
            further: Vec::new(),
        })
    }

    /// Where PostgreSQL listens.
    pub fn postgres_address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.postgres.port()).into()
    }

    /// Where Redis listens.
    pub fn redis_address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.redis.port()).into()
    }

    /// Address of Redis, past all proxies.
    pub fn redis_url(&self) -> String {
        format!("redis://:{}@{}/", self.redis_password, self.redis_address())
    }

    /// Where both are, past all proxies, as hand tools are told.
    pub(crate) fn environment(&self) -> [(&'static str, String); 2] {
        [
            ("FLASHSALE_DATABASE_URL", self.postgres.url()),
            ("FLASHSALE_REDIS_URL", self.redis_url()),
        ]
    }

    /// The password of every Redis that clients are led to.
    pub(crate) fn redis_password(&self) -> &str {
        &self.redis_password
    }

    /// A connection of the harness to Redis, past all proxies.
    pub async fn queue(&self) -> Result<MultiplexedConnection, ChaosError> {
        connect_to(&self.redis_url()).await
    }

    /// A connection of the harness to PostgreSQL, past all proxies.
    pub async fn ledger(&self) -> Result<PgConnection, ChaosError> {
        Ok(PgConnection::connect(&self.postgres.url()).await?)
    }

    /// Keeps a Redis that was replaced running until the end.
    pub(crate) fn keep(&mut self, demoted: Redis) {
        self.demoted = Some(demoted);
    }

    /// Lets programs in through a password whose addresses are in `network`, e.g. 10.1.2.0/30.
    pub(crate) async fn let_in(&self, network: &str) -> Result<(), ChaosError> {
        let mut ledger = self.ledger().await?;
        let statement = format!(
            "COPY (SELECT 'host all all {network} scram-sha-256') TO PROGRAM 'cat >> pg_hba.conf';
             SELECT pg_reload_conf()"
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement))
            .execute(&mut ledger)
            .await?;
        Ok(())
    }

    /// A Redis that replicates this one through `link`, and an instant before which everything has
    /// arrived there.
    pub(crate) async fn redis_replica(
        &mut self,
        link: &FaultProxy,
    ) -> Result<(Redis, Timestamp), ChaosError> {
        let data_dir = DataDir::temporary()?;
        let replica = Redis::start(&data_dir, AppendFsync::Always).await?;
        self.further.push(data_dir);
        let mut queue = connect_to(&replica.url()).await?;
        follow(&mut queue, link.address(), &self.redis_password).await?;
        // A replica that lost its primary answers with what it has.
        let serve = ["CONFIG", "SET", "replica-serve-stale-data", "yes"];
        run(&mut queue, &serve).await?;
        // Its clients come with the address of the one that it replaces.
        let password = ["CONFIG", "SET", "requirepass", &self.redis_password];
        run(&mut queue, &password).await?;
        let mut primary = self.queue().await?;
        for _ in 0..IN_STEP_LOOKS {
            let seen = Timestamp::now();
            let written: u64 = info(&mut primary, "replication", "master_repl_offset").await?;
            tokio::time::sleep(IN_STEP_LOOK).await;
            let status: String = info(&mut queue, "replication", "master_link_status").await?;
            let received: u64 = info(&mut queue, "replication", "slave_repl_offset").await?;
            if status == "up" && received >= written {
                return Ok((replica, seen));
            }
        }
        Err(behind("the replica of Redis"))
    }

    /// A PostgreSQL that replicates this one through `link`, and an instant before which everything
    /// has arrived there.
    pub(crate) async fn postgres_replica(
        &mut self,
        link: &FaultProxy,
    ) -> Result<(Postgres, Timestamp), ChaosError> {
        let data_dir = DataDir::temporary()?;
        let replica = self.postgres.replica(&data_dir, link.address()).await?;
        self.further.push(data_dir);
        let mut primary = self.ledger().await?;
        let mut standby = PgConnection::connect(&replica.url()).await?;
        for _ in 0..IN_STEP_LOOKS {
            let seen = Timestamp::now();
            let written: String = sqlx::query_scalar("SELECT pg_current_wal_insert_lsn()::text")
                .fetch_one(&mut primary)
                .await?;
            tokio::time::sleep(IN_STEP_LOOK).await;
            let arrived: bool = sqlx::query_scalar(
                "SELECT coalesce(pg_last_wal_receive_lsn() >= $1::pg_lsn, false)",
            )
            .bind(&written)
            .fetch_one(&mut standby)
            .await?;
            if arrived {
                return Ok((replica, seen));
            }
        }
        Err(behind("the replica of PostgreSQL"))
    }
}

fn behind(replica: &str) -> ChaosError {
    ChaosError::too_late(
        format!("{replica} is in step"),
        IN_STEP_LOOK * IN_STEP_LOOKS,
    )
}

/// Looks again and again until `condition` holds, for `longest`.
pub(crate) async fn until(
    what: &str,
    longest: Duration,
    mut condition: impl AsyncFnMut() -> Result<bool, ChaosError>,
) -> Result<(), ChaosError> {
    let deadline = Instant::now() + longest;
    while !condition().await? {
        if Instant::now() > deadline {
            return Err(ChaosError::too_late(what, longest));
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

/// A connection of the harness.
pub(crate) async fn connect_to(url: &str) -> Result<MultiplexedConnection, ChaosError> {
    let client = redis::Client::open(url)?;
    timeout(COMMAND, client.get_multiplexed_async_connection())
        .await
        .map_err(|_| ChaosError::too_late("Redis answers the harness", COMMAND))?
        .map_err(ChaosError::from)
}

/// Runs a statement whose rows do not matter.
pub(crate) async fn execute(
    ledger: &mut PgConnection,
    statement: &'static str,
) -> Result<(), ChaosError> {
    sqlx::raw_sql(statement).execute(ledger).await?;
    Ok(())
}

/// A field of a section of what Redis tells about itself.
pub(crate) async fn info<T: redis::FromRedisValue>(
    queue: &mut MultiplexedConnection,
    section: &str,
    field: &'static str,
) -> Result<T, ChaosError> {
    let mut info = redis::cmd("INFO");
    let info: InfoDict = info.arg(section).query_async(queue).await?;
    info.get(field)
        .ok_or_else(|| ChaosError::Wrong(format!("Redis does not tell its {field}")))
}

/// Runs a command whose answer does not matter.
pub(crate) async fn run(
    queue: &mut MultiplexedConnection,
    words: &[&str],
) -> Result<(), ChaosError> {
    let mut command = redis::Cmd::new();
    Ok(command.arg(words).query_async(queue).await?)
}

/// Makes a Redis a replica of the one at `primary`, which has this password.
pub(crate) async fn follow(
    queue: &mut MultiplexedConnection,
    primary: SocketAddr,
    password: &str,
) -> Result<(), ChaosError> {
    run(queue, &["CONFIG", "SET", "masterauth", password]).await?;
    let (host, port) = (primary.ip().to_string(), primary.port().to_string());
    run(queue, &["REPLICAOF", &host, &port]).await
}

/// Copies every file of a directory of plain files.
pub(crate) fn copy_directory(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}

/// Clocks that can be set, by the library of Debian's package `faketime`.
pub(crate) mod clock {
    use std::{
        fs,
        path::{Path, PathBuf},
    };

    use super::FAKETIME;
    use crate::error::ChaosError;

    /// Whether clocks can be set here.
    pub(crate) fn is_available() -> bool {
        library().is_some()
    }

    /// Variables by which the clock of the program `name` can be set; none without the library.
    pub(crate) fn environment(directory: &Path, name: &str) -> Vec<(String, String)> {
        let Some(library) = library() else {
            return Vec::new();
        };
        let file = file(directory, name);
        if fs::write(&file, "+0").is_err() {
            return Vec::new();
        }
        [
            ("LD_PRELOAD", library.display().to_string()),
            ("FAKETIME_TIMESTAMP_FILE", file.display().to_string()),
            // Looks into the file at each question, so that a step takes effect at once.
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            // Steps are steps of the wall clock; timers go on.
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
            ("DONT_FAKE_MONOTONIC", "1".to_owned()),
            ("FAKETIME_DONT_RESET", "1".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }

    /// The same for Redis, whose allocator asks for the time before the library is ready: the C
    /// library's allocator takes its place.
    pub(crate) fn environment_of_redis(directory: &Path) -> Vec<(String, String)> {
        let mut environment = environment(directory, "redis");
        for (name, value) in &mut environment {
            if name == "LD_PRELOAD" {
                value.push_str(" libc.so.6");
            }
        }
        environment
    }

    /// Sets the clock of the program `name` to the real time and `seconds`.
    pub(crate) fn step(directory: &Path, name: &str, seconds: i32) -> Result<(), ChaosError> {
        let file = file(directory, name);
        // Renamed, so that nobody reads half of it.
        let new = file.with_extension("new");
        fs::write(&new, format!("{seconds:+}")).map_err(ChaosError::file(&new))?;
        fs::rename(&new, &file).map_err(ChaosError::file(&file))
    }

    fn file(directory: &Path, name: &str) -> PathBuf {
        directory.join(format!("{name}.clock"))
    }

    fn library() -> Option<PathBuf> {
        let machines = fs::read_dir(FAKETIME).ok()?.flatten();
        machines
            .map(|machine| machine.path().join("faketime/libfaketimeMT.so.1"))
            .find(|library| library.exists())
    }
}
