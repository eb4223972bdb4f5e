//! The ledger: PostgreSQL, the judge of who got what.
//!
//! Everything that changes stock goes through here, and only in three ways: a settled batch
//! ([`Ledger::settle`]), a declaration of what a sale offers ([`Ledger::declare`]) and a restock
//! ([`Ledger::restock`]). Each is one transaction that keeps law 1, and the table's own
//! constraint refuses whatever does not.

mod books;
mod call;
mod certificates;
mod config;
mod connection;
mod durability;
mod error;
mod fault;
mod migration;
mod open;
mod orders;
mod outcomes;
mod primary;
mod products;
mod recovery;
mod repair;
mod restock;
mod rights;
mod roles;
mod servers;
mod settle;
mod stocks;
mod takeover;
mod widen;

use std::sync::{Arc, atomic::AtomicU64};

use flashsale_transport::Relay;
use sqlx::PgPool;

pub use books::{ProductBooks, books};
pub use config::{LedgerConfig, OpenError};
pub use connection::LedgerConnection;
pub use error::LedgerError;
pub use fault::{Fault, WaitReason};
pub use migration::Migrated;
pub use orders::Order;
pub use outcomes::{Decided, Outcomes};
pub use products::Declared;
pub use repair::{Claim, Repair, Repaired};
pub use restock::Restocked;
pub use rights::LedgerClient;
pub use roles::{ROLES_SQL, RoleName, RoleNameError, Roles, SameRole};
pub use settle::{BatchTurn, Settlement, Verdict};
pub use stocks::SaleStock;
pub use takeover::{Succession, Takeover};
pub use widen::Widened;

use call::{CALL_LIMIT, CHECK_LIMIT, Trust};
use primary::Primary;

/// A handle on the ledger; clones share one pool.
#[derive(Debug, Clone)]
pub struct Ledger {
    pool: PgPool,
    /// Which of the pool's idle connections may be used again.
    trust: Trust,
    /// Where to find the primary, if the address names several servers.
    primary: Option<Primary>,
    /// Whether a pooler in transaction mode is between this process and PostgreSQL.
    transaction_pooler: bool,
    /// What is between this process and servers that somebody else chose.
    relay: Option<Relay>,
    /// Hosts and ports, for messages.
    address: Arc<str>,
    /// How often the certificates for TLS changed.
    certificates: Arc<AtomicU64>,
}

impl Ledger {
    /// The pool, for tests and measurements that talk to PostgreSQL by themselves.
    ///
    /// # Warning
    /// What is run on it has no time limit and is wrong behind a pooler in transaction mode. Use
    /// [`Ledger::snapshot`] where there may be one.
    #[must_use]
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Whether a connection is free, or may be made, and another one would still be left after it.
    #[must_use]
    pub fn has_connections_to_spare(&self) -> bool {
        let idle = u32::try_from(self.pool.num_idle()).unwrap_or(u32::MAX);
        let in_use = self.pool.size().saturating_sub(idle);
        in_use.saturating_add(1) < self.pool.options().get_max_connections()
    }

    /// Asks whether the server takes writes, which one that answers need not: it may be a standby,
    /// or set read-only. Whether this role may write is another question, see
    /// [`Ledger::check_rights`].
    ///
    /// # Errors
    /// When the ledger does not answer, or takes no writes.
    pub async fn check_writable(&self) -> Result<(), LedgerError> {
        self.call_within(CHECK_LIMIT, async |connection| {
            if primary::takes_writes(connection).await? {
                Ok(())
            } else {
                Err(LedgerError::ReadOnly)
            }
        })
        .await
    }
}
