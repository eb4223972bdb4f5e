//! Problem documents for what is no HTTP.
//!
//! The HTTP library answers bytes that it cannot read (a NUL in a header, a head without end) by
//! itself, with a bare status line. This wrapper of a connection recognizes those answers as
//! they are written and sends the problem document in their place.

use std::{
    fmt::Write as _,
    io,
    pin::Pin,
    sync::LazyLock,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes};
use hyper::rt::{Read, ReadBufCursor, Write};

use crate::{
    problem::{Problem, ProblemKind},
    request_id::{self, REQUEST_ID},
};

/// How the refusals of the library begin, and the problem in their place.
static REFUSALS: LazyLock<[(&[u8], Problem); 2]> = LazyLock::new(|| {
    [
        (
            &b"HTTP/1.1 400 "[..],
            Problem::new(
                ProblemKind::HttpInvalid,
                "the request is not HTTP/1.1: a header has a character that none may have, or the \
                 request line or a length is malformed",
            ),
        ),
        (
            &b"HTTP/1.1 431 "[..],
            Problem::new(
                ProblemKind::HeadTooLarge,
                "the address and the headers together are larger than 32 KiB",
            ),
        ),
    ]
});

/// The answer from its status line to the end of its body, with these further headers. The
/// connection ends with it.
pub(super) fn whole(problem: &Problem, headers: &[(&str, &str)]) -> Bytes {
    let status = problem.kind().status();
    let json = problem.document().to_json();
    let mut answer = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/problem+json\r\ncache-control: no-store\r\n\
         x-content-type-options: nosniff\r\nconnection: close\r\ncontent-length: {}\r\n",
        json.len()
    );
    for (name, value) in headers {
        // Writing to a string cannot fail.
        let _ = write!(answer, "{name}: {value}\r\n");
    }
    answer.push_str("\r\n");
    [answer.as_bytes(), &json].concat().into()
}

/// The answer to a request whose head cannot be read, and with it the id that it may have brought.
pub(super) fn whole_without_head(problem: &Problem, date: &str) -> Bytes {
    let id = request_id::new();
    let id = id.to_str().unwrap_or_default();
    whole(problem, &[("date", date), (REQUEST_ID.as_str(), id)])
}

fn replacement(written: &[u8]) -> Option<Bytes> {
    if !written.starts_with(b"HTTP/1.1 4") {
        return None;
    }
    let (_, problem) = REFUSALS
        .iter()
        .find(|(start, _)| written.starts_with(start))?;
    let head = String::from_utf8_lossy(written);
    // Every answer of our own has one.
    let is_bare = header(&head, REQUEST_ID.as_str()).is_none();
    is_bare.then(|| whole_without_head(problem, header(&head, "date").unwrap_or_default()))
}

/// A header of an answer as the library writes it: its name is in lower case.
fn header<'head>(head: &'head str, name: &str) -> Option<&'head str> {
    let mut lines = head.split("\r\n").take_while(|line| !line.is_empty());
    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
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

    const DATE: &str = "\r\ndate: Sun, 29 Nov 2026 17:00:00 GMT\r\n";

    #[test]
    fn a_refusal_becomes_a_problem_with_the_date_of_the_refusal() {
        let bare = format!("HTTP/1.1 400 Bad Request\r\ncontent-length: 0{DATE}\r\n");
        let text = String::from_utf8(replacement(bare.as_bytes()).unwrap().to_vec()).unwrap();
        assert!(
            text.starts_with("HTTP/1.1 400 Bad Request\r\ncontent-type: application/problem+json")
        );
        assert!(text.contains(DATE), "{text}");
        assert!(text.contains("\r\nx-request-id: "), "{text}");
        assert!(text.contains("http-invalid"), "{text}");
    }

    #[test]
    fn only_bare_refusals_are_replaced() {
        for other in [
            // What we refuse ourselves, with a body and without.
            "HTTP/1.1 400 Bad Request\r\nx-request-id: a\r\ncontent-length: 200\r\n\r\n{\"a\"",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nx-request-id: a\r\n\r\n",
            "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "{}",
        ] {
            assert!(replacement(other.as_bytes()).is_none(), "{other}");
        }
    }
}
