//! How the two client libraries find a relay, and how it reads.

use std::{
    collections::hash_map::Entry,
    future::poll_fn,
    io, iter,
    mem::MaybeUninit,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    pin::Pin,
    process,
    sync::{Arc, Weak},
    task::{Poll, ready},
    time::Duration,
};

use redis::{
    RedisFuture,
    io::{AsyncDNSResolver, tcp::socket2::SockRef},
};
use tokio::{
    io::{AsyncRead, ReadBuf},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    task::JoinHandle,
    time::{sleep, timeout},
};
use uuid::Uuid;

use super::{Inner, Relay, name};
use crate::tcp::{CONNECT_TIMEOUT, apply_tcp_settings};

/// Most bytes that are read at once.
const CHUNK: usize = 16 * 1024;

/// What the kernel may hold of a store's bytes that were not read yet; it would take some MiB.
const RECEIVE_BUFFER: usize = 256 * 1024;

/// What the kernel may hold of what was forwarded and not read by the client library yet.
const FORWARD_BUFFER: usize = 64 * 1024;

/// How long the relay waits after the system refused it a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A Unix socket whose connections are forwarded, for as long as this is kept.
pub(super) struct Listener {
    directory: PathBuf,
    task: JoinHandle<()>,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl AsyncDNSResolver for Relay {
    /// Connects to the host, and answers an address that leads to this connection.
    fn resolve<'a, 'b: 'a>(
        &'a self,
        host: &'b str,
        port: u16,
    ) -> RedisFuture<'a, Box<dyn Iterator<Item = SocketAddr> + Send + 'a>> {
        Box::pin(async move {
            let server = self.connect(host, port).await?;
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            let address = listener.local_addr()?;
            let (relay, called) = (self.clone(), name(host, port));
            tokio::spawn(async move {
                let accepted = timeout(CONNECT_TIMEOUT, listener.accept()).await;
                drop(listener);
                if let Ok(Ok((client, _))) = accepted
                    && client.set_nodelay(true).is_ok()
                    && SockRef::from(&client)
                        .set_send_buffer_size(FORWARD_BUFFER)
                        .is_ok()
                {
                    relay.forward(server, client, called).await;
                }
            });
            Ok(Box::new(iter::once(address)) as Box<dyn Iterator<Item = SocketAddr> + Send>)
        })
    }
}

impl Relay {
    /// The directory of the Unix socket that leads to `host` and `port`, as PostgreSQL names such
    /// sockets: `.s.PGSQL.PORT`.
    ///
    /// # Errors
    /// When the system has no such sockets, or no further one.
    pub fn socket_directory(&self, host: &str, port: u16) -> io::Result<PathBuf> {
        let mut listeners = self.0.listeners.lock();
        match listeners.entry((host.to_owned(), port)) {
            Entry::Occupied(known) => Ok(known.get().directory.clone()),
            Entry::Vacant(place) => {
                // The null byte is what makes it abstract.
                let directory = PathBuf::from(format!("\0flashsale/{}", Uuid::new_v4()));
                let socket = directory.join(format!(".s.PGSQL.{port}"));
                let listener = UnixListener::bind(socket)?;
                let accepting = accept(Arc::downgrade(&self.0), listener, host.to_owned(), port);
                let task = tokio::spawn(accepting);
                let listener = place.insert(Listener { directory, task });
                Ok(listener.directory.clone())
            }
        }
    }
}

/// Forwards each connection to `host` and `port`.
async fn accept(relay: Weak<Inner>, listener: UnixListener, host: String, port: u16) {
    loop {
        let Ok((client, _)) = listener.accept().await else {
            sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let Some(relay) = relay.upgrade() else {
            return;
        };
        if !is_of_this_process(&client) {
            continue;
        }
        let host = host.clone();
        tokio::spawn(async move {
            let relay = Relay(relay);
            // Why it could not be connected to is remembered, and the client sees a closed connection.
            if let Ok(server) = relay.connect(&host, port).await
                && SockRef::from(&client)
                    .set_send_buffer_size(FORWARD_BUFFER)
                    .is_ok()
            {
                relay.forward(server, client, name(&host, port)).await;
            }
        });
    }
}

fn is_of_this_process(client: &UnixStream) -> bool {
    let pid = client.peer_cred().ok().and_then(|peer| peer.pid());
    pid.and_then(|pid| u32::try_from(pid).ok()) == Some(process::id())
}

/// Makes a connection to a store as the client library would.
pub(super) fn set_up(server: &TcpStream) -> io::Result<()> {
    apply_tcp_settings(server)?;
    SockRef::from(server).set_recv_buffer_size(RECEIVE_BUFFER)
}

/// The next bytes; none when there will be no more. A connection on which nothing comes has no buffer:
/// there can be thousands of them.
pub(super) async fn read_some(from: &mut (impl AsyncRead + Unpin)) -> Option<Vec<u8>> {
    poll_fn(|context| {
        let mut bytes = [MaybeUninit::uninit(); CHUNK];
        let mut buffer = ReadBuf::uninit(&mut bytes);
        let read = ready!(Pin::new(&mut *from).poll_read(context, &mut buffer));
        let is_more = read.is_ok() && !buffer.filled().is_empty();
        Poll::Ready(is_more.then(|| buffer.filled().to_vec()))
    })
    .await
}
