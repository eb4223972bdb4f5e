//! Connections to Redis, with the time limits that make "away" a fast answer.

mod address;
mod answers;
mod blocking;
mod certificates;
mod client;
mod cluster;
mod destination;
mod link;
mod pool;
mod rights;
mod run_id;
mod sentinel;
mod server_ids;
mod shared;
mod subscription;
mod waiting;

use std::{borrow::Cow, time::Duration};

use flashsale_transport::{Relay, ReplyBounds, TlsError, TlsSource, tls::Peer};
use redis::Client;

use crate::keys;

pub use answers::check_writable;
pub use blocking::BlockingConnection;
pub use client::RedisClient;
pub use link::DedicatedConnection;
pub use pool::{PooledConnection, PooledConnections, QueuePool, pool};
pub use rights::{Missing, RightsError, acl_rules, check_rights, wait_for_rights};
pub use run_id::server_id;
pub use shared::SharedConnection;
pub use subscription::Subscription;
pub use waiting::{WaitingConnections, WaitingPool, waiting_pool};

/// How long a Redis command may take before it counts as failed. A script call takes under a
/// millisecond; half a second is a stall, an fsync storm or a dead host.
pub const RESPONSE_TIMEOUT: Duration = Duration::from_millis(500);

/// Why a connection to Redis could not be set up.
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
    /// Certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// The channel `name` of the database that `client` leads to, to subscribe to by hand.
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

/// What a function that talks to Redis needs: any connection that can be shared between tasks.
pub trait Queue: redis::aio::ConnectionLike + Send + Sync {}

impl<T: redis::aio::ConnectionLike + Send + Sync> Queue for T {}
