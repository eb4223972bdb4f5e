//! Connections to the two stores of a sale, shared by all sales that have the same addresses.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

use flashsale_domain::sale::spec::SecretKeyRef;
use flashsale_ledger::{Ledger, LedgerConfig, OpenError};
use flashsale_queue::connect::{self, ConnectError, SharedConnection};
use flashsale_transport::{ReplyBounds, StoreUrl, TlsSource, tls::Certificates};
use parking_lot::Mutex;

/// Looks at one pair of stores at once.
pub(crate) const LOOKS_AT_ONCE: u32 = 4;

/// Connections to PostgreSQL for all sales of one address: one for each look, a declaration and a count of
/// orders at once. A look that waited for one would tell that PostgreSQL does not answer.
const LEDGER_CONNECTIONS: u32 = LOOKS_AT_ONCE + 2;

/// Where a sale keeps its queue and its ledger.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Addresses {
    /// `redis://…`, `redis+sentinel://…` or `redis+cluster://…`, with `rediss` for TLS.
    pub redis: StoreUrl,
    /// `postgres://…`.
    pub database: StoreUrl,
    /// Whether PostgreSQL is behind a pooler in transaction mode.
    pub transaction_pooler: bool,
}

/// What is trusted of the stores and shown to them, besides the system's authorities.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct StoreCertificates {
    /// For Redis.
    pub redis: Certificates,
    /// For PostgreSQL.
    pub database: Certificates,
}

/// The open connections. Both reconnect by themselves, and nothing is connected before it is used.
#[derive(Debug)]
pub struct Stores {
    /// Redis.
    pub queue: SharedConnection,
    /// PostgreSQL.
    pub ledger: Ledger,
}

impl Stores {
    fn open(
        addresses: &Addresses,
        certificates: &StoreCertificates,
        bounds: &ReplyBounds,
    ) -> Result<Self, StoreError> {
        let redis_tls = TlsSource::Given(certificates.redis.clone());
        let client = connect::bounded_redis_client(&addresses.redis, &redis_tls, bounds)?;
        Ok(Self {
            queue: connect::shared(&client)?,
            ledger: Ledger::open(&LedgerConfig {
                url: addresses.database.clone(),
                tls: TlsSource::Given(certificates.database.clone()),
                connections: LEDGER_CONNECTIONS,
                transaction_pooler: addresses.transaction_pooler,
                ping_before_use: true,
                bounds: Some(bounds.clone()),
            })?,
        })
    }
}

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The address or the certificates of Redis cannot be used.
    #[error(transparent)]
    Redis(#[from] ConnectError),
    /// The address or the certificates of PostgreSQL cannot be used.
    #[error(transparent)]
    Ledger(#[from] OpenError),
}

/// The stores of a sale.
#[derive(Debug, Clone)]
pub struct Located {
    /// The connections.
    pub stores: Arc<Stores>,
    /// The key with the address of PostgreSQL that workers get. The operator's own may be another:
    /// it declares products, which workers need no right for.
    pub worker_database: SecretKeyRef,
    /// The key with the address of Redis.
    pub redis: SecretKeyRef,
    /// The addresses that workers get. They are started anew when one changes, and follow changes of
    /// certificates by themselves.
    pub addresses: Addresses,
    /// The ids (`metadata.uid`) of the Secrets that those were read from.
    pub secret_ids: String,
}

/// All connections that some sale uses.
#[derive(Debug, Default)]
pub struct StoreCache {
    /// Weak, so that connections nobody uses any more are closed.
    open: Mutex<HashMap<(Addresses, StoreCertificates), Weak<Stores>>>,
    /// What all of them together may send: whoever writes a sale chooses its stores.
    bounds: ReplyBounds,
}

impl StoreCache {
    /// A cache without connections, whose stores may send as much as `bounds` allow.
    pub fn new(bounds: ReplyBounds) -> Self {
        Self {
            open: Mutex::default(),
            bounds,
        }
    }

    /// The connections to `addresses` with `certificates`, opened if nobody has them yet.
    ///
    /// # Errors
    /// When an address or a certificate cannot be used; whether somebody answers there is not asked.
    pub fn get(
        &self,
        addresses: Addresses,
        certificates: StoreCertificates,
    ) -> Result<Arc<Stores>, StoreError> {
        let place = (addresses, certificates);
        let mut open = self.open.lock();
        if let Some(stores) = open.get(&place).and_then(Weak::upgrade) {
            return Ok(stores);
        }
        open.retain(|_, stores| stores.strong_count() > 0);
        let stores = Arc::new(Stores::open(&place.0, &place.1, &self.bounds)?);
        open.insert(place, Arc::downgrade(&stores));
        Ok(stores)
    }
}
