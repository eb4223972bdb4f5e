//! One shopper's socket.

use std::{io, net::SocketAddr, sync::Arc, time::Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{self, Message, protocol::WebSocketConfig},
};

use super::{Heard, packet::Packet};

/// Bytes that a socket reads at a time: what ten thousand of them need must not matter, and all
/// packets are shorter.
const READ_BUFFER: usize = 512;

/// The same for writing: a pong.
const WRITE_BUFFER: usize = 64;

/// What went wrong with one socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// No connection.
    #[error("it could not connect: {0}")]
    Connect(#[from] io::Error),
    /// The WebSocket broke.
    #[error("it broke: {0}")]
    Broken(Box<tungstenite::Error>),
    /// The gateway closed it.
    #[error("the gateway closed it")]
    Closed,
    /// The gateway said what no measurement wants to hear.
    #[error("the gateway said `{0}`")]
    Unwanted(String),
}

impl From<tungstenite::Error> for SocketError {
    fn from(error: tungstenite::Error) -> Self {
        Self::Broken(Box::new(error))
    }
}

/// A connected socket.
#[derive(Debug)]
pub(super) struct Socket(WebSocketStream<TcpStream>);

impl Socket {
    /// Connects to the gateway at `address` as `user`, and waits until it is let in.
    pub(super) async fn connect(address: SocketAddr, user: &str) -> Result<Self, SocketError> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let url = format!("ws://{address}/socket.io/?EIO=4&transport=websocket");
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(WRITE_BUFFER);
        let (stream, _) = client_async_with_config(url, stream, Some(config)).await?;
        let mut socket = Self(stream);
        socket.say(&format!("40{{\"userId\":\"{user}\"}}")).await?;
        loop {
            match socket.next().await? {
                (Packet::Entered, _) => return Ok(socket),
                (Packet::Unwanted, text) => return Err(SocketError::Unwanted(text)),
                _ => {}
            }
        }
    }

    /// Notes what the gateway says, until the socket ends.
    pub(super) async fn listen(mut self, heard: Arc<Heard>) -> SocketError {
        loop {
            match self.next().await {
                Ok((Packet::Stock(stock), _)) => heard.stock(stock, Instant::now()),
                Ok((Packet::Confirmed(job), _)) => heard.confirmed(job, Instant::now()),
                Ok((Packet::Unwanted, text)) => return SocketError::Unwanted(text),
                Ok(_) => {}
                Err(error) => return error,
            }
        }
    }

    /// The next packet, and its text where that may be told. Pings are answered.
    async fn next(&mut self) -> Result<(Packet, String), SocketError> {
        loop {
            let text = match self.0.next().await {
                Some(Ok(Message::Text(text))) => text,
                Some(Ok(Message::Close(_))) | None => return Err(SocketError::Closed),
                Some(Ok(_)) => continue,
                Some(Err(error)) => return Err(error.into()),
            };
            match Packet::read(&text) {
                Packet::Ping => self.say("3").await?,
                Packet::Unwanted => return Ok((Packet::Unwanted, text.as_str().to_owned())),
                packet => return Ok((packet, String::new())),
            }
        }
    }

    async fn say(&mut self, text: &str) -> Result<(), SocketError> {
        Ok(self.0.send(Message::text(text)).await?)
    }
}
