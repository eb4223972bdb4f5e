//! One shopper's socket.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use flashsale_domain::id::JobId;
use futures_util::{SinkExt as _, StreamExt as _};
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{Message, protocol::WebSocketConfig},
};

use super::Heard;
use crate::error::{Error, Result};

/// Bytes that a socket reads at a time: what ten thousand of them need must not matter, and all
/// packets are shorter.
const READ_BUFFER: usize = 512;

/// The same for writing: a pong.
const WRITE_BUFFER: usize = 64;

#[derive(Debug)]
pub(super) struct Socket(WebSocketStream<TcpStream>);

impl Socket {
    /// Connects to the gateway at `address` as `user`, and waits until it is let in.
    pub(super) async fn connect(address: SocketAddr, user: &str) -> Result<Self> {
        let not_connected = |error| format!("it could not connect: {error}");
        let stream = TcpStream::connect(address).await.map_err(not_connected)?;
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
                (Packet::Unwanted, text) => return Err(unwanted(&text)),
                _ => {}
            }
        }
    }

    /// Notes what the gateway says, until the socket ends.
    pub(super) async fn listen(mut self, heard: Arc<Heard>) -> Error {
        loop {
            match self.next().await {
                Ok((Packet::Stock(stock), _)) => heard.stock(stock, Instant::now()),
                Ok((Packet::Confirmed(job), _)) => heard.confirmed(job, Instant::now()),
                Ok((Packet::Unwanted, text)) => return unwanted(&text),
                Ok(_) => {}
                Err(error) => return error,
            }
        }
    }

    /// The next packet, and its text where that may be told. Pings are answered.
    async fn next(&mut self) -> Result<(Packet, String)> {
        loop {
            let text = match self.0.next().await {
                Some(Ok(Message::Text(text))) => text,
                Some(Ok(Message::Close(_))) | None => return Err("the gateway closed it".into()),
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

    async fn say(&mut self, text: &str) -> Result<()> {
        Ok(self.0.send(Message::text(text)).await?)
    }
}

/// What no measurement wants to hear.
fn unwanted(text: &str) -> Error {
    format!("the gateway said `{text}`").into()
}

/// What an event of the default namespace begins with.
const EVENT: &str = "42";

#[derive(Debug, PartialEq, Eq)]
enum Packet {
    /// Is this client still there?
    Ping,
    /// The namespace was entered.
    Entered,
    /// A product has so many units left.
    Stock(i32),
    /// A buy became an order.
    Confirmed(JobId),
    /// A buy ended without an order, or the gateway closed the socket: no measurement wants either.
    Unwanted,
    /// Something else.
    Other,
}

/// The payload of an event; each name has some of the fields.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    stock: Option<i32>,
    job_id: Option<JobId>,
}

impl Packet {
    /// Reads a packet; one that cannot be read is unwanted.
    fn read(text: &str) -> Self {
        match text.strip_prefix(EVENT) {
            Some(event) => Self::read_event(event),
            None => match text.as_bytes() {
                [b'2'] => Self::Ping,
                [b'4', b'0', ..] => Self::Entered,
                [b'1' | b'4', ..] => Self::Unwanted,
                _ => Self::Other,
            },
        }
    }

    fn read_event(json: &str) -> Self {
        let Ok((name, payload)) = serde_json::from_str::<(&str, Payload)>(json) else {
            return Self::Unwanted;
        };
        match (name, payload.stock, payload.job_id) {
            ("stock-update", Some(stock), _) => Self::Stock(stock),
            ("order_confirmed", _, Some(job)) => Self::Confirmed(job),
            ("lane-progress" | "sale-status", ..) => Self::Other,
            _ => Self::Unwanted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_known_by_their_beginning_and_name() {
        let job = "01900000-0000-7000-8000-000000000001";
        let confirmed =
            format!(r#"42["order_confirmed",{{"jobId":"{job}","orderId":7,"productId":"p"}}]"#);
        let rejected = format!(
            r#"42["order_rejected",{{"jobId":"{job}","productId":"p","reason":"failed"}}]"#
        );
        for (text, packet) in [
            ("2", Packet::Ping),
            (r#"40{"sid":"x"}"#, Packet::Entered),
            (
                r#"42["stock-update",{"productId":"p","stock":5}]"#,
                Packet::Stock(5),
            ),
            (
                confirmed.as_str(),
                Packet::Confirmed(JobId(job.parse().unwrap())),
            ),
            (rejected.as_str(), Packet::Unwanted),
            (r#"42["sale-status",{"sale":"s"}]"#, Packet::Other),
            (r#"44{"message":"no"}"#, Packet::Unwanted),
            ("41", Packet::Unwanted),
            ("1", Packet::Unwanted),
            ("6", Packet::Other),
            ("42[", Packet::Unwanted),
        ] {
            assert_eq!(Packet::read(text), packet, "{text}");
        }
    }
}
