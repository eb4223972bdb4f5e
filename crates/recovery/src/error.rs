//! What can go wrong between two stores.

use flashsale_ledger::LedgerError;

/// Why two stores could not be brought together. Worth another try: each step may run twice.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    /// PostgreSQL could not be asked or written.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// Redis could not be asked or written.
    #[error("Redis failed: {0}")]
    Redis(#[from] redis::RedisError),
}
