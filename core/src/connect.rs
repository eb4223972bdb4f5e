//! Connections to Redis and PostgreSQL, with the time limits that make "away" a fast answer.

use std::{str::FromStr, time::Duration};

use bb8_redis::RedisConnectionManager;
use redis::{
    AsyncConnectionConfig, Client,
    aio::{ConnectionManager, ConnectionManagerConfig, MultiplexedConnection},
};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::ledger::Ledger;

/// A pool of connections for commands off the hot path.
pub type QueuePool = bb8::Pool<RedisConnectionManager>;

/// How long a Redis command may take before it counts as failed. A script call takes under a
/// millisecond; half a second is a stall, an fsync storm or a dead host.
pub const RESPONSE_TIMEOUT: Duration = Duration::from_millis(500);

/// How long connecting to Redis may take.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a caller waits for a free PostgreSQL connection.
pub const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a connection could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The Redis address cannot be used.
    #[error(
        "the Redis address cannot be used ({0}); write redis://[:PASSWORD@]HOST:PORT[/DB] or rediss://… for TLS"
    )]
    RedisAddress(redis::RedisError),
    /// Redis does not answer.
    #[error("Redis does not answer: {0}")]
    Redis(#[from] redis::RedisError),
    /// The PostgreSQL address cannot be used.
    #[error(
        "the PostgreSQL address cannot be used ({0}); write postgres://USER:PASSWORD@HOST:PORT/DATABASE[?sslmode=require]"
    )]
    PostgresAddress(sqlx::Error),
}

/// A client for `url`; nothing is connected yet.
pub fn redis_client(url: &str) -> Result<Client, ConnectError> {
    Client::open(url).map_err(ConnectError::RedisAddress)
}

/// One shared connection: calls of many tasks pipeline over it, and it reconnects by itself.
/// Nothing is connected yet, so a service can start while Redis is away.
pub fn shared(client: &Client) -> Result<ConnectionManager, ConnectError> {
    let config = ConnectionManagerConfig::new()
        .set_connection_timeout(Some(CONNECT_TIMEOUT))
        .set_response_timeout(Some(RESPONSE_TIMEOUT))
        // The caller answers 503 or waits; a second layer of retries would only hide the outage.
        .set_number_of_retries(1)
        .set_max_delay(Duration::from_millis(100));
    Ok(client.get_connection_manager_lazy(config)?)
}

/// A connection of one's own, for commands that block up to `longest`.
pub async fn blocking(
    client: &Client,
    longest: Duration,
) -> Result<MultiplexedConnection, redis::RedisError> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT_TIMEOUT))
        .set_response_timeout(Some(longest + RESPONSE_TIMEOUT));
    client
        .get_multiplexed_async_connection_with_config(&config)
        .await
}

/// A pool of at most `size` connections; connects when first used.
pub fn pool(url: &str, size: u32) -> Result<QueuePool, ConnectError> {
    let manager = RedisConnectionManager::new(url).map_err(ConnectError::RedisAddress)?;
    Ok(bb8::Pool::builder()
        .max_size(size)
        .min_idle(Some(0))
        .connection_timeout(CONNECT_TIMEOUT)
        .build_unchecked(manager))
}

/// How to reach the ledger.
#[derive(Debug, Clone)]
pub struct LedgerConfig {
    /// `postgres://…`, with `sslmode=require` and the like as libpq writes them.
    pub url: String,
    /// Most connections.
    pub connections: u32,
    /// True behind a pooler in transaction mode (PgBouncer, Neon's `-pooler` hosts): prepared
    /// statements then must not outlive a transaction.
    pub transaction_pooler: bool,
    /// Whether a connection is pinged before each use, so that one that died meanwhile is
    /// replaced unseen. A caller that repeats what failed anyway saves the round trip.
    pub ping_before_use: bool,
}

/// Schemes of libpq's addresses.
const POSTGRES_SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];

/// The ledger; connects when first used.
pub fn ledger(config: &LedgerConfig) -> Result<Ledger, ConnectError> {
    let mut options = postgres_options(&config.url)
        .map_err(ConnectError::PostgresAddress)?
        .application_name("flashsale");
    if config.transaction_pooler {
        options = options.statement_cache_capacity(0);
    }
    let pool = PgPoolOptions::new()
        .max_connections(config.connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(config.ping_before_use)
        .connect_lazy_with(options);
    Ok(Ledger::new(pool))
}

/// The parser takes any scheme, and would look for PostgreSQL at the address of another database.
fn postgres_options(url: &str) -> Result<PgConnectOptions, sqlx::Error> {
    if POSTGRES_SCHEMES
        .iter()
        .any(|scheme| url.starts_with(scheme))
    {
        return PgConnectOptions::from_str(url);
    }
    Err(sqlx::Error::Configuration(
        "it does not begin with postgres://".into(),
    ))
}

/// What a function that talks to Redis needs: any connection that can be shared between tasks.
pub trait Queue: redis::aio::ConnectionLike + Send + Sync {}

impl<T: redis::aio::ConnectionLike + Send + Sync> Queue for T {}
