//! One keep-alive HTTP/1.1 connection to a gateway.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpSocket, TcpStream, lookup_host},
    time::timeout,
};

use crate::load::target::Target;

/// How long connecting may take.
const CONNECT_PATIENCE: Duration = Duration::from_secs(3);

/// How long an answer may take before the client gives the connection up, as shoppers' clients do.
const ANSWER_PATIENCE: Duration = Duration::from_secs(10);

/// Why no answer came.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    /// There is no connection.
    #[error("cannot connect: {0}")]
    Connect(#[from] io::Error),
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(#[from] hyper::Error),
    /// Nobody answered in time.
    #[error("no answer in time")]
    Silent,
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// A connection that is made when needed and made again after it broke.
#[derive(Debug)]
pub(crate) struct Connection {
    target: Target,
    /// The address of this machine that it comes from; the system's choice when absent.
    source: Option<IpAddr>,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Connection {
    /// A connection to `target`; nothing is connected yet.
    pub(crate) fn new(target: Target) -> Self {
        Self {
            target,
            source: None,
            sender: None,
        }
    }

    /// The same connection, coming from the address `source` of this machine.
    pub(crate) fn with_source(self, source: Option<IpAddr>) -> Self {
        Self { source, ..self }
    }

    /// Connects, unless it is connected.
    pub(crate) async fn ready(&mut self) -> Result<(), HttpError> {
        if let Some(sender) = &mut self.sender
            && sender.ready().await.is_ok()
        {
            return Ok(());
        }
        self.sender = None;
        let stream = timeout(CONNECT_PATIENCE, self.connect())
            .await
            .map_err(|_| HttpError::Silent)??;
        // A request is one small segment; waiting for more to send with it would only cost time.
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // Ends when the sender is dropped or the connection breaks, which the next use finds out.
        tokio::spawn(connection);
        self.sender = Some(sender);
        Ok(())
    }

    async fn connect(&self) -> io::Result<TcpStream> {
        let Some(source) = self.source else {
            return TcpStream::connect(self.target.socket()).await;
        };
        let target = lookup_host(self.target.socket())
            .await?
            .find(|target| target.is_ipv4() == source.is_ipv4())
            .ok_or_else(|| {
                let what = format!("the gateway has no address that {source} could connect to");
                io::Error::new(io::ErrorKind::AddrNotAvailable, what)
            })?;
        let socket = if source.is_ipv4() {
            TcpSocket::new_v4()?
        } else {
            TcpSocket::new_v6()?
        };
        // A port that an earlier connection of this address used may be used again.
        socket.set_reuseaddr(true)?;
        socket.bind(SocketAddr::new(source, 0))?;
        socket.connect(target).await
    }

    /// Sends a request and reads the whole answer.
    pub(crate) async fn exchange(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Reply, HttpError> {
        self.ready().await?;
        // Taken out, and put back only after a whole answer: what broke in between is not used.
        let Some(mut sender) = self.sender.take() else {
            return Err(HttpError::Silent);
        };
        let reply = timeout(ANSWER_PATIENCE, async {
            let (head, body) = sender.send_request(request).await?.into_parts();
            let body = body.collect().await?.to_bytes();
            Ok::<_, hyper::Error>(Reply {
                status: head.status,
                headers: head.headers,
                body,
            })
        })
        .await
        .map_err(|_| HttpError::Silent)??;
        self.sender = Some(sender);
        Ok(reply)
    }

    /// Sends a GET.
    pub(crate) async fn get(&mut self, path: &str) -> Result<Reply, HttpError> {
        let request = Request::get(self.target.path(path))
            .header(http::header::HOST, self.target.authority())
            .body(Full::default());
        match request {
            Ok(request) => self.exchange(request).await,
            Err(error) => Err(HttpError::Connect(io::Error::other(error))),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_connection_comes_from_the_address_that_is_asked_for() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let target = Target::parse(&format!("http://127.0.0.1:{port}")).unwrap();
        let source: IpAddr = "127.0.0.9".parse().unwrap();
        let mut connection = Connection::new(target).with_source(Some(source));
        connection.ready().await.unwrap();
        let (_, peer) = listener.accept().await.unwrap();
        assert_eq!(peer.ip(), source);
    }

    #[tokio::test]
    async fn a_source_of_the_other_family_is_told() {
        let target = Target::parse("http://127.0.0.1:1").unwrap();
        let source: IpAddr = "::1".parse().unwrap();
        let mut connection = Connection::new(target).with_source(Some(source));
        let error = connection.ready().await.unwrap_err().to_string();
        assert!(error.contains("no address that ::1"), "{error}");
    }
}
