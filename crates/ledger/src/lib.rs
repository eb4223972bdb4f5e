//! The ledger: PostgreSQL, the judge of who got what.
//!
//! Everything that changes stock goes through here, and only in four ways: a settled batch
//! ([`Ledger::settle`]), a declaration of what a sale offers ([`Ledger::declare`]), a restock
//! ([`Ledger::restock`]), and a change of an order, such as a payment ([`Ledger::apply_payment`]). Each is one transaction that keeps law 1, and the table's own
//! constraint refuses whatever does not.

mod books;
mod call;
mod certificates;
mod changes;
mod config;
mod connection;
mod durability;
mod error;
mod fault;
mod handle;
mod migration;
mod open;
mod orders;
mod outcomes;
mod payments;
mod primary;
mod products;
mod recovery;
mod repair;
mod report;
mod restock;
mod rights;
mod roles;
mod servers;
mod settle;
mod stocks;
mod takeover;
mod trust;
mod widen;

pub use books::{ProductBooks, books};
pub use changes::{ChangedOrder, Expiry, OrderChanges, OrderPlace};
pub use config::{LedgerConfig, OpenError};
pub use connection::LedgerConnection;
pub use error::LedgerError;
pub use fault::{Fault, WaitReason};
pub use handle::Ledger;
pub use migration::Migrated;
pub use orders::Order;
pub use outcomes::{Decided, Outcomes};
pub use payments::{
    Applied, Cancellation, Checkout, Chore, ChoreKind, ChoreResult, PaymentEvent, PaymentKind,
    PaymentTotal, Session,
};
pub use products::Declared;
pub use repair::{Claim, Repair, Repaired};
pub use report::{ARRIVAL_TOLERANCE, ProductReport};
pub use restock::Restocked;
pub use rights::LedgerClient;
pub use roles::{ROLES_SQL, RoleName, RoleNameError, Roles, SameRole};
pub use settle::{BatchTurn, Settlement, Verdict};
pub use stocks::SaleStock;
pub use takeover::{Succession, Takeover};
pub use widen::Widened;
