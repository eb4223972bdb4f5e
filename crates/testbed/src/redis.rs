//! A private Redis server.

mod configuration;

use std::fmt;
use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;
use redis::{Client, Cmd, FromRedisValue, RedisError as ClientError};
use tokio::time::timeout;

use super::answer::{self, NoAnswer, Patience};
use super::binaries;
use super::data_dir::{DataDir, DataDirError};
use super::launch::Launch;
use super::password;
use super::pid_file::{self, StillOwned};
use super::ports::{self, PortError};
use super::process::{Process, ProcessError};
use super::tls::Tls;

use self::configuration::Configuration;

/// The server's program.
const PROGRAM: &str = "redis-server";

/// Names another program to start instead: that of another version, or of Valkey.
pub const PROGRAM_VARIABLE: &str = "FLASHSALE_REDIS_SERVER";

/// A clean start takes milliseconds; one with gigabytes in the append-only file reads them first.
const START: Patience = Patience {
    interval: Duration::from_millis(10),
    longest: Duration::from_mins(2),
};

/// An attempt to connect on the same machine takes milliseconds.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);

/// A shutdown syncs the append-only file once.
const STOP_PATIENCE: Duration = Duration::from_secs(30);

/// When Redis brings what it acknowledged to the disk (`appendfsync`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum AppendFsync {
    /// Once a second. A crash of the machine can lose up to 2 s of acknowledged buys.
    #[default]
    #[value(name = "everysec")]
    EverySecond,
    /// Before each answer. An acknowledged buy survives any crash, at the pace of the disk.
    Always,
}

impl fmt::Display for AppendFsync {
    /// Redis's own word for it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::EverySecond => "everysec",
            Self::Always => "always",
        })
    }
}

/// What can go wrong with a private Redis.
#[derive(Debug, thiserror::Error)]
pub enum RedisError {
    /// It is not installed.
    #[error(
        "no `{PROGRAM}` on PATH, or no program where {PROGRAM_VARIABLE} says: install it with \
         `apt-get install redis-server`"
    )]
    NotInstalled,
    /// The data directory does not take its files.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// A file of ours could not be read or written.
    #[error("could not write Redis's files in `{directory}`; check the directory's permissions", directory = .0.display())]
    File(PathBuf, #[source] io::Error),
    /// There is no port for it.
    #[error(transparent)]
    Port(#[from] PortError),
    /// Another server uses its files.
    #[error("Redis's files are in use")]
    InUse(#[from] StillOwned),
    /// Its process could not be started or ended.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// It does not answer.
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
}

/// A Redis server on 127.0.0.1 that is ours alone.
///
/// Keeps an append-only file and evicts nothing. Dropping it stops it.
#[derive(Debug)]
pub struct Redis {
    /// The running server; `None` after `stop` or `kill`. First, so that it is dropped first.
    process: Option<Process>,
    /// The server's program.
    program: PathBuf,
    /// Directory of data, password, configuration and log.
    home: PathBuf,
    /// Password of the default user.
    password: String,
    /// The TCP port, the same over restarts.
    port: u16,
    /// When the append-only file reaches the disk.
    append_fsync: AppendFsync,
    /// Variables of the server's environment.
    environment: Vec<(String, String)>,
    /// Further settings.
    further: Vec<(&'static str, String)>,
    /// Keeps the directory with the files in place.
    _data_dir: DataDir,
}

impl Redis {
    /// Starts a server whose files are in `redis/` below `data_dir` and waits until it answers. Data
    /// of an earlier run is there again.
    pub async fn start(data_dir: &DataDir, append_fsync: AppendFsync) -> Result<Self, RedisError> {
        Self::start_with(data_dir, append_fsync, Vec::new()).await
    }

    /// The same with further variables in the server's environment.
    pub async fn start_with(
        data_dir: &DataDir,
        append_fsync: AppendFsync,
        environment: Vec<(String, String)>,
    ) -> Result<Self, RedisError> {
        Self::start_in(data_dir, None, append_fsync, environment, Vec::new()).await
    }

    /// Starts a server that speaks TLS too, on a port of its own, with the files `ca.crt`, `tls.crt`
    /// and `tls.key` of `certificates`; clients have to show a certificate there.
    pub async fn start_with_tls(
        data_dir: &DataDir,
        append_fsync: AppendFsync,
        certificates: &Path,
    ) -> Result<Self, RedisError> {
        let settings = Tls::new(certificates)?.settings();
        Self::start_member(data_dir, append_fsync, None, settings).await
    }

    /// Starts a replica of `primary`, with its password. Comes back when it answers, which it does
    /// before it has copied everything.
    pub async fn start_replica(data_dir: &DataDir, primary: &Self) -> Result<Self, RedisError> {
        let settings = vec![("replicaof", format!("127.0.0.1 {}", primary.port))];
        let password = Some(primary.password.clone());
        Self::start_member(data_dir, primary.append_fsync, password, settings).await
    }

    /// Starts a member of a cluster, with these settings, and with a password of its own unless one is
    /// given.
    pub(crate) async fn start_member(
        data_dir: &DataDir,
        append_fsync: AppendFsync,
        password: Option<String>,
        settings: Vec<(&'static str, String)>,
    ) -> Result<Self, RedisError> {
        Self::start_in(data_dir, password, append_fsync, Vec::new(), settings).await
    }

    /// `rediss://:PASSWORD@HOST:PORT/` by `host`, a name of this machine; none without TLS.
    pub fn tls_url(&self, host: &str) -> Option<String> {
        let port = self.tls_port()?;
        Some(format!("rediss://:{}@{host}:{port}/", self.password))
    }

    /// The port that it speaks TLS on.
    pub fn tls_port(&self) -> Option<u16> {
        self.port_setting("tls-port")
    }

    /// Reads its certificates anew: those of `certificates`. Clients that are connected stay.
    pub async fn use_certificates(&self, certificates: &Path) -> Result<(), ClientError> {
        let file = |name: &str| certificates.join(name).display().to_string();
        let mut set = redis::cmd("CONFIG");
        set.arg("SET")
            .arg(&["tls-ca-cert-file", &file("ca.crt")])
            .arg(&["tls-cert-file", &file("tls.crt")])
            .arg(&["tls-key-file", &file("tls.key")]);
        self.ask(&set).await
    }

    /// The port that members of its cluster speak with each other on.
    pub(crate) fn cluster_port(&self) -> Option<u16> {
        self.port_setting("cluster-port")
    }

    fn port_setting(&self, name: &str) -> Option<u16> {
        let setting = self.further.iter().find(|(setting, _)| *setting == name);
        setting.and_then(|(_, port)| port.parse().ok())
    }

    async fn start_in(
        data_dir: &DataDir,
        password: Option<String>,
        append_fsync: AppendFsync,
        environment: Vec<(String, String)>,
        further: Vec<(&'static str, String)>,
    ) -> Result<Self, RedisError> {
        let home = data_dir.subdirectory("redis")?;
        let password = match password {
            Some(password) => password,
            None => password::read_or_create(&home.join("password"))
                .map_err(|source| file_error(&home, source))?,
        };
        let mut redis = Self {
            process: None,
            program: program()?,
            home,
            password,
            port: 0,
            append_fsync,
            environment,
            further,
            _data_dir: data_dir.clone(),
        };
        ports::on_free_port(async |port| {
            redis.port = port;
            redis.launch().await
        })
        .await?;
        Ok(redis)
    }

    /// `redis://:PASSWORD@127.0.0.1:PORT/`.
    pub fn url(&self) -> String {
        let (password, port) = (&self.password, self.port);
        format!("redis://:{password}@{}:{port}/", Ipv4Addr::LOCALHOST)
    }

    /// The TCP port on 127.0.0.1, the same over restarts.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The password of the default user.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// The directory of its append-only file.
    pub fn append_only_directory(&self) -> PathBuf {
        self.home.join("appendonlydir")
    }

    /// The process id of the server; `None` while it is stopped.
    pub fn pid(&self) -> Option<i32> {
        self.process.as_ref().map(Process::pid)
    }

    /// Whether the server's process runs.
    pub fn is_running(&self) -> bool {
        self.process.as_ref().is_some_and(Process::is_running)
    }

    /// Where the server's messages go.
    pub fn log_file(&self) -> PathBuf {
        self.home.join("redis.log")
    }

    /// Stops it (SIGTERM: the append-only file is synced). Does nothing when it is stopped already.
    pub async fn stop(&mut self) -> Result<(), RedisError> {
        if let Some(process) = self.process.take() {
            process.terminate()?;
            process.wait(STOP_PATIENCE).await?;
        }
        Ok(())
    }

    /// Kills it by SIGKILL. What the append-only file had not yet been given is lost.
    pub async fn kill(&mut self) -> Result<(), RedisError> {
        if let Some(process) = self.process.take() {
            process.kill()?;
            process.wait(STOP_PATIENCE).await?;
        }
        Ok(())
    }

    /// Stops it (SIGSTOP) until [`resume`](Self::resume).
    pub fn pause(&self) -> Result<(), RedisError> {
        self.signal(Signal::SIGSTOP)
    }

    /// Lets it go on (SIGCONT).
    pub fn resume(&self) -> Result<(), RedisError> {
        self.signal(Signal::SIGCONT)
    }

    fn signal(&self, signal: Signal) -> Result<(), RedisError> {
        if let Some(process) = &self.process {
            process.signal(signal)?;
        }
        Ok(())
    }

    /// Starts it again on the same port and files, stopping it first if it runs, and waits until it
    /// answers.
    pub async fn restart(&mut self) -> Result<(), RedisError> {
        self.stop().await?;
        self.launch().await
    }

    async fn launch(&mut self) -> Result<(), RedisError> {
        let pid_file = self.home.join("redis.pid");
        pid_file::wait_for_previous_owner(&pid_file, &self.home).await?;
        let file = self.home.join("redis.conf");
        Configuration {
            directory: &self.home,
            pid_file: &pid_file,
            port: self.port,
            password: &self.password,
            append_fsync: self.append_fsync,
            further: &self.further,
        }
        .write(&file)
        .map_err(|source| file_error(&self.home, source))?;
        let environment = self.environment.iter().map(|(name, value)| (name, value));
        let launch = Launch::new("redis", &self.program, self.log_file())
            .envs(environment)
            .arg(file)
            .current_dir(&self.home)
            .on_parent_death(Signal::SIGTERM)
            .on_drop(Signal::SIGTERM);
        let process = Process::start(launch).await?;
        // It answers `LOADING` until it has read its data.
        let ping = redis::cmd("PING");
        let answers = || async {
            let answer = timeout(CONNECT_PATIENCE, self.ask::<()>(&ping)).await;
            Ok::<_, RedisError>(matches!(answer, Ok(Ok(()))))
        };
        answer::wait("Redis", &process, START, answers).await?;
        self.process = Some(process);
        Ok(())
    }

    /// What it answers to `command`, on a connection of its own.
    pub(crate) async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, ClientError> {
        ask(&self.url(), command).await
    }
}

/// What the server or the Sentinel at `url` answers to `command`, on a connection of its own.
pub(crate) async fn ask<T: FromRedisValue>(url: &str, command: &Cmd) -> Result<T, ClientError> {
    let mut connection = Client::open(url)?
        .get_multiplexed_async_connection()
        .await?;
    command.query_async(&mut connection).await
}

/// `HOST:PORT` of this machine.
pub(crate) fn host(port: u16) -> String {
    format!("{}:{port}", Ipv4Addr::LOCALHOST)
}

/// `SCHEME://:PASSWORD@HOST,HOST…`.
pub(crate) fn url_of_several(
    scheme: &str,
    password: &str,
    hosts: impl Iterator<Item = String>,
) -> String {
    let hosts: Vec<String> = hosts.collect();
    format!("{scheme}://:{password}@{}", hosts.join(","))
}

/// The program that a server or a Sentinel is started from.
pub(crate) fn program() -> Result<PathBuf, RedisError> {
    binaries::server(PROGRAM, PROGRAM_VARIABLE).ok_or(RedisError::NotInstalled)
}

fn file_error(directory: &Path, source: io::Error) -> RedisError {
    RedisError::File(directory.to_path_buf(), source)
}
