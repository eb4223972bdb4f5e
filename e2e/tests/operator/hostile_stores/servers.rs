//! Servers that speak as much of a protocol as it takes to be listened to, and then send without end.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{self, AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Endless {
    /// Redis: one string of half a GiB.
    BulkString,
    /// Redis: an array of very many small numbers.
    Array,
    /// Redis: the same of arrays of arrays, each of which is a vector in memory.
    Vectors,
    /// PostgreSQL: one message of 2 GiB, when somebody logs in.
    Message,
    /// PostgreSQL: settings of the session, each with a new name, which the client remembers.
    Settings,
    /// PostgreSQL: rows in answer to a query.
    Rows,
}

/// A server.
pub(super) struct Hostile {
    kind: Endless,
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Hostile {
    pub(super) async fn start(kind: Endless) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = connections.clone();
        let task = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                counter.fetch_add(1, Ordering::Relaxed);
                // Ends when the client has had enough.
                tokio::spawn(serve(client, kind));
            }
        });
        Self {
            kind,
            address,
            connections,
            task,
        }
    }

    /// Host and port.
    pub(super) fn place(&self) -> String {
        self.address.to_string()
    }

    pub(super) fn url(&self) -> String {
        let place = self.place();
        match self.kind {
            Endless::BulkString | Endless::Array | Endless::Vectors => format!("redis://{place}"),
            _ => format!("postgres://someone:secret@{place}/shop"),
        }
    }

    /// How often somebody connected.
    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

async fn serve(mut client: TcpStream, kind: Endless) -> io::Result<()> {
    match kind {
        Endless::BulkString => {
            until_asked(&mut client).await?;
            client.write_all(b"$536870912\r\n").await?;
            repeat(&mut client, b"x").await
        }
        Endless::Array => {
            until_asked(&mut client).await?;
            client.write_all(b"*2147483647\r\n").await?;
            repeat(&mut client, b":1\r\n").await
        }
        Endless::Vectors => {
            until_asked(&mut client).await?;
            client.write_all(b"*2147483647\r\n").await?;
            // The client library takes a depth of 100.
            let element = format!("{}:1\r\n", "*1\r\n".repeat(90));
            repeat(&mut client, element.as_bytes()).await
        }
        Endless::Message => {
            log_in(&mut client).await?;
            client.write_all(b"N\x7f\xff\xff\xff").await?;
            repeat(&mut client, b"x").await
        }
        Endless::Settings => {
            log_in(&mut client).await?;
            settings(&mut client).await
        }
        Endless::Rows => {
            log_in(&mut client).await?;
            // Key data, which the client waits for, and "ready".
            client
                .write_all(b"K\0\0\0\x0c\0\0\0\x01\0\0\0\x01Z\0\0\0\x05I")
                .await?;
            until_asked(&mut client).await?;
            client.write_all(b"T\0\0\0\x06\0\0").await?;
            repeat(&mut client, b"D\0\0\0\x06\0\0").await
        }
    }
}

async fn until_asked(client: &mut TcpStream) -> io::Result<()> {
    let mut request = [0; 4_096];
    match client.read(&mut request).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

/// Refuses TLS and takes any login.
async fn log_in(client: &mut TcpStream) -> io::Result<()> {
    until_asked(client).await?;
    client.write_all(b"N").await?;
    until_asked(client).await?;
    client.write_all(b"R\0\0\0\x08\0\0\0\0").await
}

/// Sends `part` again and again, many at a time.
async fn repeat(client: &mut TcpStream, part: &[u8]) -> io::Result<()> {
    let parts = part.repeat(64 * 1024 / part.len());
    loop {
        client.write_all(&parts).await?;
    }
}

async fn settings(client: &mut TcpStream) -> io::Result<()> {
    let mut numbers = 0_u32..;
    loop {
        let messages = numbers.by_ref().take(4_096).flat_map(|number| {
            let body = format!("{number:x}\0\0");
            let length = u32::try_from(body.len() + 4).unwrap();
            [b"S".as_slice(), &length.to_be_bytes(), body.as_bytes()].concat()
        });
        client.write_all(&messages.collect::<Vec<u8>>()).await?;
    }
}
