//! Why a round could not be played. A broken law is no error: it is a result.

use std::{
    error::{self, Error as _},
    io,
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use flashsale_testbed::{
    binaries::BinaryError, certificates::CertificateError, cluster::ClusterError,
    data_dir::DataDirError, pgbouncer::PgBouncerError, ports::PortError, postgres::PostgresError,
    process::ProcessError, program::ProgramError, redis::RedisError, sentinel::SentinelError,
};

/// Why a round could not be played.
#[derive(Debug, thiserror::Error)]
pub enum ChaosError {
    /// A server or a program of the test bed could not be started, used or stopped.
    #[error(transparent)]
    Testbed(Box<dyn error::Error + Send + Sync>),
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

/// What the test bed fails with.
macro_rules! from_testbed {
    ($($error:ty),*) => {
        $(impl From<$error> for ChaosError {
            fn from(error: $error) -> Self {
                Self::Testbed(Box::new(error))
            }
        })*
    };
}

from_testbed! {
    BinaryError, DataDirError, PortError, PostgresError, RedisError, SentinelError, ClusterError,
    PgBouncerError, CertificateError, ProcessError, ProgramError
}

impl ChaosError {
    /// The error and what caused it, in one line.
    pub fn with_causes(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        text
    }

    /// Something else is wrong.
    pub fn wrong(what: impl Into<String>) -> Self {
        Self::Wrong(what.into())
    }

    /// `what` did not come true within `longest`.
    pub(crate) fn too_late(what: impl Into<String>, longest: Duration) -> Self {
        Self::TooLate {
            what: what.into(),
            seconds: longest.as_secs(),
        }
    }

    /// For `map_err`: the file that could not be used.
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}

/// The status that `program` ends with: 0 where all is well, 1 where something is not, `failed` where
/// that is unknown, which is told.
pub fn exit_code(program: &str, outcome: Result<bool, ChaosError>, failed: u8) -> ExitCode {
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{program}: {}", error.with_causes());
            ExitCode::from(failed)
        }
    }
}
