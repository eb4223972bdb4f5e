//! Connections that are held as long as the gateway lets them.

use std::{io, time::Duration};

use tokio::time::{sleep, timeout};

use super::{Attacker, Kind};
use crate::overload::wire::Wire;

/// Time between two pieces of something slow. The gateway must judge by the whole, not by the last
/// piece.
const DRIP: Duration = Duration::from_secs(1);

/// How long the answer to a whole request may take.
const ANSWER: Duration = Duration::from_secs(5);

/// What the kernel of a slow reader keeps for it, in bytes; it makes of it what it thinks right.
const SMALL_BUFFER: u32 = 2_048;

/// Requests of a slow reader: their answers are some megabytes.
const UNREAD_ANSWERS: usize = 100;

/// The length that slow bodies are announced with, in bytes: one that buys may have.
const BODY: usize = 4_000;

impl Attacker {
    /// Holds one connection; comes back when the gateway has ended it.
    pub(super) async fn hold(&self) -> io::Result<()> {
        let buffer = (self.kind == Kind::SlowReaders).then_some(SMALL_BUFFER);
        let target = &self.target;
        let mut wire = Wire::connect(target.source, target.gateway, buffer).await?;
        self.books.connected(self.kind);
        match self.kind {
            Kind::SlowHeads => self.slow_head(&mut wire).await,
            Kind::SlowBodies => self.slow_body(&mut wire).await,
            Kind::SlowReaders => self.unread(&mut wire).await,
            _ => self.silent_socket(&mut wire).await,
        }
    }

    async fn slow_head(&self, wire: &mut Wire) -> io::Result<()> {
        let begin = format!("GET / HTTP/1.1\r\nHost: {}\r\n", self.host());
        wire.send(begin.as_bytes()).await?;
        self.drip(wire, b"X-Slow: 1\r\n").await
    }

    async fn slow_body(&self, wire: &mut Wire) -> io::Result<()> {
        let host = self.host();
        let request = if self.number.is_multiple_of(2) {
            format!(
                "POST /buy HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n\
                 Idempotency-Key: slow-{}\r\nContent-Length: {BODY}\r\n\r\n{{",
                self.number
            )
        } else {
            let session = self.session(wire).await?;
            format!(
                "POST /socket.io/?EIO=4&transport=polling&sid={session} HTTP/1.1\r\nHost: {host}\r\n\
                 Content-Type: text/plain;charset=UTF-8\r\nContent-Length: {BODY}\r\n\r\n4"
            )
        };
        wire.send(request.as_bytes()).await?;
        self.drip(wire, b" ").await
    }

    /// Opens an Engine.IO session and gives its id.
    async fn session(&self, wire: &mut Wire) -> io::Result<String> {
        wire.send(self.open_session().as_bytes()).await?;
        let (status, body) = timeout(ANSWER, wire.answer_with_body()).await??;
        self.books.answered(self.kind, status);
        String::from_utf8_lossy(&body)
            .split_once("\"sid\":\"")
            .and_then(|(_, rest)| rest.split_once('"'))
            .map(|(session, _)| session.to_owned())
            .ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionRefused))
    }

    /// Sends a piece a second until there is an answer.
    async fn drip(&self, wire: &mut Wire, piece: &[u8]) -> io::Result<()> {
        loop {
            match timeout(DRIP, wire.answer()).await {
                Ok(status) => {
                    self.books.answered(self.kind, status?);
                    return Ok(());
                }
                Err(_) => wire.send(piece).await?,
            }
        }
    }

    /// Asks for a lot and reads nothing.
    async fn unread(&self, wire: &mut Wire) -> io::Result<()> {
        let request = format!(
            "GET /openapi.json HTTP/1.1\r\nHost: {}\r\n\r\n",
            self.host()
        );
        wire.send(request.repeat(UNREAD_ANSWERS).as_bytes()).await?;
        loop {
            sleep(DRIP).await;
            // Whether the connection is still there shows when something is sent.
            wire.send_some(request.as_bytes())?;
        }
    }

    async fn silent_socket(&self, wire: &mut Wire) -> io::Result<()> {
        let request = format!(
            "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: {}\r\n\
             Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            self.host()
        );
        wire.send(request.as_bytes()).await?;
        let status = timeout(ANSWER, wire.answer()).await??;
        self.books.answered(self.kind, status);
        if status == 101 {
            wire.closed().await;
        }
        Ok(())
    }
}
