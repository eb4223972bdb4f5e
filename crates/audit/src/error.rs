//! What can keep an audit from being made.

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
}
