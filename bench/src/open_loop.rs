//! Load at a fixed rate, whatever the answers do (open loop): every request is due at its own
//! instant of a timetable, and its latency counts from then. One that has to wait because the
//! server is slow has waited, as its shopper has; a closed loop would simply have asked later and
//! not have noticed (coordinated omission).
//!
//! The generator shares the cores with what it measures, so it does as little as it can: one
//! thread, one `epoll`, requests put together from a template, answers read by their length. What
//! it uses is told ([`Report::processor_seconds`]).

mod answer;
mod buys;
mod generator;
mod tally;
mod timetable;

use std::{net::SocketAddr, thread};

use tokio::sync::oneshot;

pub use answer::Answer;
pub use buys::Buys;
pub use tally::Report;

use crate::error::BenchError;

/// Connections that suffice for most loads: at 10,000 requests a second each may be busy for 25 ms.
pub const CONNECTIONS: u32 = 256;

/// How many requests are sent, how fast, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Speaks HTTP/1.1 and keeps connections open.
    pub address: SocketAddr,
    /// Requests a second, at least one.
    pub rate: u32,
    /// How many requests.
    pub count: u32,
    /// Keep-alive connections with one request on its way each. Those that are idle take turns, as
    /// shoppers do. A request that finds none idle is late.
    pub connections: u32,
}

/// What is sent, and what is made of the answers. Both happen on the generator's thread, which
/// sends nothing meanwhile.
pub trait Traffic: Send + 'static {
    /// Writes request `number`, head and body, to the end of `bytes`, which is empty. Called once a
    /// request, in order, from 0.
    fn request(&mut self, number: u32, bytes: &mut Vec<u8>);

    /// Takes an answer, whatever its status. Answers come in any order.
    fn answered(&mut self, answer: &Answer<'_>) {
        let _ = answer;
    }
}

/// Sends what `plan` says; answers what came of it, and the traffic with what it has noted.
///
/// Requests that are refused, late or not answered are counted, and told by the report alone: see
/// [`Report::check`]. A connection that fails or answers no HTTP is an error.
pub async fn run<T: Traffic>(plan: Plan, traffic: T) -> Result<(Report, T), BenchError> {
    let (tell, told) = oneshot::channel();
    let generator = thread::Builder::new().name("open-loop".to_owned());
    generator
        .spawn(move || {
            // Nobody waits for the outcome any more when the run was interrupted.
            let outcome = generator::drive(&plan, traffic, &|| tell.is_closed());
            let _ = tell.send(outcome);
        })
        .map_err(BenchError::Buy)?;
    told.await
        .map_err(|_| BenchError::Wrong("the load generator's thread broke".to_owned()))?
        .map_err(BenchError::Buy)
}

#[cfg(test)]
mod tests;
