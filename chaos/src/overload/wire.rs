//! HTTP written by hand: half a request, many at once, or answers that nobody reads.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use flashsale_testbed::http::Head;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Bytes read at a time.
const CHUNK: usize = 16 * 1024;

/// Longest head of an answer.
const LONGEST_HEAD: usize = 64 * 1024;

/// A connection.
#[derive(Debug)]
pub(super) struct Wire {
    stream: TcpStream,
    /// What was read and belongs to no answer yet.
    buffer: Vec<u8>,
}

impl Wire {
    /// Connects from the address `source`. With `receive_buffer` the kernel keeps about that many
    /// bytes that were not read. When it is dropped, the connection is reset, so that nothing of it
    /// remains on this side.
    pub(super) async fn connect(
        source: Ipv4Addr,
        target: SocketAddr,
        receive_buffer: Option<u32>,
    ) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        if let Some(bytes) = receive_buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        socket.set_zero_linger()?;
        socket.bind(SocketAddr::new(IpAddr::V4(source), 0))?;
        let stream = timeout(CONNECT_TIMEOUT, socket.connect(target))
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: Vec::new(),
        })
    }

    /// Sends bytes.
    pub(super) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Sends as much as there is room for, without waiting.
    pub(super) fn send_some(&self, bytes: &[u8]) -> io::Result<()> {
        match self.stream.try_write(bytes) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(()),
        }
    }

    /// Reads a whole answer and gives its status.
    pub(super) async fn answer(&mut self) -> io::Result<u16> {
        self.answer_with_body().await.map(|(status, _)| status)
    }

    /// Reads a whole answer.
    pub(super) async fn answer_with_body(&mut self) -> io::Result<(u16, Vec<u8>)> {
        loop {
            if let Some(head) = Head::parse(&self.buffer)? {
                while self.buffer.len() < head.length + head.body {
                    self.read().await?;
                }
                let rest = self.buffer.split_off(head.length + head.body);
                let mut answer = std::mem::replace(&mut self.buffer, rest);
                return Ok((head.status, answer.split_off(head.length)));
            }
            if self.buffer.len() > LONGEST_HEAD {
                let endless = "the head of an answer has no end";
                return Err(io::Error::new(io::ErrorKind::InvalidData, endless));
            }
            self.read().await?;
        }
    }

    /// Reads and forgets until the other side has closed.
    pub(super) async fn closed(&mut self) {
        self.buffer.clear();
        while self.read().await.is_ok() {
            self.buffer.clear();
        }
    }

    async fn read(&mut self) -> io::Result<()> {
        self.buffer.reserve(CHUNK);
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn answers_that_came_together_are_told_apart_until_the_end() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = listener.local_addr().unwrap();
        let source = Ipv4Addr::new(127, 0, 0, 7);
        let mut wire = Wire::connect(source, target, None).await.unwrap();
        let (mut served, peer) = listener.accept().await.unwrap();
        assert_eq!(peer.ip(), IpAddr::V4(source));
        let answers = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabcHTTP/1.1 404 x\r\n\r\n";
        served.write_all(answers).await.unwrap();
        drop(served);
        let (status, body) = wire.answer_with_body().await.unwrap();
        assert_eq!((status, body.as_slice()), (200, &b"abc"[..]));
        assert_eq!(wire.answer().await.unwrap(), 404);
        assert!(wire.answer().await.is_err());
    }
}
