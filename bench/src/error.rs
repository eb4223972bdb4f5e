//! What can go wrong in a run.

use std::{io, path::PathBuf, time::Duration};

use flashsale_core::{
    audit::AuditError, catalogue::CatalogueError, connect::ConnectError, id::IdError,
    ledger::LedgerError, turnstile::TurnstileError,
};
use flashsale_testbed::{
    binaries::BinaryError,
    certificates::CertificateError,
    data_dir::DataDirError,
    ports::PortError,
    postgres::{InstallationError, PostgresError},
    process::ProcessError,
    program::ProgramError,
    redis::RedisError as RedisServerError,
    tokens::TokenError,
};

use crate::{baseline::BaselineError, crowd::SocketError, peer::install::PeerError};

/// Why a run ended without figures.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// There is no place for the servers' files.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// PostgreSQL did not start or stop.
    #[error(transparent)]
    Postgres(#[from] PostgresError),
    /// PostgreSQL is not installed.
    #[error(transparent)]
    Installation(#[from] InstallationError),
    /// Redis did not start or stop.
    #[error(transparent)]
    RedisServer(#[from] RedisServerError),
    /// One of our own binaries is not built.
    #[error(transparent)]
    Binary(#[from] BinaryError),
    /// A child process did not start or stop.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// One of our own programs did not become ready, or did not end in order.
    #[error(transparent)]
    Child(#[from] ProgramError),
    /// There is no port for a child.
    #[error(transparent)]
    Port(#[from] PortError),
    /// An address of a server could not be used.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// PostgreSQL refused what the bench itself asked.
    #[error("PostgreSQL refused a statement of the bench: {0}")]
    Database(#[from] sqlx::Error),
    /// PostgreSQL refused a batch of the limit of settlement.
    #[error("PostgreSQL refused a batch of plain statements: {0}")]
    PlainBatch(#[from] tokio_postgres::Error),
    /// The proxy that puts PostgreSQL at a distance could not listen.
    #[error(
        "could not put PostgreSQL at a distance: {0}; check the limit of open files (ulimit -n)"
    )]
    Distance(io::Error),
    /// Redis failed.
    #[error("Redis failed: {0}")]
    Redis(#[from] redis::RedisError),
    /// The sale could not be announced.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// The turnstile could not be asked.
    #[error(transparent)]
    Turnstile(#[from] TurnstileError),
    /// The laws could not be looked at.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// A token of the bench could not be signed.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The certificates of the stores could not be made.
    #[error(transparent)]
    Certificates(#[from] CertificateError),
    /// A name of the bench is no identifier.
    #[error("a made-up identifier is none: it {0}; this is a bug of the bench")]
    Identifier(#[from] IdError),
    /// A job has no JSON, or a program's output is none.
    #[error("JSON could not be written or read: {0}")]
    Json(#[from] serde_json::Error),
    /// A file could not be written.
    #[error("could not write `{}` ({source}); check the directory's permissions", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The empty route could not be served.
    #[error("could not serve the empty route: {0}; choose another address with --listen")]
    Serve(io::Error),
    /// Ctrl-C could not be listened to.
    #[error("could not listen to signals: {0}; check the limit of open files (ulimit -n)")]
    Signals(io::Error),
    /// A program is not installed.
    #[error("no `{program}` here: install it with `apt-get install {package}`")]
    NotInstalled {
        /// The program.
        program: &'static str,
        /// The package of Debian that has it.
        package: &'static str,
    },
    /// A program failed, or printed something unknown.
    #[error("`{program}` gave no figure; it printed:\n{output}")]
    Program {
        /// The program.
        program: &'static str,
        /// Both its outputs.
        output: String,
    },
    /// A program could not be run.
    #[error("could not run `{program}`: {source}; reinstall it")]
    Run {
        /// The program.
        program: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// Something that must happen does not.
    #[error("{what} within {} s; the machine is too busy, or this is a bug", waited.as_secs())]
    TooLate {
        /// What was waited for, as "… did not …".
        what: String,
        /// How long was waited.
        waited: Duration,
    },
    /// A child did not end as it should.
    #[error("{name} did not end in order but with {status}; the end of its log:\n{log}")]
    Ended {
        /// The child.
        name: String,
        /// How it ended.
        status: std::process::ExitStatus,
        /// The end of its log.
        log: String,
    },
    /// The system does not tell what it should.
    #[error("`{file}` does not tell {what}; is /proc mounted, does the process still run?")]
    Untold {
        /// The file.
        file: String,
        /// What was looked for.
        what: &'static str,
    },
    /// There is no baseline to hold the figures against.
    #[error(transparent)]
    Baseline(#[from] BaselineError),
    /// The usual stack cannot be measured here.
    #[error("the usual stack cannot be measured: {0}")]
    Peer(#[from] PeerError),
    /// A socket of a crowd failed.
    #[error("one of the connected shoppers' sockets failed: {0}; look into the gateway's log")]
    Socket(#[from] SocketError),
    /// A buy got no answer.
    #[error("a buy was not answered: {0}; did the gateway end?")]
    Buy(io::Error),
    /// The limit of open files could not be asked or changed.
    #[error("the limit of open files could not be changed: {0}; raise it with `ulimit -n`")]
    OpenFiles(nix::Error),
    /// The limit of open files is too low.
    #[error(
        "{sockets} sockets need {needed} open files, {allowed} are allowed: raise the hard limit \
         (`ulimit -Hn`, or LimitNOFILE of the service), or leave the part `sockets` out with --only"
    )]
    TooFewFiles {
        /// Sockets wanted.
        sockets: u32,
        /// Files that they need.
        needed: u64,
        /// The hard limit.
        allowed: u64,
    },
    /// Jobs and results do not fit together, so the figures are worth nothing.
    #[error("the result is wrong: {0}; figures of a wrong result are not shown")]
    Wrong(String),
}

impl BenchError {
    /// For `map_err` where a file is written.
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}
