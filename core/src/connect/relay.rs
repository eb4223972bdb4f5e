//! Connections to stores that somebody else chose, with a bound on what such a store may send.
//!
//! Neither client library has one: a reply without end is read until the process has no memory left. So
//! their connections go through this process once more: a relay connects to the store, forwards what
//! both sides say as it is (TLS included, so that the client library goes on checking the host's
//! name), counts the bytes that come from the store, and closes the connection when they are too many.
//!
//! redis-rs is led to the relay by its resolver, as an address of the loopback interface; sqlx by a Unix
//! socket, in the abstract namespace since a container may have no directory to write to.

mod bounds;
mod sockets;

use std::{
    collections::HashMap,
    fmt, io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, split},
    net::TcpStream,
    sync::Semaphore,
    time::timeout,
};

use self::{
    bounds::{Allowance, Counted},
    sockets::{Listener, read_some},
};
use super::{CONNECT_TIMEOUT, tls::Peer};

pub use bounds::ReplyBounds;

/// How long a store is left alone after it sent too much. Each try costs memory and processor time.
const REST: Duration = Duration::from_secs(10);

/// Connections to one store at once. The servers of a cluster are as many as the cluster says.
const CONNECTIONS: usize = 256;

/// The way to one store; clones are one.
#[derive(Clone)]
pub(crate) struct Relay(Arc<Inner>);

struct Inner {
    peer: Peer,
    bounds: ReplyBounds,
    /// One permit for each further connection.
    free: Semaphore,
    trouble: Mutex<Option<Trouble>>,
    /// The Unix sockets by host and port. They are closed with the relay.
    listeners: Mutex<HashMap<(String, u16), Listener>>,
}

/// Why the store was of no use.
#[derive(Debug, Clone)]
struct Trouble {
    at: Instant,
    text: String,
    /// It sent too much.
    is_excess: bool,
}

impl fmt::Debug for Relay {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Relay").field(&self.0.peer).finish()
    }
}

impl Relay {
    pub(crate) fn new(peer: Peer, bounds: &ReplyBounds) -> Self {
        Self(Arc::new(Inner {
            peer,
            bounds: bounds.clone(),
            free: Semaphore::new(CONNECTIONS),
            trouble: Mutex::default(),
            listeners: Mutex::default(),
        }))
    }

    /// Why the store is not asked at present: it sent too much a moment ago.
    pub(crate) fn excess(&self) -> Option<String> {
        let trouble = self.trouble().filter(|trouble| trouble.is_excess);
        trouble.map(|trouble| trouble.text)
    }

    /// What went wrong between us and the store since `start`, or why it is not asked at present.
    pub(crate) fn trouble_since(&self, start: Instant) -> Option<String> {
        let trouble = self.trouble()?;
        (trouble.is_excess || trouble.at >= start).then_some(trouble.text)
    }

    fn trouble(&self) -> Option<Trouble> {
        let trouble = self.lock_trouble().clone();
        trouble.filter(|trouble| trouble.at.elapsed() < REST)
    }

    fn lock_trouble(&self) -> MutexGuard<'_, Option<Trouble>> {
        let trouble = self.0.trouble.lock();
        trouble.unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, text: &str, is_excess: bool) {
        *self.lock_trouble() = Some(Trouble {
            at: Instant::now(),
            text: text.to_owned(),
            is_excess,
        });
    }

    /// Connects to the store.
    async fn connect(&self, host: &str, port: u16) -> io::Result<TcpStream> {
        if let Some(excess) = self.excess() {
            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, excess));
        }
        let connected = timeout(CONNECT_TIMEOUT, TcpStream::connect((host, port)))
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        let server = connected.inspect_err(|error| {
            // Where it has sent too much meanwhile, that is what counts.
            if self.excess().is_none() {
                self.note(&error.to_string(), false);
            }
        })?;
        sockets::set_up(&server)?;
        Ok(server)
    }

    /// Forwards between the two until one of them closes the connection, or until the server, whose
    /// address is `name`, has sent too much.
    async fn forward(
        self,
        server: TcpStream,
        client: impl AsyncRead + AsyncWrite + Unpin,
        name: String,
    ) {
        let Ok(_place) = self.0.free.try_acquire() else {
            let text = format!(
                "{} leads to more than {CONNECTIONS} connections at once",
                self.0.peer
            );
            return self.refuse(&name, &text);
        };
        // They stay open until the end of this function: whoever sees the connection closed finds out why.
        let (mut from_client, mut to_client) = split(client);
        let (mut from_server, mut to_server) = server.into_split();
        let counted = self.0.bounds.count(name);
        let excess = tokio::select! {
            () = copy(&mut from_client, &mut to_server) => None,
            excess = self.copy_bounded(&mut from_server, &mut to_client, &counted) => excess,
            excess = counted.closed() => Some(excess),
        };
        if let Some(excess) = excess {
            let text = format!("{} at {} {excess}", self.0.peer, counted.name());
            self.refuse(counted.name(), &text);
        }
    }

    /// Remembers `text` and logs it.
    fn refuse(&self, name: &str, text: &str) {
        let text = format!(
            "{text}, and the connection was closed; the next try is in {} s",
            REST.as_secs()
        );
        self.note(&text, true);
        tracing::warn!(store = name, "{text}");
    }

    /// Forwards what the store sends until either side is gone, or until it has sent too much: then
    /// this answers how much.
    async fn copy_bounded(
        &self,
        from: &mut (impl AsyncRead + Unpin),
        to: &mut (impl AsyncWrite + Unpin),
        counted: &Counted,
    ) -> Option<String> {
        let mut allowance = Allowance::new();
        while let Some(bytes) = read_some(from).await {
            if let Err(excess) = allowance.take(bytes.len()) {
                return Some(excess);
            }
            self.0.bounds.admit(counted, bytes.len()).await;
            to.write_all(&bytes).await.ok()?;
        }
        None
    }
}

/// Forwards until either side is gone. What failed does not matter: both sides are closed then.
async fn copy(from: &mut (impl AsyncRead + Unpin), to: &mut (impl AsyncWrite + Unpin)) {
    while let Some(bytes) = read_some(from).await {
        if to.write_all(&bytes).await.is_err() {
            return;
        }
    }
}
