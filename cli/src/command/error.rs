//! Why a command could not be carried out.

use std::error::Error;

use flashsale_audit::AuditError;
use flashsale_domain::id::IdError;
use flashsale_ledger::{LedgerError, OpenError, SameRole};
use flashsale_queue::{catalogue::CatalogueError, connect::ConnectError};
use flashsale_recovery::RecoveryError;
use flashsale_telemetry::logging::LoggingError;

use crate::{
    check::snapshot::SnapshotError, history::ReadError, load::LoadError, manifest::ManifestError,
    up::UpError,
};

/// Why a command could not be carried out. That something does not *hold* is no error but
/// [`Outcome::Broken`](super::Outcome::Broken).
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The log filter is malformed.
    #[error(transparent)]
    Logging(#[from] LoggingError),
    /// A file could not be read.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A server could not be reached.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The ledger cannot be opened as configured.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Redis failed.
    #[error("Redis failed: {0}")]
    Redis(#[from] redis::RedisError),
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// Two roles have one name.
    #[error(transparent)]
    SameRole(#[from] SameRole),
    /// Two stores could not be brought together.
    #[error(transparent)]
    Recovery(#[from] RecoveryError),
    /// The sales in force could not be read.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// The audit could not be made.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// A history could not be read.
    #[error(transparent)]
    History(#[from] ReadError),
    /// The stores could not be read.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The crowd could not be sent.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The machine could not be set up.
    #[error(transparent)]
    Up(#[from] UpError),
    /// The ledger was restocked, and Redis could not be told.
    #[error(
        "the ledger is changed ({what}), but it is not known whether Redis took it over; repeat \
         the command with --request-id {request}, which adds nothing a second time"
    )]
    NotTold {
        /// What the ledger did.
        what: String,
        /// Names the restock.
        request: uuid::Uuid,
        /// What failed.
        #[source]
        source: Box<CommandError>,
    },
    /// A name in a record is none of ours.
    #[error("{name:?} is no name of a sale: it {source}")]
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        #[source]
        source: IdError,
    },
    /// A result could not be written as JSON.
    #[error("the result could not be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// Standard output or input failed.
    #[error("the terminal or pipe failed: {0}")]
    Output(#[from] std::io::Error),
}

/// The error and what caused it, each said once.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text
}
