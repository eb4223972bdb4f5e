//! A Socket.io client over WebSocket, as small as the protocol allows (Engine.io 4, Socket.io 5).

use std::net::SocketAddr;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, Utf8Bytes},
};

use super::{PATIENCE, client::Client};

/// One connected socket.
pub struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// What an event begins with: `42`, and the namespace.
    event: String,
    /// The answer to the handshake: `40{…}` or `44{…}`, after the number the namespace.
    pub handshake: String,
}

impl Socket {
    /// Connects to the shoppers' namespace with this `auth` payload.
    pub async fn connect(address: SocketAddr, auth: &Value) -> Self {
        Self::connect_to(address, "/", auth).await
    }

    /// Connects to this namespace with this `auth` payload.
    pub async fn connect_to(address: SocketAddr, namespace: &str, auth: &Value) -> Self {
        let url = format!("ws://{address}/socket.io/?EIO=4&transport=websocket");
        let (stream, _) = connect_async(url).await.unwrap();
        let mut socket = Self {
            stream,
            event: "42".to_owned(),
            handshake: String::new(),
        };
        assert!(socket.text().await.unwrap().starts_with('0'));
        // The default namespace goes without its name.
        let named = match namespace {
            "/" => String::new(),
            other => format!("{other},"),
        };
        socket.event.push_str(&named);
        let connect = format!("40{named}{auth}");
        socket
            .stream
            .send(Message::Text(connect.into()))
            .await
            .unwrap();
        socket.handshake = socket.text().await.unwrap().to_string();
        socket
    }

    /// Leaves the shoppers' namespace and joins it again at once, with this `auth` payload.
    pub async fn leave_and_return(&mut self, auth: &Value) {
        for packet in ["41".to_owned(), format!("40{auth}")] {
            self.stream
                .feed(Message::Text(packet.into()))
                .await
                .unwrap();
        }
        self.stream.flush().await.unwrap();
        loop {
            let packet = self.text().await.expect("the socket to stay open");
            if packet.starts_with("40{") {
                return;
            }
        }
    }

    /// Connects as clients do by default: begins with polling and becomes a WebSocket.
    pub async fn upgrade(client: Client) -> Self {
        let path = "/socket.io/?EIO=4";
        let polling = format!("{path}&transport=polling");
        let opened = client.get(&polling).await.text();
        let opened: Value = serde_json::from_str(&opened[1..]).unwrap();
        let session = opened["sid"].as_str().unwrap();
        let polling = format!("{polling}&sid={session}");
        let sent = client.request("POST", &polling, &[], b"40").await;
        assert_eq!(sent.status, 200);
        let handshake = client.get(&polling).await.text();
        let url = format!(
            "ws://{}{path}&transport=websocket&sid={session}",
            client.address
        );
        let (stream, _) = connect_async(url).await.unwrap();
        let mut socket = Self {
            stream,
            event: "42".to_owned(),
            handshake,
        };
        socket.send("2probe").await;
        assert_eq!(socket.text().await.unwrap().as_str(), "3probe");
        socket.send("5").await;
        socket
    }

    /// The next event, its name and its payload; none when the socket was closed.
    pub async fn event(&mut self) -> Option<(String, Value)> {
        loop {
            let text = self.text().await?;
            if let Some(json) = text.strip_prefix(&self.event) {
                let mut event: Vec<Value> = serde_json::from_str(json).unwrap();
                let payload = event.remove(1);
                return Some((event[0].as_str().unwrap().to_owned(), payload));
            }
        }
    }

    /// The next event of this name.
    pub async fn event_named(&mut self, name: &str) -> Value {
        loop {
            let (found, payload) = self.event().await.expect("the socket to stay open");
            if found == name {
                return payload;
            }
        }
    }

    /// Waits until the gateway disconnects the socket from its namespace; false when the connection
    /// breaks in place of that.
    pub async fn is_disconnected(&mut self) -> bool {
        loop {
            match self.text().await {
                Some(text) if text.as_str() == "41" => return true,
                Some(_) => {}
                None => return false,
            }
        }
    }

    /// Sends this text.
    pub async fn send(&mut self, text: impl Into<Utf8Bytes>) {
        self.stream.send(Message::Text(text.into())).await.unwrap();
    }

    /// The next text; none when the socket was closed.
    pub async fn text(&mut self) -> Option<Utf8Bytes> {
        let next = async {
            loop {
                match self.stream.next().await {
                    Some(Ok(Message::Text(text))) if text.as_str() == "2" => {
                        self.stream.send(Message::Text("3".into())).await.unwrap();
                    }
                    Some(Ok(Message::Text(text))) => return Some(text),
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                    Some(Ok(_)) => {}
                }
            }
        };
        timeout(PATIENCE, next).await.expect("a packet in time")
    }
}
