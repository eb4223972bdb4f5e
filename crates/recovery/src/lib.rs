//! Bringing the two stores together again after one of them has lost something. The ledger judges,
//! so Redis follows it; what only Redis remembers of a ledger that lost it is settled again.

mod correct;
mod outcomes;
mod repair;
pub mod retirement;
mod scan;

use flashsale_ledger::LedgerError;

pub use correct::{Corrected, clear_mark, correct, keep_order_numbers};
pub use outcomes::restore_outcomes;
pub use repair::{LostOrders, lost_orders, settle_again};

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
