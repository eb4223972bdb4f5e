//! Why the machine could not be set up or kept up.

use std::io;

use flashsale_audit::AuditError;
use flashsale_domain::id::SaleId;
use flashsale_ledger::{LedgerError, OpenError};
use flashsale_queue::{
    catalogue::CatalogueError,
    connect::{ConnectError, RightsError},
};
use flashsale_recovery::RecoveryError;
use flashsale_testbed::{
    binaries::BinaryError, data_dir::DataDirError, ports::PortError, postgres::PostgresError,
    process::ProcessError, redis::RedisError,
};
use jiff::Timestamp;
use tokio::task::JoinError;

use crate::load::LoadError;

/// Why the machine could not be set up or kept up.
#[derive(Debug, thiserror::Error)]
pub enum UpError {
    /// The data directory cannot be used.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The directory of certificates cannot be found from another one.
    #[error("the directory of certificates cannot be used: {0}")]
    Certificates(io::Error),
    /// The private PostgreSQL did not start.
    #[error("PostgreSQL could not be started")]
    Postgres(#[from] PostgresError),
    /// The private Redis did not start.
    #[error("Redis could not be started")]
    Redis(#[from] RedisError),
    /// Redis failed while it was being set up.
    #[error("Redis failed: {0}")]
    Queue(#[from] redis::RedisError),
    /// The Redis user may not do what a sale needs.
    #[error(transparent)]
    Rights(#[from] RightsError),
    /// An address cannot be used.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The ledger cannot be opened as configured.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// Products that a sale does not offer any more could not be let go.
    #[error(transparent)]
    Recovery(#[from] RecoveryError),
    /// The sales could not be announced.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// A binary of ours is missing.
    #[error(transparent)]
    Binary(#[from] BinaryError),
    /// The operations token is one that no gateway takes.
    #[error(
        "--operations-token (FLASHSALE_OPERATIONS_TOKEN) must be at least 16 visible ASCII \
         characters without spaces; leave it out, and one is made"
    )]
    UnusableToken,
    /// A secret that was made cannot be kept.
    #[error("a secret cannot be kept in the data directory; check its permissions")]
    SecretFile(#[source] io::Error),
    /// No port is free.
    #[error(transparent)]
    Port(#[from] PortError),
    /// A child process could not be started or stopped.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// A child process did not become ready.
    #[error("{name} {what}; the end of its log ({log_file}):\n{log}")]
    NotReady {
        /// The child.
        name: String,
        /// What it did instead.
        what: &'static str,
        /// Where its log is.
        log_file: String,
        /// The end of it.
        log: String,
    },
    /// The sale would be over before it opens.
    #[error(
        "sale {sale} closes at {closes}, before it opens at {opens}; write a later closesAt, or none"
    )]
    ClosesBeforeOpening {
        /// The sale.
        sale: SaleId,
        /// Its closing.
        closes: Timestamp,
        /// Its opening.
        opens: Timestamp,
    },
    /// The crowd could not be sent.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The audit could not be made.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The control loop died.
    #[error("the control loop ended unexpectedly: {0}")]
    Conductor(#[from] JoinError),
}
