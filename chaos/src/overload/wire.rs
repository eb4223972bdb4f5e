//! HTTP written by hand: half a request, many at once, or answers that nobody reads.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

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

/// The end of a head.
const HEAD_END: &[u8] = b"\r\n\r\n";

/// A connection.
#[derive(Debug)]
pub(super) struct Wire {
    stream: TcpStream,
    /// What was read and belongs to no answer yet.
    buffer: Vec<u8>,
}

/// The head of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Head {
    status: u16,
    /// Bytes of the head, its end included.
    length: usize,
    /// Bytes of the body.
    body: usize,
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
            if let Some(head) = parse(&self.buffer)? {
                while self.buffer.len() < head.length + head.body {
                    self.read().await?;
                }
                let rest = self.buffer.split_off(head.length + head.body);
                let mut answer = std::mem::replace(&mut self.buffer, rest);
                return Ok((head.status, answer.split_off(head.length)));
            }
            if self.buffer.len() > LONGEST_HEAD {
                return Err(malformed("the head of an answer has no end"));
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

/// The head at the beginning of `buffer`, once it is complete.
fn parse(buffer: &[u8]) -> io::Result<Option<Head>> {
    let end = buffer
        .windows(HEAD_END.len())
        .position(|window| window == HEAD_END);
    let Some(end) = end else {
        return Ok(None);
    };
    let text = std::str::from_utf8(&buffer[..end])
        .map_err(|_| malformed("the head of an answer is no text"))?;
    let mut lines = text.split("\r\n");
    let status = lines
        .next()
        .and_then(|line| line.strip_prefix("HTTP/1."))
        .and_then(|line| line.split(' ').nth(1))
        .and_then(|status| status.parse().ok())
        .ok_or_else(|| malformed("the answer is no HTTP"))?;
    let mut body = 0;
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        if name.eq_ignore_ascii_case("content-length") {
            body = value
                .trim()
                .parse()
                .map_err(|_| malformed("the answer has no valid length"))?;
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            return Err(malformed("the answer comes in chunks"));
        }
    }
    Ok(Some(Head {
        status,
        length: end + HEAD_END.len(),
        body,
    }))
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn a_head_is_read_once_it_is_complete() {
        let answer = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\n\r\nno";
        let head = Head {
            status: 503,
            length: answer.len() - 2,
            body: 2,
        };
        assert_eq!(parse(answer).unwrap(), Some(head));
        assert_eq!(parse(&answer[..30]).unwrap(), None);
        assert!(parse(b"SSH-2.0\r\n\r\n").is_err());
        assert!(parse(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
    }

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
