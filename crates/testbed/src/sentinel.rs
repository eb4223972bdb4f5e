//! A private Redis primary with replicas, watched by Sentinels.

use std::{
    fs, io,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    time::Duration,
};

use nix::sys::signal::Signal;

use super::{
    answer::{self, Patience},
    data_dir::{DataDir, DataDirError},
    launch::Launch,
    ports::{self, PortError},
    process::{Process, ProcessError},
    redis::{self, AppendFsync, Redis, RedisError},
    tls::Tls,
};

/// What the Sentinels call the primary.
pub const NAME: &str = "shop";

/// How many Sentinels there are; more than half of them decide.
const SENTINELS: usize = 3;

/// How long a primary has to be silent before a Sentinel takes it for dead. Companies use 5 to 30 s.
const DOWN_AFTER: Duration = Duration::from_secs(1);

/// The Sentinels have to find each other and the replicas: they look every ten seconds.
const START: Patience = Patience {
    interval: Duration::from_millis(100),
    longest: Duration::from_secs(40),
};

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum SentinelError {
    /// A server did not start.
    #[error(transparent)]
    Redis(#[from] RedisError),
    /// A directory could not be made.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// There is no port.
    #[error(transparent)]
    Port(#[from] PortError),
    /// A Sentinel's process could not be started.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// A configuration could not be written.
    #[error("could not write Sentinel's configuration: {0}")]
    File(#[from] io::Error),
    /// The Sentinels do not agree in time.
    #[error("the Sentinels have not found each other and the replicas within {} s", START.longest.as_secs())]
    NotReady,
}

/// Servers of which one is the primary, and the Sentinels that decide which.
#[derive(Debug)]
pub struct Watched {
    /// The servers. The first was the primary at the start.
    pub servers: Vec<Redis>,
    /// The Sentinels.
    pub sentinels: Vec<Sentinel>,
}

/// One Sentinel on 127.0.0.1.
#[derive(Debug)]
pub struct Sentinel {
    process: Process,
    port: u16,
    tls_port: Option<u16>,
    _data_dir: DataDir,
}

impl Watched {
    /// Starts a primary and `replicas` replicas. Comes back when every Sentinel knows all of them.
    pub async fn start(replicas: usize, append_fsync: AppendFsync) -> Result<Self, SentinelError> {
        let primary = Redis::start(&DataDir::temporary()?, append_fsync).await?;
        let mut servers = vec![primary];
        for _ in 0..replicas {
            let replica = Redis::start_replica(&DataDir::temporary()?, &servers[0]).await?;
            servers.push(replica);
        }
        let sentinels = Sentinel::start_all(&servers[0], None).await?;
        let watched = Self { servers, sentinels };
        watched.ready().await?;
        Ok(watched)
    }

    /// Starts a primary without replicas. It and the Sentinels speak TLS too, see
    /// [`Redis::start_with_tls`], and the Sentinels name the port where it does. Does not wait for
    /// them to find each other: each knows the primary from the start.
    pub async fn start_with_tls(
        append_fsync: AppendFsync,
        certificates: &Path,
    ) -> Result<Self, SentinelError> {
        let data_dir = DataDir::temporary()?;
        let primary = Redis::start_with_tls(&data_dir, append_fsync, certificates).await?;
        Ok(Self {
            sentinels: Sentinel::start_all(&primary, Some(certificates)).await?,
            servers: vec![primary],
        })
    }

    /// `rediss+sentinel://:PASSWORD@HOST:PORT,…/NAME`; none without TLS.
    pub fn tls_url(&self) -> Option<String> {
        let ports = self.sentinels.iter().map(|sentinel| sentinel.tls_port);
        let ports = ports.collect::<Option<Vec<u16>>>()?;
        let url = self.url_by("rediss+sentinel", ports.into_iter().map(redis::host));
        Some(url)
    }

    /// `redis+sentinel://:PASSWORD@HOST:PORT,…/NAME`.
    pub fn url(&self) -> String {
        self.url_by("redis+sentinel", self.sentinels.iter().map(Sentinel::host))
    }

    fn url_by(&self, scheme: &str, hosts: impl Iterator<Item = String>) -> String {
        let password = self.servers[0].password();
        format!("{}/{NAME}", redis::url_of_several(scheme, password, hosts))
    }

    /// The position among the servers of the one that the first Sentinel that answers calls the
    /// primary; none while it names another.
    pub async fn primary(&self) -> Option<usize> {
        for sentinel in &self.sentinels {
            let mut ask = ::redis::cmd("SENTINEL");
            ask.arg("GET-MASTER-ADDR-BY-NAME").arg(NAME);
            if let Ok((_, port)) = sentinel.ask::<(String, u16)>(&ask).await {
                return self.servers.iter().position(|server| server.port() == port);
            }
        }
        None
    }

    /// Waits until every replica has all that the first server has taken so far.
    pub async fn all_have_everything(&self) -> ::redis::RedisResult<()> {
        let client = ::redis::Client::open(self.servers[0].url())?;
        let mut primary = client.get_multiplexed_async_connection().await?;
        // `WAIT` counts only what its own connection wrote.
        let replicas = self.servers.len() - 1;
        let mut pipe = ::redis::pipe();
        pipe.cmd("SET").arg("waited-for").arg(1).ignore();
        pipe.cmd("DEL").arg("waited-for").ignore();
        pipe.query_async::<()>(&mut primary).await?;
        loop {
            let mut wait = ::redis::cmd("WAIT");
            wait.arg(replicas).arg(100);
            if wait.query_async::<usize>(&mut primary).await? >= replicas {
                return Ok(());
            }
        }
    }

    async fn ready(&self) -> Result<(), SentinelError> {
        let replicas = self.servers.len() - 1;
        let knows =
            async |sentinel: &Sentinel| Ok::<_, SentinelError>(sentinel.knows(replicas).await);
        let in_time = answer::all(&self.sentinels, START, knows).await?;
        in_time.then_some(()).ok_or(SentinelError::NotReady)
    }
}

impl Sentinel {
    async fn start_all(
        primary: &Redis,
        certificates: Option<&Path>,
    ) -> Result<Vec<Self>, SentinelError> {
        let mut sentinels = Vec::with_capacity(SENTINELS);
        for _ in 0..SENTINELS {
            sentinels.push(Self::start(primary, certificates).await?);
        }
        Ok(sentinels)
    }

    async fn start(primary: &Redis, certificates: Option<&Path>) -> Result<Self, SentinelError> {
        let data_dir = DataDir::temporary()?;
        let directory: PathBuf = data_dir.subdirectory("sentinel")?;
        let port = ports::free_port()?;
        let configuration = directory.join("sentinel.conf");
        let tls = certificates.map(Tls::new).transpose()?;
        // Only with this do Sentinels reach the primary, and each other, by TLS.
        let tls_settings = tls.as_ref().map_or_else(String::new, |tls| {
            format!("{}tls-replication yes\n", tls.lines())
        });
        let host = Ipv4Addr::LOCALHOST;
        let primary_port = primary.tls_port().unwrap_or(primary.port());
        let quorum = SENTINELS / 2 + 1;
        let text = format!(
            "bind {host}\n\
             port {port}\n\
             dir {}\n\
             {tls_settings}sentinel monitor {NAME} {host} {primary_port} {quorum}\n\
             sentinel auth-pass {NAME} {}\n\
             sentinel down-after-milliseconds {NAME} {}\n\
             sentinel failover-timeout {NAME} 5000\n",
            directory.display(),
            primary.password(),
            DOWN_AFTER.as_millis(),
        );
        fs::write(&configuration, text)?;
        let launch = Launch::new(
            "sentinel",
            redis::program()?,
            directory.join("sentinel.log"),
        )
        .arg(configuration)
        .arg("--sentinel");
        Ok(Self {
            process: Process::start(launch).await?,
            port,
            tls_port: tls.map(|tls| tls.port),
            _data_dir: data_dir,
        })
    }

    /// Stops it (SIGSTOP) until [`resume`](Self::resume).
    pub fn pause(&self) -> Result<(), ProcessError> {
        self.process.signal(Signal::SIGSTOP)
    }

    /// Lets it go on (SIGCONT).
    pub fn resume(&self) -> Result<(), ProcessError> {
        self.process.signal(Signal::SIGCONT)
    }

    /// Ends it (SIGKILL).
    pub fn kill(&self) -> Result<(), ProcessError> {
        self.process.kill()
    }

    /// `HOST:PORT`.
    pub fn host(&self) -> String {
        redis::host(self.port)
    }

    /// Whether it knows this many replicas, and the other Sentinels.
    async fn knows(&self, replicas: usize) -> bool {
        let of = |what: &str| {
            let mut ask = ::redis::cmd("SENTINEL");
            ask.arg(what).arg(NAME);
            ask
        };
        let known = async |what| self.ask::<Vec<::redis::Value>>(&of(what)).await;
        let counts = (known("REPLICAS").await, known("SENTINELS").await);
        matches!(counts, (Ok(those), Ok(others)) if those.len() == replicas && others.len() == SENTINELS - 1)
    }

    async fn ask<T: ::redis::FromRedisValue>(
        &self,
        command: &::redis::Cmd,
    ) -> ::redis::RedisResult<T> {
        redis::ask(&format!("redis://{}/", self.host()), command).await
    }
}
