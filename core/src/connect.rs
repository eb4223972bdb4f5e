//! Connections to Redis and PostgreSQL, with the time limits that make "away" a fast answer.

mod address;
mod answers;
mod blocking;
mod client;
mod cluster;
mod destination;
mod link;
mod pool;
mod relay;
pub(crate) mod renewal;
mod rights;
mod run_id;
mod sentinel;
mod server_ids;
mod servers;
mod shared;
mod store_url;
mod subscription;
pub mod tls;
mod waiting;

use std::{borrow::Cow, fmt, time::Duration};

use redis::Client;

use crate::keys;

pub use answers::check_writable;
pub use blocking::BlockingConnection;
pub use client::RedisClient;
pub use link::DedicatedConnection;
pub use pool::{PooledConnection, PooledConnections, QueuePool, pool};
pub(crate) use relay::Relay;
pub use relay::ReplyBounds;
pub use rights::{Missing, RightsError, acl_rules, check_rights, wait_for_rights};
pub use run_id::server_id;
pub(crate) use servers::Server;
pub use shared::SharedConnection;
pub use store_url::StoreUrl;
pub use subscription::Subscription;
use tls::{Certificates, Peer};
pub use tls::{RELOAD_INTERVAL, TlsError, TlsSource};
pub use waiting::{WaitingConnections, WaitingPool, waiting_pool};

/// How long a Redis command may take before it counts as failed. A script call takes under a
/// millisecond; half a second is a stall, an fsync storm or a dead host.
pub const RESPONSE_TIMEOUT: Duration = Duration::from_millis(500);

/// How long connecting to Redis may take.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Why a connection could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The Redis address cannot be used.
    #[error(
        "the Redis address cannot be used ({0}); write redis://[:PASSWORD@]HOST:PORT[/DB], or redis+sentinel://[:PASSWORD@]HOST:PORT,…/NAME[/DB] for the primary that Sentinel knows by this name, or redis+cluster://[:PASSWORD@]HOST:PORT,… for a cluster; with rediss for redis, for TLS"
    )]
    RedisAddress(redis::RedisError),
    /// Redis does not answer.
    #[error("Redis does not answer: {0}")]
    Redis(#[from] redis::RedisError),
    /// The PostgreSQL address cannot be used.
    #[error(
        "the PostgreSQL address cannot be used ({0}); write postgres://USER:PASSWORD@HOST:PORT[,HOST:PORT...]/DATABASE[?sslmode=verify-full]"
    )]
    PostgresAddress(sqlx::Error),
    /// The system has no further socket for a relay to PostgreSQL.
    #[error("no socket can be opened for connections to PostgreSQL: {0}")]
    Socket(std::io::Error),
    /// Certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// The channel `name` of the database that `client` leads to, to subscribe to by hand.
#[must_use]
pub fn channel<'a>(client: &Client, name: &'a str) -> Cow<'a, str> {
    keys::channel(name, client.get_connection_info().redis_settings().db())
}

/// A client for `url`, see [`RedisClient`], without private certificates; nothing is connected yet.
pub fn redis_client(url: &str) -> Result<RedisClient, ConnectError> {
    redis_client_with(url, &TlsSource::System)
}

/// A client for `url`, see [`RedisClient`]; nothing is connected yet. Reads the files of `tls`. What
/// is made from the client follows changes of them, in a runtime of tokio.
pub fn redis_client_with(url: &str, tls: &TlsSource) -> Result<RedisClient, ConnectError> {
    RedisClient::open(url, tls, None)
}

/// The same for a Redis that somebody else chose, which may send no more than `bounds` allow. Its
/// subscriptions, and what it sends over a Unix socket, are not bounded.
pub fn bounded_redis_client(
    url: &str,
    tls: &TlsSource,
    bounds: &ReplyBounds,
) -> Result<RedisClient, ConnectError> {
    RedisClient::open(url, tls, Some(Relay::new(Peer::Redis, bounds)))
}

/// One connection that calls of many tasks pipeline over. Nothing is connected yet, so a service
/// can start while Redis is away.
pub fn shared(client: &RedisClient) -> Result<SharedConnection, ConnectError> {
    SharedConnection::new(client.clone())
}

/// A connection of one's own, for commands that block up to `longest`.
pub async fn blocking(
    client: &RedisClient,
    longest: Duration,
) -> Result<DedicatedConnection, redis::RedisError> {
    let destination = client.destination().await?;
    destination.connect(longest + RESPONSE_TIMEOUT).await
}

/// Asks the server that has `key`, which for a command without a key only a cluster makes a
/// difference to.
///
/// # Errors
/// When the server does not answer, or answers with an error.
pub async fn ask_server_of<T: redis::FromRedisValue>(
    connection: &mut impl Queue,
    key: &str,
    command: redis::Cmd,
) -> redis::RedisResult<T> {
    let mut pipe = redis::pipe();
    pipe.add_command(command).cmd("EXISTS").arg(key).ignore();
    let (answer,) = pipe.query_async(connection).await?;
    Ok(answer)
}

/// How to reach the ledger.
#[derive(Clone)]
pub struct LedgerConfig {
    /// `postgres://…`, with `sslmode=verify-full` and the like as libpq writes them. Of several hosts,
    /// separated by commas, the one that takes writes is used.
    pub url: String,
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

/// Without the password that the address may hold.
impl fmt::Debug for LedgerConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            url,
            tls,
            connections,
            transaction_pooler,
            ping_before_use,
            bounds,
        } = self;
        formatter
            .debug_struct("LedgerConfig")
            .field("url", &store_url::without_login(url))
            .field("tls", tls)
            .field("connections", connections)
            .field("transaction_pooler", transaction_pooler)
            .field("ping_before_use", ping_before_use)
            .field("bounds", bounds)
            .finish()
    }
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
            url: url.to_owned(),
            transaction_pooler: false,
            ..self.clone()
        }
    }
}

/// The servers that `url` names, ready to be connected to, through `relay` if there is one.
pub(crate) fn ledger_servers(
    url: &str,
    transaction_pooler: bool,
    certificates: &Certificates,
    relay: Option<&Relay>,
) -> Result<Vec<Server>, sqlx::Error> {
    let mut servers = servers::parse(url, certificates)?;
    for server in &mut servers {
        let mut options = server.options.clone().application_name("flashsale");
        if transaction_pooler {
            // PgBouncer refuses a session that sets it; PostgreSQL's own default is as exact.
            options = options.extra_float_digits(None);
        }
        if let Some(relay) = relay.filter(|_| cfg!(target_os = "linux"))
            && options.get_socket().is_none()
            && !options.get_host().starts_with('/')
        {
            let directory = relay.socket_directory(options.get_host(), options.get_port())?;
            options = options.socket(directory);
        }
        server.options = options;
    }
    Ok(servers)
}

/// What a function that talks to Redis needs: any connection that can be shared between tasks.
pub trait Queue: redis::aio::ConnectionLike + Send + Sync {}

impl<T: redis::aio::ConnectionLike + Send + Sync> Queue for T {}
