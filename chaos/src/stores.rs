//! The stores of a round, and what can be done to their data.

use std::{
    fs, io,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    time::Duration,
};

use flashsale_testbed::{
    data_dir::DataDir,
    fault_proxy::FaultProxy,
    postgres::Postgres,
    redis::{AppendFsync, Redis},
};
use redis::aio::MultiplexedConnection;
use sqlx::{Connection, PgConnection};
use tokio::time::timeout;

use crate::error::ChaosError;

/// How long a command of the harness may take.
const COMMAND: Duration = Duration::from_secs(5);

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
            clock::environment(data_dir.path(), "redis")
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
    #[must_use]
    pub fn postgres_address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.postgres.port()).into()
    }

    /// Where Redis listens.
    #[must_use]
    pub fn redis_address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.redis.port()).into()
    }

    /// Address of Redis, past all proxies.
    #[must_use]
    pub fn redis_url(&self) -> String {
        format!("redis://:{}@{}/", self.redis_password, self.redis_address())
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

    /// A Redis that replicates this one through `link`, in step when this comes back.
    pub(crate) async fn redis_replica(&mut self, link: &FaultProxy) -> Result<Redis, ChaosError> {
        let data_dir = DataDir::temporary()?;
        let replica = Redis::start(&data_dir, AppendFsync::Always).await?;
        self.further.push(data_dir);
        let mut queue = connect_to(&replica.url()).await?;
        for (name, value) in [
            ("masterauth", self.redis_password.as_str()),
            // A replica that lost its primary answers with what it has.
            ("replica-serve-stale-data", "yes"),
        ] {
            run(&mut queue, &["CONFIG", "SET", name, value]).await?;
        }
        let address = link.address();
        let (host, port) = (address.ip().to_string(), address.port().to_string());
        run(&mut queue, &["REPLICAOF", &host, &port]).await?;
        // Its clients come with the address of the one that it replaces.
        run(
            &mut queue,
            &["CONFIG", "SET", "requirepass", &self.redis_password],
        )
        .await?;
        let info = || async {
            let mut queue = queue.clone();
            let info: String = redis::cmd("INFO")
                .arg("replication")
                .query_async(&mut queue)
                .await?;
            Ok::<_, ChaosError>(info.contains("master_link_status:up"))
        };
        for _ in 0..200 {
            if info().await? {
                return Ok(replica);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err(ChaosError::TooLate {
            what: "the replica follows Redis".to_owned(),
            seconds: 10,
        })
    }
}

/// A connection of the harness.
pub(crate) async fn connect_to(url: &str) -> Result<MultiplexedConnection, ChaosError> {
    let client = redis::Client::open(url)?;
    timeout(COMMAND, client.get_multiplexed_async_connection())
        .await
        .map_err(|_| ChaosError::TooLate {
            what: "Redis answers the harness".to_owned(),
            seconds: COMMAND.as_secs(),
        })?
        .map_err(ChaosError::from)
}

/// Runs a command whose answer does not matter.
pub(crate) async fn run(
    queue: &mut MultiplexedConnection,
    words: &[&str],
) -> Result<(), ChaosError> {
    let mut command = redis::cmd(words.first().copied().unwrap_or("PING"));
    command.arg(words.get(1..).unwrap_or_default());
    command.query_async::<()>(queue).await?;
    Ok(())
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
