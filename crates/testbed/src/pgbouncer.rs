//! A private PgBouncer in transaction mode, in front of a private PostgreSQL.

use std::env;
use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use nix::sys::signal::Signal;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection};
use tokio::time::timeout;
use url::Url;

use super::account::{Account, AccountError};
use super::answer::{self, NoAnswer, Patience};
use super::binaries;
use super::data_dir::{DataDir, DataDirError};
use super::launch::Launch;
use super::ports::{self, PortError};
use super::process::{Process, ProcessError};

/// The program.
const PROGRAM: &str = "pgbouncer";

/// Names another program to start instead, e.g. that of another version.
pub const PROGRAM_VARIABLE: &str = "FLASHSALE_PGBOUNCER";

/// Where Debian keeps it, which is not on everybody's PATH.
const USUAL_PLACE: &str = "/usr/sbin/pgbouncer";

/// A start takes milliseconds.
const START: Patience = Patience {
    interval: Duration::from_millis(10),
    longest: Duration::from_secs(30),
};

/// An attempt to connect on the same machine takes milliseconds.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);

/// What can go wrong with a private PgBouncer.
#[derive(Debug, thiserror::Error)]
pub enum PgBouncerError {
    /// It is not installed.
    #[error(
        "no `{PROGRAM}` on PATH, or no program where {PROGRAM_VARIABLE} says: run \
         scripts/install-dependencies --for-tests"
    )]
    NotInstalled,
    /// The address of its PostgreSQL names no user, password, host or port.
    #[error("PgBouncer needs an address like postgres://USER:PASSWORD@HOST:PORT/DATABASE")]
    BadAddress,
    /// The data directory does not take its files.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The account it must run as cannot use them.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// A file of ours could not be written.
    #[error("could not write `{path}`; check the data directory's permissions", path = .0.display())]
    File(PathBuf, #[source] io::Error),
    /// There is no port for it.
    #[error(transparent)]
    Port(#[from] PortError),
    /// Its process could not be started.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// It does not let anybody in.
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
}

/// A PgBouncer on 127.0.0.1 that is ours alone. Everything that its configuration does not need is
/// left at its default. Dropping it stops it.
#[derive(Debug)]
pub struct PgBouncer {
    /// First, so that it is dropped first.
    _process: Process,
    /// Address of the database behind it, through it.
    url: String,
    /// Keeps the directory with the files in place.
    _data_dir: DataDir,
}

impl PgBouncer {
    /// Starts one whose files are in `pgbouncer/` below `data_dir`, in front of the database at
    /// `server` (`postgres://USER:PASSWORD@HOST:PORT/DATABASE`), with at most `pool_size`
    /// connections to it. Comes back when it lets clients in.
    pub async fn start(
        data_dir: &DataDir,
        server: &str,
        pool_size: u32,
    ) -> Result<Self, PgBouncerError> {
        let program = program()?;
        let server = Server::parse(server).ok_or(PgBouncerError::BadAddress)?;
        let home = data_dir.subdirectory("pgbouncer")?;
        // Like PostgreSQL it refuses to run as root.
        let account = Account::for_postgres()?;
        ports::on_free_port(async |port| {
            let file = server.configure(&home, account.as_ref(), port, pool_size)?;
            let launch = Launch::new(PROGRAM, &program, home.join("log"))
                .arg(file)
                .current_dir(&home)
                .run_as(account.clone())
                .on_parent_death(Signal::SIGTERM)
                .on_drop(Signal::SIGTERM);
            let process = Process::start(launch).await?;
            let url = server.url_through(port);
            let answers = || async {
                let answer = timeout(CONNECT_PATIENCE, ask(&url)).await;
                Ok::<_, PgBouncerError>(matches!(answer, Ok(Ok(()))))
            };
            answer::wait("PgBouncer", &process, START, answers).await?;
            Ok(Self {
                _process: process,
                url,
                _data_dir: data_dir.clone(),
            })
        })
        .await
    }

    /// Address of the database, through this PgBouncer.
    pub fn url(&self) -> &str {
        &self.url
    }
}

/// The program: the one that [`PROGRAM_VARIABLE`] names, otherwise the installed one.
pub fn program() -> Result<PathBuf, PgBouncerError> {
    binaries::server(PROGRAM, PROGRAM_VARIABLE)
        .or_else(|| {
            let is_free = env::var_os(PROGRAM_VARIABLE).is_none();
            Some(PathBuf::from(USUAL_PLACE)).filter(|path| is_free && path.is_file())
        })
        .ok_or(PgBouncerError::NotInstalled)
}

/// The PostgreSQL behind it.
struct Server {
    url: Url,
    password: String,
    host: String,
    port: u16,
}

impl Server {
    fn parse(url: &str) -> Option<Self> {
        let url = Url::parse(url).ok()?;
        Some(Self {
            password: url.password()?.to_owned(),
            host: url.host_str()?.to_owned(),
            port: url.port()?,
            url,
        })
    }

    fn url_through(&self, port: u16) -> String {
        let (user, password, database) = (self.url.username(), &self.password, self.url.path());
        format!(
            "postgres://{user}:{password}@{}:{port}{database}",
            Ipv4Addr::LOCALHOST
        )
    }

    /// Writes the configuration and the list of users, and gives the path of the former.
    fn configure(
        &self,
        home: &Path,
        account: Option<&Account>,
        port: u16,
        pool_size: u32,
    ) -> Result<PathBuf, PgBouncerError> {
        let (file, users) = (home.join("pgbouncer.ini"), home.join("users.txt"));
        let configuration = format!(
            "[databases]\n\
             * = host={} port={}\n\
             [pgbouncer]\n\
             listen_addr = {}\n\
             listen_port = {port}\n\
             unix_socket_dir =\n\
             auth_file = {}\n\
             pool_mode = transaction\n\
             default_pool_size = {pool_size}\n",
            self.host,
            self.port,
            Ipv4Addr::LOCALHOST,
            users.display(),
        );
        let user = format!("\"{}\" \"{}\"\n", self.url.username(), self.password);
        for (path, text) in [(&file, configuration), (&users, user)] {
            fs::write(path, text).map_err(|source| PgBouncerError::File(path.clone(), source))?;
            if let Some(account) = account {
                account.take_over(path)?;
            }
        }
        if let Some(account) = account {
            account.can_reach(home)?;
            account.take_over(home)?;
        }
        Ok(file)
    }
}

async fn ask(url: &str) -> Result<(), sqlx::Error> {
    let options = PgConnectOptions::from_str(url)?.extra_float_digits(None);
    let mut connection = options.connect().await?;
    sqlx::raw_sql("SELECT 1").execute(&mut connection).await?;
    connection.close().await
}
