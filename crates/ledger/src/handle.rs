//! The handle on the ledger that every call goes through.

use std::sync::{Arc, atomic::AtomicU64};

use flashsale_transport::Relay;
use sqlx::PgPool;

use crate::{primary::Primary, trust::Trust};

/// A handle on the ledger; clones share one pool.
#[derive(Debug, Clone)]
pub struct Ledger {
    pub(crate) pool: PgPool,
    /// Which of the pool's idle connections may be used again.
    pub(crate) trust: Trust,
    /// Where to find the primary, if the address names several servers.
    pub(crate) primary: Option<Primary>,
    /// Whether a pooler in transaction mode is between this process and PostgreSQL.
    pub(crate) transaction_pooler: bool,
    /// What is between this process and servers that somebody else chose.
    pub(crate) relay: Option<Relay>,
    /// Hosts and ports, for messages.
    pub(crate) address: Arc<str>,
    /// How often the certificates for TLS changed.
    pub(crate) certificates: Arc<AtomicU64>,
}

impl Ledger {
    /// The pool, for tests and measurements that talk to PostgreSQL by themselves.
    ///
    /// # Warning
    /// What is run on it has no time limit and is wrong behind a pooler in transaction mode. Use
    /// [`Ledger::snapshot`] where there may be one.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Whether a connection is free, or may be made, and another one would still be left after it.
    pub fn has_connections_to_spare(&self) -> bool {
        let idle = u32::try_from(self.pool.num_idle()).unwrap_or(u32::MAX);
        let in_use = self.pool.size().saturating_sub(idle);
        in_use.saturating_add(1) < self.pool.options().get_max_connections()
    }
}
