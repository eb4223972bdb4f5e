//! Asks a child over HTTP whether it is there, with as little code as that takes.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// How long one question may take.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(2);

/// Status of `GET path`; none when nobody answers.
pub async fn status(address: SocketAddr, path: &str) -> Option<u16> {
    timeout(PATIENCE, ask(address, path)).await.ok()?
}

async fn ask(address: SocketAddr, path: &str) -> Option<u16> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.ok()?;
    parse(&String::from_utf8_lossy(&answer))
}

/// The status in e.g. `HTTP/1.1 200 OK`.
fn parse(answer: &str) -> Option<u16> {
    let mut words = answer.lines().next()?.split(' ');
    words
        .next()
        .filter(|version| version.starts_with("HTTP/1."))?;
    words.next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_read_from_the_first_line() {
        assert_eq!(parse("HTTP/1.1 503 Service Unavailable\r\n\r\n"), Some(503));
        assert_eq!(parse("SSH-2.0-OpenSSH"), None);
        assert_eq!(parse(""), None);
    }
}
