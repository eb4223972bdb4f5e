//! One keep-alive HTTP/1.1 connection to a gateway.

use std::{io, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::timeout};

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
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Connection {
    /// A connection to `target`; nothing is connected yet.
    pub(crate) fn new(target: Target) -> Self {
        Self {
            target,
            sender: None,
        }
    }

    /// Connects, unless it is connected.
    pub(crate) async fn ready(&mut self) -> Result<(), HttpError> {
        if let Some(sender) = &mut self.sender
            && sender.ready().await.is_ok()
        {
            return Ok(());
        }
        self.sender = None;
        let stream = timeout(CONNECT_PATIENCE, TcpStream::connect(self.target.socket()))
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
