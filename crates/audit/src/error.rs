//! What can keep an audit from being made.

use flashsale_domain::id::IdError;
use flashsale_ledger::LedgerError;

/// Why an audit could not be made. A figure that could not be read is never taken for 0.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// PostgreSQL could not be asked.
    #[error("the audit needs the ledger: {0}")]
    Ledger(#[from] LedgerError),
    /// Redis could not be asked.
    #[error("the audit needs Redis: {0}")]
    Redis(#[from] redis::RedisError),
    /// A store knows a sale by a name that no sale can have, so its laws cannot be looked at.
    #[error("a store knows a sale {name:?}, which is no name of a sale: it {source}")]
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        #[source]
        source: IdError,
    },
}
