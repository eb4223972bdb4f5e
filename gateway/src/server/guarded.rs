//! A connection with time limits for what its client has to do.

use std::{
    io,
    net::{IpAddr, Shutdown},
    pin::Pin,
    sync::{Arc, LazyLock},
    task::{Context, Poll, ready},
    time::Duration,
};

use jiff::{Timestamp, fmt::rfc2822::DateTimePrinter};
use prometheus::IntCounter;
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Sleep, sleep},
};

use super::{admission::Admitted, limits::Times, refusal::whole_without_head};
use crate::{
    client::{Link, Phase},
    metrics::ConnectionMetrics,
    places::Place,
    problem::{Problem, ProblemKind},
};

static HEAD_TIMEOUT: LazyLock<Problem> = LazyLock::new(|| {
    let detail = "the head of the request did not arrive in time; send it at once";
    Problem::new(ProblemKind::RequestTimeout, detail)
});

/// A connection whose client must end a head that it began, take what is sent to it, and be there
/// for as long as it waits for news.
///
/// The timers are made only when a client keeps the gateway waiting, so that a request that arrives
/// in one piece costs nothing here.
#[derive(Debug)]
pub(super) struct Guarded {
    stream: TcpStream,
    link: Arc<Link>,
    times: Times,
    metrics: ConnectionMetrics,
    head: Option<Pin<Box<Sleep>>>,
    write: Option<Pin<Box<Sleep>>>,
    is_cut_off: bool,
    /// Given back when the connection is gone, a socket's as well.
    _place: Place<IpAddr>,
}

impl Guarded {
    pub(super) fn new(
        admitted: Admitted,
        link: Arc<Link>,
        times: Times,
        metrics: ConnectionMetrics,
    ) -> Self {
        let Admitted { stream, place, .. } = admitted;
        Self {
            stream,
            link,
            times,
            metrics,
            head: None,
            write: None,
            is_cut_off: false,
            _place: place,
        }
    }

    /// Notes that the client sent something.
    fn heard(&mut self) {
        if self.link.phase() == Phase::Idle {
            self.link.enter(Phase::Head);
            self.head = None;
        }
    }

    /// Waits for the client to send something.
    fn poll_silence(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.link.phase() != Phase::Head {
            return Poll::Pending;
        }
        ready!(poll_timer(&mut self.head, self.times.head, context));
        let date = DateTimePrinter::new().timestamp_to_rfc9110_string(&Timestamp::now());
        let answer = whole_without_head(&HEAD_TIMEOUT, &date.unwrap_or_default());
        // Nothing is being sent at this time, and little is: it fits or it is not worth waiting.
        let _ = SockRef::from(&self.stream).send(&answer);
        Poll::Ready(Err(cut_off(&self.metrics.timed_out_head)))
    }

    /// Fails once the client has closed its sending side; wakes the task when it does.
    ///
    /// Such a client is answered nevertheless, and so the HTTP library does not look at the
    /// connection while it waits for an answer. An answer that is long in coming would be waited for
    /// in vain, and it would keep what it comes with from the client's next connection.
    fn check_presence(&self, context: &mut Context<'_>) -> io::Result<()> {
        let mut byte = [0];
        match self.stream.poll_peek(context, &mut ReadBuf::new(&mut byte)) {
            Poll::Ready(Ok(0)) => Err(io::ErrorKind::ConnectionAborted.into()),
            Poll::Ready(Err(error)) => Err(error),
            // The next request; nobody sends one and goes away.
            Poll::Ready(Ok(_)) | Poll::Pending => Ok(()),
        }
    }

    /// Limits the time that a write waits for the client to take something.
    fn poll_written(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.write = None;
            return written;
        }
        ready!(poll_timer(&mut self.write, self.times.write, context));
        self.is_cut_off = true;
        // What was not taken is thrown away, and whoever reads here finds the end.
        let _ = self.stream.set_zero_linger();
        let _ = SockRef::from(&self.stream).shutdown(Shutdown::Both);
        Poll::Ready(Err(cut_off(&self.metrics.timed_out_write)))
    }
}

fn poll_timer(
    timer: &mut Option<Pin<Box<Sleep>>>,
    time: Duration,
    context: &mut Context<'_>,
) -> Poll<()> {
    let timer = timer.get_or_insert_with(|| Box::pin(sleep(time)));
    timer.as_mut().poll(context)
}

fn cut_off(counter: &IntCounter) -> io::Error {
    counter.inc();
    io::ErrorKind::TimedOut.into()
}

impl AsyncRead for Guarded {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let is_upgraded = this.link.phase() == Phase::Upgraded;
        if is_upgraded && this.link.is_closing(context.waker()) {
            // A writer that waits for the client finds the end as well.
            let _ = SockRef::from(&this.stream).shutdown(Shutdown::Both);
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        match Pin::new(&mut this.stream).poll_read(context, buffer) {
            Poll::Pending => this.poll_silence(context),
            Poll::Ready(outcome) => {
                if buffer.filled().len() > before {
                    this.heard();
                }
                Poll::Ready(outcome)
            }
        }
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[io::IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.is_cut_off {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let stream = Pin::new(&mut this.stream);
        let written = match slices {
            [one] => stream.poll_write(context, one),
            several => stream.poll_write_vectored(context, several),
        };
        this.poll_written(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(Pin::new(&mut this.stream).poll_flush(context))?;
        if this.link.phase() == Phase::Waiting {
            this.check_presence(context)?;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}
