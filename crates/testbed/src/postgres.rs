//! A private PostgreSQL server.

mod cluster;
mod crash;
mod installation;
mod settings;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{ConnectOptions, Connection, PgConnection};
use tokio::time::timeout;

use super::answer::{self, NoAnswer, Patience};
use super::data_dir::DataDir;
use super::launch::Launch;
use super::pid_file::{self, StillOwned};
use super::ports::{self, PortError};
use super::process::{Process, ProcessError};

pub use self::cluster::ClusterError;
use self::cluster::{Cluster, USER};
pub use self::installation::{Installation, InstallationError, PROGRAM_VARIABLE};

/// The database that [`Postgres::url`] names.
const DATABASE: &str = "flashsale";

/// The database that every server has from the start.
const MAINTENANCE_DATABASE: &str = "postgres";

/// A clean start takes well under a second; one after a crash replays up to `max_wal_size`.
const START: Patience = Patience {
    interval: Duration::from_millis(20),
    longest: Duration::from_mins(2),
};

/// An attempt to connect on the same machine takes milliseconds.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);

/// A fast shutdown writes every changed page, at most `shared_buffers`.
const STOP_PATIENCE: Duration = Duration::from_mins(1);

/// "The database system is starting up" (PostgreSQL, appendix A, `cannot_connect_now`).
const CANNOT_CONNECT_NOW: &str = "57P03";

/// The longest name PostgreSQL does not cut (`NAMEDATALEN` - 1).
const LONGEST_NAME: usize = 63;

/// What can go wrong with a private PostgreSQL.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// It is not installed.
    #[error(transparent)]
    Installation(#[from] InstallationError),
    /// Its files could not be made or reused.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// There is no port for it.
    #[error(transparent)]
    Port(#[from] PortError),
    /// Another server uses its files.
    #[error("PostgreSQL's files are in use")]
    InUse(#[from] StillOwned),
    /// Its process could not be started or ended.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// It does not answer.
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
    /// It refused what we asked.
    #[error("PostgreSQL refused the request; its log is `{log_file}`", log_file = .0.display())]
    Refused(PathBuf, #[source] sqlx::Error),
    /// A database name that would need quoting.
    #[error("`{0}` cannot name a database: take 1 to 63 of a-z, 0-9 and _, a letter first")]
    BadName(String),
}

/// A PostgreSQL server on 127.0.0.1 that is ours alone.
///
/// Runs with `fsync` and `synchronous_commit` on. Dropping it stops it at once (an immediate
/// shutdown, which loses nothing committed); [`stop`](Self::stop) is the tidy way.
#[derive(Debug)]
pub struct Postgres {
    /// The running server; `None` after `stop` or `kill`. First, so that it is dropped first.
    process: Option<Process>,
    /// The programs.
    installation: Installation,
    /// The files.
    cluster: Cluster,
    /// The TCP port, the same over restarts.
    port: u16,
    /// Keeps the directory with the files in place.
    _data_dir: DataDir,
}

impl Postgres {
    /// Starts a server whose files are in `postgres/` below `data_dir`, made if they are not there,
    /// and waits until it answers. Creates the database `flashsale` unless it exists.
    pub async fn start(data_dir: &DataDir) -> Result<Self, PostgresError> {
        let installation = Installation::find().await?;
        let cluster = Cluster::open(data_dir, &installation).await?;
        let postgres = Self::start_on(data_dir, installation, cluster).await?;
        postgres.create_database_if_missing(DATABASE).await?;
        Ok(postgres)
    }

    /// `postgres://flashsale:PASSWORD@127.0.0.1:PORT/flashsale`, the superuser's way in.
    pub fn url(&self) -> String {
        self.url_of(DATABASE)
    }

    /// The TCP port on 127.0.0.1, the same over restarts.
    pub fn port(&self) -> u16 {
        self.port
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
        self.cluster.log_file()
    }

    /// Has it speak TLS, with the files `ca.crt`, `tls.crt` and `tls.key` of `certificates`. Who
    /// connects by TLS has to show a certificate whose common name is the user's. Takes new files
    /// when it is asked again; sessions stay.
    pub async fn use_certificates(&self, certificates: &Path) -> Result<(), PostgresError> {
        let files = self.cluster.take_certificates(certificates)?;
        let mut connection = self.maintenance_connection().await?;
        for (setting, file) in files {
            self.set(&mut connection, setting, &file.to_string_lossy())
                .await?;
        }
        self.set(&mut connection, "ssl", "on").await?;
        let reload = "SELECT pg_reload_conf()".to_owned();
        self.execute(&mut connection, reload).await
    }

    async fn set(
        &self,
        connection: &mut PgConnection,
        setting: &str,
        value: &str,
    ) -> Result<(), PostgresError> {
        let value = value.replace('\'', "''");
        let statement = format!("ALTER SYSTEM SET {setting} = '{value}'");
        self.execute(connection, statement).await
    }

    async fn execute(
        &self,
        connection: &mut PgConnection,
        statement: String,
    ) -> Result<(), PostgresError> {
        let statement = sqlx::raw_sql(sqlx::AssertSqlSafe(statement));
        let executed = statement.execute(connection).await;
        executed.map(drop).map_err(|source| self.refused(source))
    }

    /// Creates an empty database called `name` (a-z, 0-9 and `_`) and gives its address.
    pub async fn create_database(&self, name: &str) -> Result<String, PostgresError> {
        if !is_plain_name(name) {
            return Err(PostgresError::BadName(name.to_owned()));
        }
        let mut connection = self.maintenance_connection().await?;
        let statement = format!("CREATE DATABASE {name}");
        self.execute(&mut connection, statement).await?;
        Ok(self.url_of(name))
    }

    /// Stops it (a fast shutdown: sessions are ended, everything is written). Does nothing when it
    /// is stopped already.
    pub async fn stop(&mut self) -> Result<(), PostgresError> {
        if let Some(process) = self.process.take() {
            process.signal(Signal::SIGINT)?;
            process.wait(STOP_PATIENCE).await?;
        }
        Ok(())
    }

    /// Kills it and all its backends by SIGKILL, as a power cut would.
    pub async fn kill(&mut self) -> Result<(), PostgresError> {
        if let Some(process) = self.process.take() {
            crash::kill_all(&process, &self.cluster.pid_file()).await?;
        }
        Ok(())
    }

    /// Stops it and all its backends (SIGSTOP), as a machine that stands still, until
    /// [`resume`](Self::resume).
    pub fn pause(&self) -> Result<(), PostgresError> {
        self.signal_all(Signal::SIGSTOP)
    }

    /// Lets it go on (SIGCONT).
    pub fn resume(&self) -> Result<(), PostgresError> {
        self.signal_all(Signal::SIGCONT)
    }

    fn signal_all(&self, signal: Signal) -> Result<(), PostgresError> {
        if let Some(process) = &self.process {
            crash::signal_all(process, signal)?;
        }
        Ok(())
    }

    /// Starts a streaming replica of this server in a data directory of its own. It follows over
    /// the server at `address`, which is this one or a proxy in front of it, asynchronously. Comes
    /// back when it answers; it takes reads until [`promote`](Self::promote).
    pub async fn replica(
        &self,
        data_dir: &DataDir,
        address: SocketAddr,
    ) -> Result<Self, PostgresError> {
        let cluster = self
            .cluster
            .copy(data_dir, &self.installation, address)
            .await?;
        Self::start_on(data_dir, self.installation.clone(), cluster).await
    }

    /// Makes a replica a server of its own. Comes back when it takes writes.
    pub async fn promote(&self) -> Result<(), PostgresError> {
        let mut connection = self.maintenance_connection().await?;
        let promote = "SELECT pg_promote()".to_owned();
        self.execute(&mut connection, promote).await
    }

    /// Promotes a replica at the address of `lost`, its primary, which is stopped for good. Commits
    /// that the replica had not received are gone.
    pub async fn take_the_place_of(&mut self, lost: &Self) -> Result<(), PostgresError> {
        self.stop().await?;
        self.port = lost.port;
        self.launch().await?;
        self.promote().await
    }

    /// Starts it again on the same port and files, stopping it first if it runs, and waits until it
    /// answers.
    pub async fn restart(&mut self) -> Result<(), PostgresError> {
        self.stop().await?;
        self.launch().await
    }

    /// Starts a server on these files and a free port.
    async fn start_on(
        data_dir: &DataDir,
        installation: Installation,
        cluster: Cluster,
    ) -> Result<Self, PostgresError> {
        let mut postgres = Self {
            process: None,
            installation,
            cluster,
            port: 0,
            _data_dir: data_dir.clone(),
        };
        ports::on_free_port(async |port| {
            postgres.port = port;
            postgres.launch().await
        })
        .await?;
        Ok(postgres)
    }

    async fn launch(&mut self) -> Result<(), PostgresError> {
        let cluster = &self.cluster;
        pid_file::wait_for_previous_owner(&cluster.pid_file(), &cluster.data()).await?;
        let program = self.installation.program("postgres");
        let launch = Launch::new("postgres", program, cluster.log_file())
            .arg("-D")
            .arg(cluster.data())
            .args(settings::arguments(self.port, &cluster.home))
            .env("LC_ALL", "C")
            .current_dir(cluster.data())
            .run_as(cluster.account.clone())
            .on_parent_death(Signal::SIGINT)
            .on_drop(Signal::SIGQUIT);
        let process = Process::start(launch).await?;
        answer::wait("PostgreSQL", &process, START, || self.answers()).await?;
        self.process = Some(process);
        Ok(())
    }

    async fn answers(&self) -> Result<bool, PostgresError> {
        match timeout(CONNECT_PATIENCE, self.maintenance_connection()).await {
            Ok(Ok(connection)) => {
                // It has answered; how the connection ends does not matter.
                let _ = connection.close().await;
                Ok(true)
            }
            Ok(Err(error)) if is_final(&error) => Err(error),
            Ok(Err(_)) | Err(_) => Ok(false),
        }
    }

    async fn create_database_if_missing(&self, name: &str) -> Result<(), PostgresError> {
        let mut connection = self.maintenance_connection().await?;
        let exists: bool =
            sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
                .bind(name)
                .fetch_one(&mut connection)
                .await
                .map_err(|source| self.refused(source))?;
        if !exists {
            self.create_database(name).await?;
        }
        Ok(())
    }

    async fn maintenance_connection(&self) -> Result<PgConnection, PostgresError> {
        PgConnectOptions::new_without_pgpass()
            .host(&Ipv4Addr::LOCALHOST.to_string())
            .port(self.port)
            .username(USER)
            .password(&self.cluster.password)
            .database(MAINTENANCE_DATABASE)
            .ssl_mode(PgSslMode::Disable)
            .connect()
            .await
            .map_err(|source| self.refused(source))
    }

    fn url_of(&self, database: &str) -> String {
        let (password, port) = (&self.cluster.password, self.port);
        format!(
            "postgres://{USER}:{password}@{}:{port}/{database}",
            Ipv4Addr::LOCALHOST
        )
    }

    fn refused(&self, source: sqlx::Error) -> PostgresError {
        PostgresError::Refused(self.log_file(), source)
    }
}

/// Whether trying again cannot help: the server answered, and not that it is still starting.
fn is_final(error: &PostgresError) -> bool {
    let PostgresError::Refused(_, source) = error else {
        return true;
    };
    source
        .as_database_error()
        .is_some_and(|error| error.code().is_none_or(|code| code != CANNOT_CONNECT_NOW))
}

fn is_plain_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    name.len() <= LONGEST_NAME
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn database_names_need_no_quoting() {
        assert!(is_plain_name("sale_1"));
        for bad in ["", "1st", "Sale", "a b", "a;drop", &"a".repeat(64)] {
            assert!(!is_plain_name(bad), "{bad}");
        }
    }
}
