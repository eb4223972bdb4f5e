//! One connection to Redis for many tasks, replaced when it is of no use any more.
//!
//! redis-rs' connection manager connects again when a connection breaks. It keeps one that merely
//! falls silent (a host that vanished without a reset, an entry that a firewall forgot), and one to
//! a primary that was demoted and answers `READONLY` from then on. Both are replaced here, together
//! with the connections that were made from it: blocking ones, subscriptions and pooled ones.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use redis::{
    AsyncConnectionConfig, Client, Cmd, Pipeline, RedisError, RedisFuture, RedisResult,
    ServerError, ServerErrorKind, Value,
    aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig},
};
use tokio::{sync::watch, time::timeout};

use super::{BlockingConnection, CONNECT_TIMEOUT, ConnectError, RESPONSE_TIMEOUT, Subscription};

/// How long a connection may be silent, from the first unanswered command on, before another one is
/// tried. Shorter would pile up connections on a server that is merely slow, and must leave time
/// for [`CONNECT_TIMEOUT`].
const REPLACE_AFTER: Duration = Duration::from_secs(1);

/// How old a connection has to be before it is replaced for what the server answers: a name may go
/// on leading to the demoted primary for a while, and each command would connect anew.
const REPLACE_PAUSE: Duration = Duration::from_millis(250);

/// `silent_since` of a connection that answers.
const ANSWERS: u64 = u64::MAX;

/// A connection that many tasks share: commands pipeline over it. Connects when first used and
/// again whenever that is needed; clones are one. A command that Redis does not answer in time
/// fails, and may have been executed.
#[derive(Clone)]
pub struct SharedConnection(Arc<Shared>);

struct Shared {
    client: Client,
    response_timeout: Duration,
    current: ArcSwap<Current>,
    /// Counts replacements, and tells of them.
    generation: watch::Sender<u64>,
}

/// The connection of one generation.
struct Current {
    manager: ConnectionManager,
    generation: u64,
    made: Instant,
    /// When the first of the unanswered commands failed, in milliseconds since `made`.
    silent_since: AtomicU64,
}

impl std::fmt::Debug for SharedConnection {
    /// The client's address has a password.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("SharedConnection")
            .field("generation", &self.generation())
            .finish_non_exhaustive()
    }
}

impl Current {
    fn new(client: &Client, generation: u64) -> RedisResult<Arc<Self>> {
        // Waiting for an answer is limited outside, together with waiting for the connection.
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(None)
            // The caller answers 503 or waits; a second layer of retries would only hide the outage.
            .set_number_of_retries(1)
            .set_max_delay(Duration::from_millis(100));
        Ok(Arc::new(Self {
            manager: client.get_connection_manager_lazy(config)?,
            generation,
            made: Instant::now(),
            silent_since: AtomicU64::new(ANSWERS),
        }))
    }

    fn answered(&self) {
        // Read first: all tasks share this cache line, and it hardly ever changes.
        if self.silent_since.load(Ordering::Relaxed) != ANSWERS {
            self.silent_since.store(ANSWERS, Ordering::Relaxed);
        }
    }

    /// For how long the connection has been silent.
    fn stayed_silent(&self) -> Duration {
        let now = u64::try_from(self.made.elapsed().as_millis()).unwrap_or(ANSWERS - 1);
        let since = self.silent_since.fetch_min(now, Ordering::Relaxed);
        Duration::from_millis(now.saturating_sub(since))
    }
}

impl SharedConnection {
    /// A connection whose commands are answered within [`RESPONSE_TIMEOUT`] or fail.
    pub fn new(client: Client) -> Result<Self, ConnectError> {
        Self::with_response_timeout(client, RESPONSE_TIMEOUT)
    }

    /// A connection whose commands are answered within `response_timeout` or fail.
    pub fn with_response_timeout(
        client: Client,
        response_timeout: Duration,
    ) -> Result<Self, ConnectError> {
        let current = Current::new(&client, 0)?;
        Ok(Self(Arc::new(Shared {
            client,
            response_timeout,
            current: ArcSwap::new(current),
            generation: watch::Sender::new(0),
        })))
    }

    /// How often the connection was replaced. Whatever else was learnt or opened under another
    /// generation may belong to a server that is not the primary any more.
    #[must_use]
    pub fn generation(&self) -> u64 {
        *self.0.generation.borrow()
    }

    /// Waits until the connection of `generation` is replaced.
    pub async fn replaced(&self, generation: u64) {
        let mut generations = self.0.generation.subscribe();
        // Fails only when the sender is gone, which `self` holds.
        let _ = generations.wait_for(|now| *now != generation).await;
    }

    /// A connection of one's own, for commands that block up to `longest`. Its commands fail once
    /// this connection has been replaced, so that nobody goes on waiting at a demoted primary.
    pub async fn blocking(&self, longest: Duration) -> RedisResult<BlockingConnection> {
        let generation = self.generation();
        let connection = super::blocking(&self.0.client, longest).await?;
        Ok(BlockingConnection::new(
            connection,
            self.clone(),
            generation,
        ))
    }

    /// A subscription to `channels` of this connection's database, which ends when it falls silent or when this connection has
    /// been replaced.
    pub async fn subscribe(&self, channels: &[&str]) -> RedisResult<Subscription> {
        let generation = self.generation();
        Subscription::open(&self.0.client, channels, self.clone(), generation).await
    }

    pub(super) async fn connect_unshared(&self) -> RedisResult<redis::aio::MultiplexedConnection> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(self.0.response_timeout));
        self.0
            .client
            .get_multiplexed_async_connection_with_config(&config)
            .await
    }

    /// The answer to one call, as long as it comes in time; looks at it for signs that the
    /// connection is of no use any more.
    async fn watch<T>(
        &self,
        current: &Current,
        call: impl Future<Output = RedisResult<T>> + Send,
        is_of_the_wrong_server: impl FnOnce(&T) -> bool + Send,
    ) -> RedisResult<T> {
        let limit = self.0.response_timeout;
        let answer = timeout(limit, call)
            .await
            .unwrap_or_else(|_| Err(no_answer(limit)));
        match &answer {
            Ok(value) => {
                current.answered();
                if is_of_the_wrong_server(value) {
                    self.replace_demoted(current);
                }
            }
            Err(error) if error.is_timeout() => {
                if current.stayed_silent() >= REPLACE_AFTER {
                    self.replace(current, "is silent");
                }
            }
            Err(error) => {
                if is_error_of_the_wrong_server(error) {
                    self.replace_demoted(current);
                }
            }
        }
        answer
    }

    fn replace_demoted(&self, old: &Current) {
        if old.made.elapsed() >= REPLACE_PAUSE {
            self.replace(old, "leads to a server that takes no writes");
        }
    }

    /// Replaces `old`, unless somebody was faster.
    fn replace(&self, old: &Current, reason: &str) {
        let mut next = None;
        self.0.generation.send_if_modified(|generation| {
            if *generation != old.generation {
                return false;
            }
            // Only an address that cannot be used fails, and this one has been used.
            let Ok(current) = Current::new(&self.0.client, old.generation + 1) else {
                return false;
            };
            *generation = current.generation;
            next = Some(self.0.current.swap(current));
            true
        });
        if next.is_some() {
            tracing::warn!("the connection to Redis {reason}, trying another one");
        }
    }
}

impl ConnectionLike for SharedConnection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            let current = self.0.current.load_full();
            let mut manager = current.manager.clone();
            let call = manager.send_packed_command(command);
            self.watch(&current, call, is_answer_of_the_wrong_server)
                .await
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(async move {
            let current = self.0.current.load_full();
            let mut manager = current.manager.clone();
            let call = manager.send_packed_commands(pipeline, offset, count);
            self.watch(&current, call, |values| {
                values.iter().any(is_answer_of_the_wrong_server)
            })
            .await
        })
    }

    fn get_db(&self) -> i64 {
        self.0.client.get_connection_info().redis_settings().db()
    }
}

/// Asks Redis for a write that changes nothing: a server that is a replica, or that refuses writes
/// because its disk or its replicas are gone, is of no use. Needs no rights beyond those that
/// announcing a sale needs.
///
/// # Errors
/// When Redis does not answer or takes no writes.
pub async fn check_writable(connection: &mut impl ConnectionLike) -> RedisResult<()> {
    // No sale has the empty id.
    redis::cmd("SREM")
        .arg(crate::keys::SALES)
        .arg("")
        .exec_async(connection)
        .await
}

/// Whether an answer, or one within the answer to a transaction, is such an error.
fn is_answer_of_the_wrong_server(answer: &Value) -> bool {
    let is_such =
        |value: &Value| matches!(value, Value::ServerError(error) if is_of_the_wrong_server(error));
    match answer {
        Value::Array(values) => values.iter().any(is_such),
        value => is_such(value),
    }
}

/// Whether the server is not the primary, or not any more: it is a replica, a replica cut off from
/// its primary, or a primary cut off from the replicas that it needs.
fn is_of_the_wrong_server(error: &ServerError) -> bool {
    matches!(
        error.kind(),
        Some(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown)
    ) || error.code() == "NOREPLICAS"
}

fn is_error_of_the_wrong_server(error: &RedisError) -> bool {
    let errors = error.clone().into_server_errors();
    errors.is_some_and(|errors| {
        errors
            .iter()
            .any(|(_, error)| is_of_the_wrong_server(error))
    })
}

fn no_answer(limit: Duration) -> RedisError {
    let text = format!("no answer within {} ms", limit.as_millis());
    io::Error::new(io::ErrorKind::TimedOut, text).into()
}
