//! A shopper's Socket.io client over WebSocket (Engine.io 4, Socket.io 5), small enough for thousands
//! of them in one process.

use std::io;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::{TcpStream, ToSocketAddrs};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{self, Message, protocol::WebSocketConfig},
};

/// Bytes that a socket reads at a time: what ten thousand of them need must not matter, and all
/// packets are shorter.
const READ_BUFFER: usize = 512;

/// The same for writing: a pong.
const WRITE_BUFFER: usize = 64;

/// Why a socket cannot be opened, or has ended.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// There is no connection.
    #[error("it could not connect: {0}")]
    Connect(#[from] io::Error),
    /// The connection speaks no WebSocket, or broke.
    #[error(transparent)]
    Broken(Box<tungstenite::Error>),
    /// The gateway closed it.
    #[error("the gateway closed it")]
    Closed,
    /// The gateway refused the shopper, ended the session, or said what no gateway says.
    #[error("the gateway said `{0}`")]
    Refused(String),
}

impl From<tungstenite::Error> for SocketError {
    fn from(error: tungstenite::Error) -> Self {
        Self::Broken(Box::new(error))
    }
}

/// A socket whose shopper was let in.
#[derive(Debug)]
pub struct Socket(WebSocketStream<TcpStream>);

impl Socket {
    /// Connects to the gateway at `address` as `user`, whose id needs no escape in JSON, and waits
    /// until it is let in. `base` is what the gateway's paths begin with, e.g.
    /// `127.0.0.1:8080/shop`.
    pub async fn connect(
        address: impl ToSocketAddrs,
        base: &str,
        user: &str,
    ) -> Result<Self, SocketError> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let url = format!("ws://{base}/socket.io/?EIO=4&transport=websocket");
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(WRITE_BUFFER);
        let (stream, _) = client_async_with_config(url, stream, Some(config)).await?;
        let mut socket = Self(stream);
        socket.say(&format!("40{{\"userId\":\"{user}\"}}")).await?;
        while !socket.packet().await?.starts_with("40") {}
        Ok(socket)
    }

    /// The next event: the JSON of an array of its name and its payload.
    pub async fn event(&mut self) -> Result<String, SocketError> {
        loop {
            if let Some(event) = self.packet().await?.strip_prefix("42") {
                return Ok(event.to_owned());
            }
        }
    }

    /// The next packet. Pings are answered; the end of the session is an error.
    async fn packet(&mut self) -> Result<String, SocketError> {
        loop {
            let text = match self.0.next().await {
                Some(Ok(Message::Text(text))) => text,
                Some(Ok(Message::Close(_))) | None => return Err(SocketError::Closed),
                Some(Ok(_)) => continue,
                Some(Err(error)) => return Err(error.into()),
            };
            match text.as_bytes() {
                [b'2'] => self.say("3").await?,
                [b'4', b'0' | b'2', ..] | [b'0' | b'3' | b'5' | b'6', ..] => {
                    return Ok(text.as_str().to_owned());
                }
                _ => return Err(SocketError::Refused(text.as_str().to_owned())),
            }
        }
    }

    async fn say(&mut self, text: &str) -> Result<(), SocketError> {
        Ok(self.0.send(Message::text(text)).await?)
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;
    use tokio_tungstenite::accept_async;

    use super::*;

    /// A gateway that sends these packets, and answers what it is told.
    async fn connect(packets: &'static [&str]) -> (Result<Socket, SocketError>, Vec<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let gateway = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut socket = accept_async(stream).await.unwrap();
            for packet in packets {
                socket.send(Message::text(*packet)).await.unwrap();
            }
            let mut told = Vec::new();
            while let Some(Ok(Message::Text(text))) = socket.next().await {
                told.push(text.as_str().to_owned());
            }
            told
        });
        let mut socket = Socket::connect(address, &address.to_string(), "ann").await;
        if let Ok(socket) = &mut socket {
            assert_eq!(socket.event().await.unwrap(), r#"["stock-update",{}]"#);
            assert!(
                matches!(socket.event().await, Err(SocketError::Refused(text)) if text == "41")
            );
            socket.0.close(None).await.unwrap();
        }
        (socket, gateway.await.unwrap())
    }

    #[tokio::test]
    async fn a_shopper_is_let_in_hears_events_answers_pings_and_notices_the_end() {
        let packets = &[
            r#"0{"sid":"x"}"#,
            "40{}",
            "2",
            r#"42["stock-update",{}]"#,
            "41",
        ];
        let (socket, told) = connect(packets).await;
        assert!(socket.is_ok());
        assert_eq!(told, [r#"40{"userId":"ann"}"#, "3"]);
    }

    #[tokio::test]
    async fn a_shopper_who_is_refused_is_told_why() {
        let (socket, _) = connect(&[r#"44{"message":"no"}"#]).await;
        assert_eq!(
            socket.unwrap_err().to_string(),
            r#"the gateway said `44{"message":"no"}`"#
        );
    }
}
