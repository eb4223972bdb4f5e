//! HTTP with as little code as that takes: one question for probes, metrics and small answers, and
//! the heads of answers for load generators.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// How long one question may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A whole answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status, e.g. 200.
    pub status: u16,
    /// The body, as text.
    pub body: String,
}

/// Asks `GET path` on a connection of its own. Fails when nobody answers within 5 s, or what
/// answers is no HTTP server.
pub async fn get(address: SocketAddr, path: &str) -> io::Result<Answer> {
    timeout(TIMEOUT, ask(address, path))
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

/// The same for `POST path` of JSON with these further headers.
pub async fn post(
    address: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
    json: &str,
) -> io::Result<Answer> {
    let mut head = format!("POST {path} HTTP/1.0\r\nHost: {address}\r\n");
    for (name, value) in headers {
        head.extend([name, ": ", value, "\r\n"]);
    }
    let length = json.len();
    let request =
        format!("{head}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{json}");
    timeout(TIMEOUT, exchange(address, &request))
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

async fn ask(address: SocketAddr, path: &str) -> io::Result<Answer> {
    let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n");
    exchange(address, &request).await
}

/// Requests are of HTTP/1.0, because an answer to that ends with the connection and comes in one piece.
async fn exchange(address: SocketAddr, request: &str) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    parse(&String::from_utf8_lossy(&answer)).ok_or_else(|| malformed("the answer is not HTTP"))
}

/// Status and body of e.g. `HTTP/1.0 200 OK`, headers, an empty line and the body.
fn parse(answer: &str) -> Option<Answer> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let mut words = head.lines().next()?.split(' ');
    words
        .next()
        .filter(|version| version.starts_with("HTTP/1."))?;
    Some(Answer {
        status: words.next()?.parse().ok()?,
        body: body.to_owned(),
    })
}

/// What every head ends with.
const HEAD_END: &[u8] = b"\r\n\r\n";

/// The head of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The status, e.g. 200.
    pub status: u16,
    /// Bytes of the head, its end included.
    pub length: usize,
    /// Bytes of the body that follows.
    pub body: usize,
}

impl Head {
    /// The head at the beginning of `bytes`, once it is complete. What is no HTTP/1, and a body
    /// that comes in chunks, is an error.
    pub fn parse(bytes: &[u8]) -> io::Result<Option<Self>> {
        let Some(end) = bytes
            .windows(HEAD_END.len())
            .position(|end| end == HEAD_END)
        else {
            return Ok(None);
        };
        let head = std::str::from_utf8(&bytes[..end])
            .map_err(|_| malformed("the head of an answer is no text"))?;
        let mut lines = head.split("\r\n");
        let status = lines
            .next()
            .and_then(|line| line.strip_prefix("HTTP/1."))
            .and_then(|line| line.split(' ').nth(1))
            .and_then(|status| status.parse().ok())
            .ok_or_else(|| malformed("the answer is no HTTP"))?;
        let mut body = 0;
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            if name.eq_ignore_ascii_case("content-length") {
                let value = value.trim().parse();
                body = value.map_err(|_| malformed("the answer has no valid length"))?;
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                return Err(malformed("the answer comes in chunks"));
            }
        }
        Ok(Some(Self {
            status,
            length: end + HEAD_END.len(),
            body,
        }))
    }
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_and_body_are_read() {
        let answer = parse("HTTP/1.1 503 Service Unavailable\r\na: b\r\n\r\nno\r\n\r\n");
        let expected = Answer {
            status: 503,
            body: "no\r\n\r\n".to_owned(),
        };
        assert_eq!(answer, Some(expected));
        assert_eq!(parse("SSH-2.0-OpenSSH\r\n\r\n"), None);
        assert_eq!(parse(""), None);
    }

    #[test]
    fn a_head_is_read_once_it_is_complete() {
        let answer = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\n\r\nno";
        let head = Head {
            status: 503,
            length: answer.len() - 2,
            body: 2,
        };
        assert_eq!(Head::parse(answer).unwrap(), Some(head));
        assert_eq!(Head::parse(&answer[..30]).unwrap(), None);
        assert!(Head::parse(b"SSH-2.0\r\n\r\n").is_err());
        assert!(Head::parse(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
    }
}
