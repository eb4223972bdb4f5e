//! Why a round could not be played. A broken law is no error: it is a result.

use std::{error::Error as _, io, path::PathBuf};

use flashsale_testbed::{
    binaries::BinaryError, certificates::CertificateError, cluster::ClusterError,
    data_dir::DataDirError, pgbouncer::PgBouncerError, ports::PortError, postgres::PostgresError,
    process::ProcessError, program::ProgramError, redis::RedisError, sentinel::SentinelError,
};

/// Why a round could not be played.
#[derive(Debug, thiserror::Error)]
pub enum ChaosError {
    /// A program of ours is not there.
    #[error(transparent)]
    Binary(#[from] BinaryError),
    /// There is no place for its files.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// There is no port.
    #[error(transparent)]
    Port(#[from] PortError),
    /// PostgreSQL could not be started, stopped or copied.
    #[error(transparent)]
    Postgres(#[from] PostgresError),
    /// Redis could not be started or stopped.
    #[error(transparent)]
    Redis(#[from] RedisError),
    /// Redis and its Sentinels could not be started.
    #[error(transparent)]
    Sentinel(#[from] SentinelError),
    /// A Redis Cluster could not be started or changed.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// PgBouncer could not be started.
    #[error(transparent)]
    PgBouncer(#[from] PgBouncerError),
    /// A certificate could not be made.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// A child process could not be started or signalled.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// A program of ours did not become ready.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// Redis refused a command of the harness itself.
    #[error("Redis refused a command of the harness")]
    Command(#[from] redis::RedisError),
    /// PostgreSQL refused a statement of the harness itself.
    #[error("PostgreSQL refused a statement of the harness")]
    Statement(#[from] sqlx::Error),
    /// A file could not be read or written.
    #[error("could not use `{}`", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A socket of the harness could not be opened.
    #[error("could not open a socket")]
    Socket(#[from] io::Error),
    /// A program of the system failed.
    #[error("`{command}` failed: {output}")]
    Tool {
        /// What was run.
        command: String,
        /// What it printed.
        output: String,
    },
    /// Something did not come true in time.
    #[error("not within {seconds} s: {what}")]
    TooLate {
        /// What was waited for.
        what: String,
        /// How long.
        seconds: u64,
    },
    /// Something else is wrong with the harness or its command line.
    #[error("{0}")]
    Wrong(String),
}

impl ChaosError {
    /// The error and what caused it, in one line.
    #[must_use]
    pub fn with_causes(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        text
    }

    /// For `map_err`: the file that could not be used.
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}
