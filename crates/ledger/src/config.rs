//! How to reach the ledger.

use flashsale_transport::{ReplyBounds, StoreUrl, TlsError, TlsSource};

/// How to reach the ledger.
#[derive(Debug, Clone)]
pub struct LedgerConfig {
    /// `postgres://…`, with `sslmode=verify-full` and the like as libpq writes them. Of several hosts,
    /// separated by commas, the one that takes writes is used.
    pub url: StoreUrl,
    /// Private certificates. With one of an authority and without `sslmode` in the address, the mode
    /// is `verify-full`.
    pub tls: TlsSource,
    /// Most connections.
    pub connections: u32,
    /// True behind a pooler in transaction mode (PgBouncer, Neon's `-pooler` hosts): each call is
    /// then one transaction, and nothing outlives it, be it a prepared statement or a setting.
    pub transaction_pooler: bool,
    /// Whether a connection is pinged before each use, so that one that died meanwhile is
    /// replaced unseen. A caller that repeats what failed anyway saves the round trip.
    pub ping_before_use: bool,
    /// How much the servers may send, where somebody else chose them. What they send over a Unix socket
    /// is not bounded, nor is anything where the system has no abstract Unix sockets, as Linux has.
    pub bounds: Option<ReplyBounds>,
}

impl LedgerConfig {
    /// How to reach the same ledger for changes of its schema: at `direct`, the address of
    /// PostgreSQL itself, or at the same address when there is none.
    #[must_use]
    pub fn direct(&self, direct: Option<&str>) -> Self {
        let Some(url) = direct else {
            return self.clone();
        };
        Self {
            url: url.into(),
            transaction_pooler: false,
            ..self.clone()
        }
    }
}

/// Why a ledger cannot be opened as configured.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The address cannot be used.
    #[error(
        "the PostgreSQL address cannot be used ({0}); write postgres://USER:PASSWORD@HOST:PORT[,HOST:PORT...]/DATABASE[?sslmode=verify-full]"
    )]
    Address(sqlx::Error),
    /// The system has no further socket for a relay.
    #[error("no socket can be opened for connections to PostgreSQL: {0}")]
    Socket(std::io::Error),
    /// Certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
}
