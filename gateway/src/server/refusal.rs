//! Problem documents for what is no HTTP.
//!
//! The HTTP library answers bytes that it cannot read (a NUL in a header, a head without end) by
//! itself, with a bare status line. This wrapper of a connection recognizes those answers as
//! they are written and sends the problem document in their place.

use std::{
    io,
    pin::Pin,
    sync::LazyLock,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes};
use hyper::rt::{Read, ReadBufCursor, Write};

use crate::problem::{Problem, ProblemKind};

/// How a refusal of the library begins. Ours of the same status never have an empty body.
const BARE_BODY: &[u8] = b"content-length: 0\r\n";

static REFUSALS: LazyLock<[(&[u8], Bytes); 3]> = LazyLock::new(|| {
    [
        (
            &b"HTTP/1.1 400 "[..],
            whole(
                &Problem::new(
                    ProblemKind::HttpInvalid,
                    "the request is not HTTP/1.1: a header has a character that none may have, or the \
                 request line or a length is malformed",
                ),
                &[],
            ),
        ),
        (
            &b"HTTP/1.1 414 "[..],
            whole(
                &Problem::new(
                    ProblemKind::UriTooLong,
                    "the address is longer than any of this interface",
                ),
                &[],
            ),
        ),
        (
            &b"HTTP/1.1 431 "[..],
            whole(
                &Problem::new(
                    ProblemKind::HeadTooLarge,
                    "the address and the headers together are larger than 32 KiB",
                ),
                &[],
            ),
        ),
    ]
});

/// The answer from its status line to the end of its body, with these further headers.
pub(super) fn whole(problem: &Problem, headers: &[(&str, &str)]) -> Bytes {
    let status = problem.kind().status();
    let json = serde_json::to_string(&problem.document()).unwrap_or_default();
    let mut answer = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/problem+json\r\nconnection: close\r\n\
         content-length: {}\r\n",
        json.len()
    );
    for (name, value) in headers {
        answer.extend([name, ": ", value, "\r\n"]);
    }
    (answer + "\r\n" + &json).into()
}

fn replacement(written: &[u8]) -> Option<Bytes> {
    if !written.starts_with(b"HTTP/1.1 4") {
        return None;
    }
    let (_, refusal) = REFUSALS
        .iter()
        .find(|(start, _)| written.starts_with(start))?;
    let is_bare = written
        .windows(BARE_BODY.len())
        .any(|window| window.eq_ignore_ascii_case(BARE_BODY));
    is_bare.then(|| refusal.clone())
}

/// A connection whose bare refusals become problem documents.
#[derive(Debug)]
pub(super) struct Explained<C> {
    connection: C,
    /// What is left to write in place of a refusal.
    refusal: Bytes,
}

impl<C: Write + Unpin> Explained<C> {
    pub(super) fn new(connection: C) -> Self {
        Self {
            connection,
            refusal: Bytes::new(),
        }
    }

    fn poll_refusal(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.refusal.is_empty() {
            let written =
                ready!(Pin::new(&mut self.connection).poll_write(context, &self.refusal))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.refusal.advance(written);
        }
        Poll::Ready(Ok(()))
    }
}

impl<C: Read + Unpin> Read for Explained<C> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_read(context, buffer)
    }
}

impl<C: Write + Unpin> Write for Explained<C> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_refusal(context))?;
        if let Some(refusal) = replacement(buffer) {
            self.refusal = refusal;
            return Poll::Ready(Ok(buffer.len()));
        }
        Pin::new(&mut self.connection).poll_write(context, buffer)
    }

    /// Vectored, so that the HTTP library need not copy a body behind its head: it would keep the
    /// copy for as long as a client does not read.
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_refusal(context))?;
        // A bare refusal has no body, so it is the whole of the first buffer.
        if let Some(refusal) = buffers.first().and_then(|first| replacement(first)) {
            self.refusal = refusal;
            return Poll::Ready(Ok(buffers.iter().map(|buffer| buffer.len()).sum()));
        }
        Pin::new(&mut self.connection).poll_write_vectored(context, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_refusal(context))?;
        Pin::new(&mut self.connection).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_refusal(context))?;
        Pin::new(&mut self.connection).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bare_refusals_are_replaced() {
        let bare = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
        let text = String::from_utf8(replacement(bare).unwrap().to_vec()).unwrap();
        assert!(
            text.starts_with("HTTP/1.1 400 Bad Request\r\ncontent-type: application/problem+json")
        );
        assert!(text.contains("http-invalid"), "{text}");
        for other in [
            &b"HTTP/1.1 400 Bad Request\r\ncontent-length: 200\r\n\r\n{\"a\""[..],
            b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            b"{}",
        ] {
            assert!(replacement(other).is_none());
        }
    }
}
