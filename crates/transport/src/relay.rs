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
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::select_ok;
use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, split},
    net::{TcpStream, lookup_host},
    sync::Semaphore,
    time::timeout,
};

use self::{
    bounds::Counted,
    sockets::{Listener, read_some},
};
use crate::{tcp::CONNECT_TIMEOUT, tls::Peer};

pub use bounds::ReplyBounds;

/// How long a store is left alone after it sent too much. Each try costs memory and processor time.
const REST: Duration = Duration::from_secs(10);

/// How long connecting to PostgreSQL may take: as long as a call of the ledger, since the driver itself has no
/// limit.
const POSTGRESQL_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Connections to one store at once. The servers of a cluster are as many as the cluster says.
const CONNECTIONS: usize = 256;

/// The way to one store; clones are one.
#[derive(Clone)]
pub struct Relay(Arc<Inner>);

struct Inner {
    peer: Peer,
    bounds: ReplyBounds,
    /// One permit for each further connection.
    free: Semaphore,
    /// The latest of each server, by its name.
    trouble: Mutex<HashMap<String, Trouble>>,
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
    /// A relay to a store, which is a `peer`. Nothing is connected yet.
    pub fn new(peer: Peer, bounds: &ReplyBounds) -> Self {
        Self(Arc::new(Inner {
            peer,
            bounds: bounds.clone(),
            free: Semaphore::new(CONNECTIONS),
            trouble: Mutex::default(),
            listeners: Mutex::default(),
        }))
    }

    /// Why the store is not asked at present: it sent too much a moment ago.
    pub fn excess(&self) -> Option<String> {
        let trouble = self.trouble();
        let excess = trouble.into_iter().find(|trouble| trouble.is_excess);
        excess.map(|trouble| trouble.text)
    }

    /// What went wrong between us and the store since `start`, or why it is not asked at present.
    pub fn trouble_since(&self, start: Instant) -> Option<String> {
        let trouble = self.trouble().into_iter();
        let trouble = trouble.filter(|trouble| trouble.is_excess || trouble.at >= start);
        let latest = trouble.max_by_key(|trouble| (trouble.is_excess, trouble.at));
        latest.map(|trouble| trouble.text)
    }

    /// What went wrong between us and the server of this name since `start`.
    pub fn trouble_of(&self, name: &str, start: Instant) -> Option<String> {
        let trouble = self.0.trouble.lock().get(name).cloned();
        let trouble = trouble.filter(|trouble| trouble.at >= start);
        trouble.map(|trouble| trouble.text)
    }

    fn trouble(&self) -> Vec<Trouble> {
        let mut trouble = self.0.trouble.lock();
        trouble.retain(|_, trouble| trouble.at.elapsed() < REST);
        trouble.values().cloned().collect()
    }

    fn note(&self, name: &str, text: &str, is_excess: bool) {
        let trouble = Trouble {
            at: Instant::now(),
            text: text.to_owned(),
            is_excess,
        };
        self.0.trouble.lock().insert(name.to_owned(), trouble);
    }

    /// Connects to the store.
    async fn connect(&self, host: &str, port: u16) -> io::Result<TcpStream> {
        if let Some(excess) = self.excess() {
            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, excess));
        }
        let connected = timeout(self.connect_limit(), connect_to_any(host, port))
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        let server = connected.inspect_err(|error| {
            // Where it has sent too much meanwhile, that is what counts.
            if self.excess().is_none() {
                let name = name(host, port);
                let text = format!("{} at {name}: {error}", self.0.peer);
                self.note(&name, &text, false);
            }
        })?;
        sockets::set_up(&server)?;
        Ok(server)
    }

    /// How long connecting may take: as long as without a relay.
    fn connect_limit(&self) -> Duration {
        match self.0.peer {
            Peer::PostgreSql => POSTGRESQL_CONNECT_TIMEOUT,
            Peer::Redis | Peer::KeySet => CONNECT_TIMEOUT,
        }
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
        self.note(name, &text, true);
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
        let mut allowance = self.0.bounds.allowance();
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

/// Connects to all addresses of a host at once, as the client libraries do, and takes the first that
/// accepts.
async fn connect_to_any(host: &str, port: u16) -> io::Result<TcpStream> {
    let addresses = lookup_host((host, port)).await?;
    let attempts: Vec<_> = addresses
        .map(|address| Box::pin(TcpStream::connect(address)))
        .collect();
    if attempts.is_empty() {
        return Err(io::Error::other("the name has no address"));
    }
    select_ok(attempts).await.map(|(stream, _)| stream)
}

/// How a server is called in messages and logs.
fn name(host: &str, port: u16) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
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
