//! One connection to Redis for many tasks, replaced when it is of no use any more.
//!
//! redis-rs' connection manager connects again when a connection breaks. It keeps one that merely
//! falls silent (a host that vanished without a reset, an entry that a firewall forgot), and one to
//! a primary that was demoted and answers `READONLY` from then on; and it connects to the same
//! server for ever, where Sentinel may have named another primary meanwhile. In all three cases the
//! connection is replaced here, together with those that were made from it: blocking ones,
//! subscriptions and pooled ones.

use std::{
    io, slice,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use flashsale_transport::{RELOAD_INTERVAL, Relay};
use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Shared as SharedFuture},
};
use redis::{Cmd, Pipeline, RedisError, RedisFuture, RedisResult, Value, aio::ConnectionLike};
use tokio::{
    runtime::Handle,
    sync::watch,
    time::{sleep, timeout},
};

use super::{
    BlockingConnection, ConnectError, DedicatedConnection, RESPONSE_TIMEOUT, RedisClient,
    Subscription,
    answers::{belongs_to_a_cluster, errors_in, is_of_the_wrong_server, is_redirection},
    certificates::explain,
    destination::Destination,
    link::Link,
};

/// How long a connection may be silent, from the first unanswered command on, before another one is
/// tried. Shorter would pile up connections on a server that is merely slow, and must leave time
/// for [`flashsale_transport::CONNECT_TIMEOUT`].
const REPLACE_AFTER: Duration = Duration::from_secs(1);

/// How old a connection has to be before it is replaced for what the server answers, or because it
/// cannot be reached: a name may go on leading to the demoted primary for a while, and Sentinel takes
/// its time to name another. Each command would connect anew.
const REPLACE_PAUSE: Duration = Duration::from_millis(250);

/// Why a connection is replaced.
const TAKES_NO_WRITES: &str = "leads to a server that takes no writes";

/// Why a connection is replaced where Sentinel is asked.
const CANNOT_BE_REACHED: &str = "leads to a server that cannot be reached";

/// `silent_since` of a connection that answers.
const ANSWERS: u64 = u64::MAX;

/// A connection that many tasks share: commands pipeline over it. Connects when first used and
/// again whenever that is needed; clones are one. A command that Redis does not answer in time
/// fails, and may have been executed.
#[derive(Clone)]
pub struct SharedConnection(Arc<Shared>);

struct Shared {
    connector: Connector,
    current: ArcSwap<Current>,
    /// Counts replacements, and tells of them.
    generation: watch::Sender<u64>,
}

/// What each generation is made with.
struct Connector {
    client: RedisClient,
    response_timeout: Duration,
    /// The runtime in which the connection was made. Tasks that keep a connection to a looked-up server
    /// alive run there, whichever runtime uses it first.
    runtime: Handle,
}

/// The connection of one generation.
struct Current {
    server: Server,
    generation: u64,
    /// The version of the client that it was made from.
    version: u64,
    made: Instant,
    /// Whether anything has been answered.
    has_answered: AtomicBool,
    /// When the first of the unanswered commands failed, in milliseconds since `made`.
    silent_since: AtomicU64,
}

enum Server {
    Fixed(Arc<Link>),
    /// The primary that Sentinel names, or a cluster: looked up once, by the first command. The
    /// lookup goes on when a caller stops waiting for it.
    LookedUp(SharedFuture<BoxFuture<'static, RedisResult<Arc<Link>>>>),
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

impl Connector {
    fn server(&self) -> RedisResult<Server> {
        if let Some(server) = self.client.fixed() {
            return Ok(Server::Fixed(Link::lazy(server)?));
        }
        let (client, runtime) = (self.client.clone(), self.runtime.clone());
        let response_timeout = self.response_timeout;
        let look_up = async move {
            let looking_up = runtime.spawn(async move {
                Link::open(client.destination().await?, response_timeout).await
            });
            looking_up
                .await
                .unwrap_or_else(|error| Err(io::Error::other(error).into()))
        };
        Ok(Server::LookedUp(look_up.boxed().shared()))
    }

    fn connect(&self, generation: u64) -> RedisResult<Arc<Current>> {
        // Before anything is taken from the client: it may change meanwhile.
        let version = self.client.version();
        Ok(Arc::new(Current {
            server: self.server()?,
            generation,
            version,
            made: Instant::now(),
            has_answered: AtomicBool::new(false),
            silent_since: AtomicU64::new(ANSWERS),
        }))
    }
}

impl Server {
    async fn link(&self) -> RedisResult<Arc<Link>> {
        match self {
            Self::Fixed(link) => Ok(Arc::clone(link)),
            Self::LookedUp(answer) => match answer.peek() {
                Some(link) => link.clone(),
                None => answer.clone().await,
            },
        }
    }

    /// Whether the lookup has failed.
    fn is_lost(&self) -> bool {
        matches!(self, Self::LookedUp(answer) if matches!(answer.peek(), Some(Err(_))))
    }

    /// Whether the lookup is still under way.
    fn is_being_looked_up(&self) -> bool {
        matches!(self, Self::LookedUp(answer) if answer.peek().is_none())
    }
}

impl Current {
    fn answered(&self) {
        // Read first: all tasks share this cache line, and it hardly ever changes.
        if !self.has_answered.load(Ordering::Relaxed) {
            self.has_answered.store(true, Ordering::Relaxed);
        }
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
    /// A connection whose commands are answered within [`RESPONSE_TIMEOUT`] or fail. It has to be made
    /// in a runtime of tokio and stays with it.
    pub fn new(client: RedisClient) -> Result<Self, ConnectError> {
        Self::with_response_timeout(client, RESPONSE_TIMEOUT)
    }

    /// A connection whose commands are answered within `response_timeout` or fail.
    pub fn with_response_timeout(
        client: RedisClient,
        response_timeout: Duration,
    ) -> Result<Self, ConnectError> {
        let connector = Connector {
            client,
            response_timeout,
            runtime: Handle::current(),
        };
        let shared = Arc::new(Shared {
            current: ArcSwap::new(connector.connect(0)?),
            connector,
            generation: watch::Sender::new(0),
        });
        if shared.connector.client.follows_certificates() {
            tokio::spawn(follow_certificates(Arc::downgrade(&shared)));
        }
        Ok(Self(shared))
    }

    /// How often the connection was replaced. Whatever else was learnt or opened under another
    /// generation may belong to a server that is not the primary any more.
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
        let connect = async |destination: Destination, _| {
            destination.connect(longest + RESPONSE_TIMEOUT).await
        };
        let (connection, generation) = self.open(connect).await?;
        Ok(BlockingConnection::new(
            connection,
            self.clone(),
            generation,
        ))
    }

    /// A subscription to `channels` of this connection's database, which ends when it falls silent
    /// or when this connection has been replaced.
    pub async fn subscribe(&self, channels: &[&str]) -> RedisResult<Subscription> {
        let subscribe = async |destination: Destination, generation| {
            Subscription::open(&destination, channels, self.clone(), generation).await
        };
        Ok(self.open(subscribe).await?.0)
    }

    /// A connection that nobody else uses, and the generation that it belongs to.
    pub(super) async fn connect_dedicated(&self) -> RedisResult<(DedicatedConnection, u64)> {
        let connect = async |destination: Destination, _| {
            destination.connect(self.0.connector.response_timeout).await
        };
        self.open(connect).await
    }

    /// Opens another connection to where this one leads; answers it and the generation that it belongs
    /// to. Where Sentinel is asked, this one is replaced when the server cannot be reached: a process
    /// may send no command over it that would notice.
    async fn open<T>(
        &self,
        open: impl AsyncFnOnce(Destination, u64) -> RedisResult<T>,
    ) -> RedisResult<(T, u64)> {
        let current = self.0.current.load_full();
        let destination = self.link_of(&current).await?.destination();
        let opened = open(destination, current.generation).await;
        if matches!(&opened, Err(error) if error.is_io_error())
            && self.0.connector.client.asks_sentinel()
        {
            self.replace_soon(&current, CANNOT_BE_REACHED);
        }
        Ok((opened?, current.generation))
    }

    pub(super) async fn link(&self) -> RedisResult<Arc<Link>> {
        self.link_of(&self.0.current.load_full()).await
    }

    async fn link_of(&self, current: &Current) -> RedisResult<Arc<Link>> {
        let link = current.server.link().await;
        if link.is_err() {
            self.replace_soon(current, CANNOT_BE_REACHED);
        }
        link
    }

    /// The answer to one call, as long as it comes in time; looks at it for signs that the
    /// connection is of no use any more.
    async fn watch<T>(
        &self,
        current: &Current,
        call: impl Future<Output = RedisResult<T>> + Send,
        values: impl FnOnce(&T) -> &[Value] + Send,
    ) -> RedisResult<T> {
        let relay = self.0.connector.client.relay();
        if let Some(excess) = relay.and_then(Relay::excess) {
            return Err(aborted(excess));
        }
        // The hot path has no relay, and does not ask for the time.
        let relay = relay.map(|relay| (relay, Instant::now()));
        let limit = self.0.connector.response_timeout;
        let answer = timeout(limit, call)
            .await
            .unwrap_or_else(|_| Err(no_answer(limit)));
        match &answer {
            Ok(value) => {
                current.answered();
                for error in errors_in(values(value)) {
                    if is_of_the_wrong_server(error) {
                        self.replace_soon(current, TAKES_NO_WRITES);
                    } else if is_redirection(error) && !self.0.connector.client.is_cluster() {
                        return Err(belongs_to_a_cluster());
                    }
                }
            }
            Err(error) if error.is_timeout() => {
                // As long as the server is being looked up, it is not the server that is silent.
                if !current.server.is_being_looked_up() && current.stayed_silent() >= REPLACE_AFTER
                {
                    self.replace(current, "is silent");
                }
            }
            Err(error) => match error.clone().into_server_errors() {
                Some(errors) if errors.iter().any(|(_, e)| is_of_the_wrong_server(e)) => {
                    self.replace_soon(current, TAKES_NO_WRITES);
                }
                // The connection manager keeps trying the same server, even after Sentinel has named
                // another one. Behind a relay there is no manager.
                None if self.0.connector.client.asks_sentinel()
                    || self.0.connector.client.relay().is_some()
                    || current.server.is_lost() =>
                {
                    self.replace_soon(current, CANNOT_BE_REACHED);
                }
                _ => {}
            },
        }
        answer.map_err(|error| {
            // The client library only sees a connection that was closed, maybe within an answer.
            let relay = relay.filter(|_| error.clone().into_server_errors().is_none());
            match relay.and_then(|(relay, start)| relay.trouble_since(start)) {
                Some(trouble) => aborted(trouble),
                None => explain(error),
            }
        })
    }

    /// The connection to send a command over. Behind a relay, one that could not be made is not told of once
    /// more: whoever asked for it had the answer, and what is asked now is whether it can be made now.
    fn current(&self) -> Arc<Current> {
        let current = self.0.current.load_full();
        if self.0.connector.client.relay().is_none() || !current.server.is_lost() {
            return current;
        }
        self.replace_soon(&current, CANNOT_BE_REACHED);
        self.0.current.load_full()
    }

    /// Replaces `old`, unless it is very young.
    fn replace_soon(&self, old: &Current, reason: &str) {
        if old.made.elapsed() >= REPLACE_PAUSE {
            self.replace(old, reason);
        }
    }

    /// Replaces `old`, unless somebody was faster.
    fn replace(&self, old: &Current, reason: &str) {
        // One line an outage: a connection that never worked replaced one that had not either.
        if self.exchange(old) && old.has_answered.load(Ordering::Relaxed) {
            tracing::warn!("the connection to Redis {reason}, trying another one");
        }
    }

    /// Replaces `old` and says so, unless somebody was faster.
    fn exchange(&self, old: &Current) -> bool {
        let mut next = None;
        self.0.generation.send_if_modified(|generation| {
            if *generation != old.generation {
                return false;
            }
            // Only an address that cannot be used fails, and this one has been used.
            let Ok(current) = self.0.connector.connect(old.generation + 1) else {
                return false;
            };
            *generation = current.generation;
            next = Some(self.0.current.swap(current));
            true
        });
        next.is_some()
    }
}

/// Replaces the connection whenever the certificates that it was made with have changed, for as long
/// as somebody uses it.
async fn follow_certificates(shared: Weak<Shared>) {
    loop {
        sleep(RELOAD_INTERVAL).await;
        let Some(shared) = shared.upgrade() else {
            return;
        };
        shared.connector.client.renew().await;
        let connection = SharedConnection(shared);
        let current = connection.0.current.load_full();
        if current.version != connection.0.connector.client.version() {
            connection.exchange(&current);
        }
    }
}

impl ConnectionLike for SharedConnection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            let current = self.current();
            let call = async { current.server.link().await?.send(command).await };
            self.watch(&current, call, slice::from_ref).await
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(async move {
            let current = self.current();
            let call = async {
                let link = current.server.link().await?;
                link.send_all(pipeline, offset, count).await
            };
            self.watch(&current, call, Vec::as_slice).await
        })
    }

    fn get_db(&self) -> i64 {
        self.0.connector.client.database()
    }
}

fn aborted(why: String) -> RedisError {
    io::Error::new(io::ErrorKind::ConnectionAborted, why).into()
}

fn no_answer(limit: Duration) -> RedisError {
    let text = format!("no answer within {} ms", limit.as_millis());
    io::Error::new(io::ErrorKind::TimedOut, text).into()
}
