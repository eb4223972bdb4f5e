//! Bringing the two stores together again after one of them has lost something. The ledger judges,
//! so Redis follows it; what only Redis remembers of a ledger that lost it is settled again.

mod correct;
mod error;
mod outcomes;
mod repair;
pub mod retirement;

pub use correct::{Corrected, clear_mark, correct, keep_order_numbers};
pub use error::RecoveryError;
pub use outcomes::restore_outcomes;
pub use repair::{LostOrders, lost_orders, settle_again};
