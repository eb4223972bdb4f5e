//! Load at a fixed rate, whatever the answers do (open loop): every request is due at its own
//! instant of a timetable, and its latency counts from then. One that has to wait because the
//! server is slow has waited, as its shopper has; a closed loop would simply have asked later and
//! not have noticed (coordinated omission).
//!
//! The generator shares the cores with what it measures, so it does as little as it can: one
//! thread, one `epoll`, requests put together from a template, answers read by their length. What
//! it uses is told ([`Report::processor_seconds`]).

mod generator;

use std::{
    io::{self, Write as _},
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use flashsale_testbed::figures::Latencies;
use tokio::sync::oneshot;

use crate::error::{Error, Result, wrong};

/// Connections that suffice for most loads: at 10,000 requests a second each may be busy for 25 ms.
pub(crate) const CONNECTIONS: u32 = 256;

/// How many requests are sent, how fast, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Speaks HTTP/1.1 and keeps connections open.
    pub(crate) address: SocketAddr,
    /// Requests a second, at least one.
    pub(crate) rate: u32,
    pub(crate) count: u32,
    /// Keep-alive connections with one request on its way each. Those that are idle take turns, as
    /// shoppers do. A request that finds none idle is late.
    pub(crate) connections: u32,
}

/// An answer, and the instants of its request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    pub(crate) body: &'a [u8],
    /// When the request was due.
    pub(crate) due: Instant,
    /// When the last byte of the answer was read.
    pub(crate) read: Instant,
}

/// What is sent, and what is made of the answers. Both happen on the generator's thread, which
/// sends nothing meanwhile.
pub(crate) trait Traffic: Send + 'static {
    /// Writes request `number`, head and body, to the end of `bytes`, which is empty. Called once a
    /// request, in order, from 0.
    fn request(&mut self, number: u32, bytes: &mut Vec<u8>);

    /// Takes an answer, whatever its status. Answers come in any order.
    fn answered(&mut self, answer: &Answer<'_>) {
        let _ = answer;
    }
}

/// From when on a request counts as sent late. The generator looks at the clock four times as
/// often, so what is late found no idle connection, or the generator no processor.
const LATE: Duration = Duration::from_millis(1);

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Report {
    /// From when a request was due until the last byte of its answer was read. Requests without an
    /// answer are in it with the time until they were given up.
    pub(crate) latencies: Latencies,
    /// Requests that were due.
    pub(crate) due: u32,
    /// Requests answered 200.
    pub(crate) succeeded: u32,
    /// Requests answered otherwise, and the first such answer: status and body.
    refused: u32,
    first_refusal: Option<String>,
    /// Requests that were sent and not answered until 2 s after the last one was due.
    pub(crate) unanswered: u32,
    /// Requests that were not sent until then, since no connection became idle.
    pub(crate) unsent: u32,
    /// Requests that were sent more than 1 ms after they were due.
    pub(crate) late: u32,
    pub(crate) processor_seconds: f64,
}

impl Report {
    /// An error if anything was refused.
    pub(crate) fn check(&self) -> Result<()> {
        if let Some(first) = &self.first_refusal {
            let (due, refused) = (self.due, self.refused);
            let what =
                format!("of {due} requests {refused} were not answered 200, the first `{first}`");
            return Err(wrong(what));
        }
        Ok(())
    }

    fn sent(&mut self, due: Instant, sent: Instant) {
        self.late += u32::from(sent.saturating_duration_since(due) > LATE);
    }

    fn answered(&mut self, answer: &Answer<'_>) {
        if answer.status == 200 {
            self.succeeded += 1;
            return;
        }
        self.refused += 1;
        self.first_refusal.get_or_insert_with(|| {
            format!("{} {}", answer.status, String::from_utf8_lossy(answer.body))
        });
    }
}

/// Sends what `plan` says; answers what came of it, and the traffic with what it has noted.
///
/// Requests that are refused, late or not answered are counted, and told by the report alone: see
/// [`Report::check`]. A connection that fails or answers no HTTP is an error.
pub(crate) async fn run<T: Traffic>(plan: Plan, traffic: T) -> Result<(Report, T)> {
    let (tell, told) = oneshot::channel();
    let generator = thread::Builder::new().name("open-loop".to_owned());
    generator
        .spawn(move || {
            // Nobody waits for the outcome any more when the run was interrupted.
            let outcome = generator::drive(plan, traffic, &|| tell.is_closed());
            let _ = tell.send(outcome);
        })
        .map_err(|error| not_answered(&error))?;
    told.await
        .map_err(|_| wrong("the load generator's thread broke"))?
        .map_err(|error| not_answered(&error))
}

fn not_answered(error: &io::Error) -> Error {
    format!("a buy was not answered: {error}; did the gateway end?").into()
}

/// Stands for the number of a request where the template is made.
const NUMBER: &str = "##########";

/// Buys of one product, each the first of another shopper.
#[derive(Debug, Clone)]
pub(crate) struct SingleBuys {
    /// A request with [`NUMBER`] in place of its number.
    template: Vec<u8>,
    /// Where its numbers begin.
    numbers: Vec<usize>,
}

impl SingleBuys {
    /// Buys of `product` at `address`. Keys and shoppers begin with `run`, which must differ from
    /// all runs before on the same sale.
    pub(crate) fn new(address: SocketAddr, product: &str, run: u32) -> Self {
        let body = format!(r#"{{"productId":"{product}","userId":"user_r{run}_{NUMBER}"}}"#);
        let template = format!(
            "POST /buy HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nIdempotency-Key: r{run}-00000000-0000-4000-8000-{NUMBER}\r\n\
             \r\n{body}",
            body.len()
        );
        let numbers = template.match_indices(NUMBER).map(|(at, _)| at).collect();
        Self {
            template: template.into_bytes(),
            numbers,
        }
    }
}

impl Traffic for SingleBuys {
    fn request(&mut self, number: u32, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.template);
        for at in &self.numbers {
            // Writing into memory cannot fail, and every number has room in the template.
            let _ = write!(&mut bytes[*at..], "{number:0width$}", width = NUMBER.len());
        }
    }
}

#[cfg(test)]
mod tests;
