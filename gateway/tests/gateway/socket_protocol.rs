//! The protocols of the sockets, Engine.IO 4 and Socket.IO 5, case by case: what a client says, and
//! what it hears. Refused requests are in `socket_requests`.

mod cases;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Bytes, Message},
};

use crate::support::{Gateway, PATIENCE, World, client::Answer, one_product};

use cases::{
    CASES,
    Step::{self, End, Hear, Say, SayBytes, Stay},
};

/// A WebSocket after its `open` packet.
struct Session {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    open: Value,
}

impl Session {
    async fn open(gateway: &Gateway) -> Self {
        let mut stream = dial(gateway, "").await;
        let Message::Text(open) = next(&mut stream).await.unwrap() else {
            panic!("no text");
        };
        let open = serde_json::from_str(open.strip_prefix('0').unwrap()).unwrap();
        Self { stream, open }
    }

    async fn play(&mut self, case: &str, steps: &[Step]) {
        for step in steps {
            let why = format!("{case}: {step:?} of {steps:?}");
            match step {
                Say(text) => self.send(Message::text(*text)).await,
                SayBytes(bytes) => self.send(Message::binary(*bytes)).await,
                Hear(start) => {
                    let heard = self.hear(start.starts_with("42")).await;
                    let heard = heard.unwrap_or_else(|| panic!("{why}: it was closed"));
                    assert!(heard.starts_with(start), "{why}: {heard}");
                }
                Stay => {
                    self.send(Message::Ping(Bytes::from_static(b"there?")))
                        .await;
                    let heard = self.hear(false).await;
                    assert_eq!(heard.as_deref(), Some("pong"), "{why}");
                }
                End => {
                    // A close packet may come first.
                    while let Some(heard) = self.hear(false).await {
                        assert_eq!(heard, "1", "{why}");
                    }
                }
            }
        }
    }

    /// A connection that was just closed takes nothing any more, which the next step shows.
    async fn send(&mut self, message: Message) {
        let _ = self.stream.send(message).await;
    }

    /// The next packet, or `pong`; none when the connection was closed.
    async fn hear(&mut self, events_too: bool) -> Option<String> {
        loop {
            match next(&mut self.stream).await? {
                Message::Text(text) if text.as_str() == "2" => self.send(Message::text("3")).await,
                Message::Text(text) if text.starts_with("42") && !events_too => {}
                Message::Text(text) => return Some(text.to_string()),
                Message::Pong(_) => return Some("pong".to_owned()),
                Message::Close(_) => return None,
                other => panic!("{other:?}"),
            }
        }
    }
}

async fn dial(gateway: &Gateway, query: &str) -> WebSocketStream<MaybeTlsStream<TcpStream>> {
    let address = gateway.client.address;
    let url = format!("ws://{address}/socket.io/?EIO=4&transport=websocket{query}");
    connect_async(url).await.unwrap().0
}

/// The next message; none at the end, however the connection ended.
async fn next(stream: &mut WebSocketStream<MaybeTlsStream<TcpStream>>) -> Option<Message> {
    let message = timeout(PATIENCE, stream.next()).await.expect("a message");
    message.and_then(Result::ok)
}

#[tokio::test]
async fn websockets_speak_the_protocols() {
    let world = World::new().await;
    world.announce("drop", one_product("p", 10)).await;
    let gateway = world.gateway().await;
    // In boxes, since all of them together are more than a stack has room for.
    let cases = CASES.iter().map(|(case, steps)| {
        Box::pin(async {
            let mut session = Session::open(&gateway).await;
            session.play(case, steps).await;
        })
    });
    futures_util::future::join_all(cases).await;
}

/// What a session is told when it begins.
fn assert_is_open(open: &Value, upgrades: &[&str]) {
    assert_eq!(open["upgrades"], Value::from(upgrades.to_vec()), "{open}");
    assert!(
        open["sid"].as_str().is_some_and(|sid| sid.len() >= 16),
        "{open}"
    );
    let figures = ["pingInterval", "pingTimeout", "maxPayload"].map(|name| open[name].as_u64());
    assert_eq!(
        figures,
        [Some(25_000), Some(20_000), Some(16_384)],
        "{open}"
    );
}

/// A polling session.
struct Polling<'a> {
    gateway: &'a Gateway,
    address: String,
    sid: String,
}

impl<'a> Polling<'a> {
    async fn open(gateway: &'a Gateway) -> Self {
        let address = "/socket.io/?EIO=4&transport=polling";
        let answer = gateway.client.get(address).await;
        let content_type = answer.header("content-type");
        assert_eq!(content_type, Some("text/plain; charset=UTF-8"));
        let text = answer.text();
        let open: Value = serde_json::from_str(text.strip_prefix('0').unwrap()).unwrap();
        assert_is_open(&open, &["websocket"]);
        let sid = open["sid"].as_str().unwrap().to_owned();
        let address = format!("{address}&sid={sid}");
        Self {
            gateway,
            address,
            sid,
        }
    }

    async fn poll(&self) -> Answer {
        self.gateway.client.get(&self.address).await
    }

    async fn post(&self, body: &str) -> Answer {
        let plain = [("content-type", "text/plain;charset=UTF-8")];
        let client = self.gateway.client;
        client
            .request("POST", &self.address, &plain, body.as_bytes())
            .await
    }

    async fn assert_is_gone(&self, why: &str) {
        let answer = self.poll().await;
        assert_eq!(
            (answer.status, answer.json()["code"].as_u64()),
            (400, Some(1)),
            "{why}"
        );
    }

    /// What comes until a packet begins so.
    async fn poll_until(&self, start: &str) -> Vec<String> {
        let mut heard = Vec::new();
        while !heard
            .iter()
            .any(|packet: &String| packet.starts_with(start))
        {
            let answer = self.poll().await;
            assert_eq!(answer.status, 200, "{heard:?} {}", answer.text());
            heard.extend(answer.text().split('\u{1e}').map(str::to_owned));
        }
        heard
    }
}

#[tokio::test]
async fn polls_speak_the_protocols() {
    let world = World::new().await;
    world.announce("drop", one_product("p", 10)).await;
    let gateway = world.gateway().await;
    assert_is_open(&Session::open(&gateway).await.open, &[]);

    // Several packets in one body, and several in one answer.
    let session = Polling::open(&gateway).await;
    assert_eq!(session.post("40\u{1e}3").await.text(), "ok");
    session.poll_until("42[\"sale-status\"").await;
    assert_eq!(session.post("41\u{1e}40").await.text(), "ok");
    session.poll_until("40{").await;
    assert_eq!(session.post("1").await.text(), "ok");
    session.assert_is_gone("it was closed").await;

    // What is no packet ends the session.
    for body in ["abc", "4abc", "42[\"x\"]", "\u{1e}"] {
        let session = Polling::open(&gateway).await;
        let _ = session.post(body).await;
        session.assert_is_gone(body).await;
    }
    // So does more than the session was told to send.
    let session = Polling::open(&gateway).await;
    let long = session
        .post(&format!("42[\"{}\"]", "x".repeat(20_000)))
        .await;
    assert_eq!(long.status, 413, "{}", long.text());
    session.assert_is_gone("it sent too much").await;

    // And a second poll beside the first.
    let session = Polling::open(&gateway).await;
    assert_eq!(session.poll().await.text(), "2");
    let (one, other) = tokio::join!(session.poll(), session.poll());
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 400]);
    session.assert_is_gone("it polled twice").await;
}

#[tokio::test]
async fn a_session_moves_from_polls_to_a_websocket() {
    let world = World::new().await;
    world.announce("drop", one_product("p", 10)).await;
    let gateway = world.gateway().await;
    let session = Polling::open(&gateway).await;
    assert_eq!(session.post("40").await.text(), "ok");
    session.poll_until("40{").await;
    let upgrade = format!("&sid={}", session.sid);
    let mut stream = dial(&gateway, &upgrade).await;
    stream.send(Message::text("2probe")).await.unwrap();
    assert_eq!(next(&mut stream).await, Some(Message::text("3probe")));
    stream.send(Message::text("5")).await.unwrap();
    let mut moved = Session {
        stream,
        open: Value::Null,
    };
    moved
        .play("moved", &[Say("41"), Say("40"), Hear("40{"), Stay])
        .await;
    // The old way is closed, and there is no second new one.
    let answer = session.poll().await;
    assert_eq!(
        (answer.status, answer.json()["code"].as_u64()),
        (400, Some(3))
    );
    let mut second = dial(&gateway, &upgrade).await;
    assert_eq!(next(&mut second).await, None);
    moved.play("still there", &[Stay]).await;

    // A session that is not there cannot move, and one that does not say so does not.
    let mut stranger = dial(&gateway, "&sid=AAAAAAAAAAAAAAHs").await;
    assert_eq!(next(&mut stranger).await, None);
    let session = Polling::open(&gateway).await;
    let mut stream = dial(&gateway, &format!("&sid={}", session.sid)).await;
    stream.send(Message::text("2")).await.unwrap();
    assert_eq!(next(&mut stream).await, None);
}
