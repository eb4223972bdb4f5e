//! Why a hand tool could not do what it was asked for.

use std::{error::Error, io, path::PathBuf};

use flashsale_audit::AuditError;
use flashsale_domain::id::{IdError, SaleId};
use flashsale_ledger::{LedgerError, OpenError, SameRole};
use flashsale_queue::{
    catalogue::CatalogueError,
    connect::{ConnectError, RightsError},
};
use flashsale_recovery::RecoveryError;
use flashsale_telemetry::logging::LoggingError;
use flashsale_testbed::{
    binaries::BinaryError, data_dir::DataDirError, ports::PortError, postgres::PostgresError,
    process::ProcessError, redis::RedisError,
};
use jiff::Timestamp;
use tokio::task::JoinError;

use crate::{
    check::snapshot::SnapshotError, history::ReadError, load::LoadError, manifest::ManifestError,
};

/// Why a command could not be carried out. That something does not *hold* is no error but
/// [`Outcome::Broken`](crate::command::Outcome::Broken).
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// The log filter is malformed.
    #[error(transparent)]
    Logging(#[from] LoggingError),
    /// The threads of the process could not be started.
    #[error("cannot start threads")]
    Runtime(#[source] io::Error),
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
    /// The data directory cannot be used.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The directory of certificates cannot be found from another one.
    #[error("the directory of certificates cannot be used: {0}")]
    Certificates(io::Error),
    /// The private PostgreSQL did not start.
    #[error("PostgreSQL could not be started")]
    PrivatePostgres(#[from] PostgresError),
    /// The private Redis did not start.
    #[error("Redis could not be started")]
    PrivateRedis(#[from] RedisError),
    /// The Redis user may not do what a sale needs.
    #[error(transparent)]
    Rights(#[from] RightsError),
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
    /// The stand-in for a payment provider could not be started.
    #[error("the stand-in for the payment provider could not be started: {0}")]
    StandIn(#[source] io::Error),
    /// The opening would be later than any time that can be written.
    #[error("--opens-in is too long: {0}")]
    FarOpening(#[source] jiff::Error),
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
    /// A sale that has opened is to go on in another currency.
    #[error(
        "sale {sale} has opened in {currency}, and its orders have prices in it; write `currency: {currency}` back, \
         or sell in another one under another name"
    )]
    OtherCurrency {
        /// The sale.
        sale: SaleId,
        /// Its currency, an ISO 4217 code.
        currency: &'static str,
    },
    /// A sale that has opened is to have its orders paid for, or no longer.
    #[error(
        "sale {sale} has opened, and whether its orders have to be paid, and by which provider, stays as it is; write `payment` as \
         it was, or sell otherwise under another name"
    )]
    OtherPayment {
        /// The sale.
        sale: SaleId,
    },
    /// The control loop died.
    #[error("the control loop ended unexpectedly: {0}")]
    Conductor(#[from] JoinError),
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
        source: Box<ToolError>,
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
    /// Neither store knows the sale.
    #[error("neither PostgreSQL nor Redis knows a sale {sale}; {known}")]
    UnknownSale {
        /// The sale that was asked for.
        sale: SaleId,
        /// Those that they know, in a sentence.
        known: String,
    },
    /// There was no such sale of this name, or it has no orders.
    #[error(
        "PostgreSQL has no orders of a sale {sale} of incarnation {number}; without --incarnation the present or \
         last one is reported"
    )]
    UnknownIncarnation {
        /// The sale.
        sale: SaleId,
        /// The incarnation that was asked for.
        number: i32,
    },
    /// A file could not be written.
    #[error("{} cannot be written: {source}", file.display())]
    Write {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A result could not be written as JSON.
    #[error("the result could not be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// Standard output or input failed.
    #[error("the terminal or pipe failed: {0}")]
    Output(#[from] io::Error),
}

/// How many names of sales an error lists.
const NAMES_SHOWN: usize = 20;

impl ToolError {
    /// That neither store knows `sale`, with the names of those that they know.
    pub(crate) fn unknown_sale(sale: SaleId, known: &[SaleId]) -> Self {
        let shown = known.iter().take(NAMES_SHOWN);
        let names: Vec<&str> = shown.map(SaleId::as_str).collect();
        let known = match known.len() {
            0 => "they know none".to_owned(),
            all if all > names.len() => {
                format!(
                    "they know {} and {} more",
                    names.join(", "),
                    all - names.len()
                )
            }
            _ => format!("they know {}", names.join(", ")),
        };
        Self::UnknownSale { sale, known }
    }
}

/// The error and what caused it, each said once.
pub(crate) fn chain(error: &dyn Error) -> String {
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
