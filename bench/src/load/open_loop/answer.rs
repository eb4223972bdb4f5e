//! Answers of HTTP/1.1, as far as a load generator must understand them.

use std::{io, time::Instant};

/// What every answer begins with.
const VERSION: &[u8] = b"HTTP/1.1 ";

/// Between head and body.
const BLANK_LINE: &[u8] = b"\r\n\r\n";

/// Names the length of the body; the one way that is understood.
const CONTENT_LENGTH: &str = "content-length";

/// An answer, and the instants of its request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answer<'a> {
    /// Its status.
    pub(crate) status: u16,
    /// Its body.
    pub(crate) body: &'a [u8],
    /// When the request was due.
    pub(crate) due: Instant,
    /// When the last byte of the answer was read.
    pub(crate) read: Instant,
}

/// Status and body of the answer that `bytes` are; none when more of it is to come.
pub(super) fn parse(bytes: &[u8]) -> io::Result<Option<(u16, &[u8])>> {
    let begins = bytes.len().min(VERSION.len());
    if bytes[..begins] != VERSION[..begins] {
        return Err(malformed("is no HTTP/1.1", bytes));
    }
    let Some(end) = position(bytes, BLANK_LINE) else {
        return Ok(None);
    };
    let head = std::str::from_utf8(&bytes[VERSION.len()..end])
        .map_err(|_| malformed("has a head that is no text", bytes))?;
    let status = head.get(..3).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| malformed("has no status", bytes))?;
    let length = length(head).ok_or_else(|| malformed("has no Content-Length", bytes))?;
    let body = &bytes[end + BLANK_LINE.len()..];
    if body.len() > length {
        return Err(malformed("is longer than it says", bytes));
    }
    Ok((body.len() == length).then_some((status, body)))
}

fn position(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
}

fn length(head: &str) -> Option<usize> {
    let value = head.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case(CONTENT_LENGTH).then_some(value)
    });
    value?.trim().parse().ok()
}

fn malformed(why: &str, bytes: &[u8]) -> io::Error {
    let answer = String::from_utf8_lossy(bytes);
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("an answer {why}: `{answer}`"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nContent-Length: 2\r\n\r\n";

    #[test]
    fn an_answer_is_there_when_all_of_it_is() {
        let whole = format!("{HEAD}ok");
        for end in 0..whole.len() {
            let part = parse(&whole.as_bytes()[..end]).unwrap();
            assert_eq!(part, None, "{end}");
        }
        assert_eq!(parse(whole.as_bytes()).unwrap(), Some((200, &b"ok"[..])));
    }

    #[test]
    fn other_statuses_and_empty_bodies_are_answers() {
        let answer = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(parse(answer).unwrap(), Some((503, &b""[..])));
    }

    #[test]
    fn what_cannot_be_understood_is_an_error() {
        for wrong in [
            "SSH-2.0-OpenSSH".to_owned(),
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_owned(),
            "HTTP/1.1 yes\r\ncontent-length: 0\r\n\r\n".to_owned(),
            format!("{HEAD}ok and more"),
        ] {
            assert!(parse(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
