//! A crowd of simulated shoppers in front of gateways, and the books on what became of each.
//!
//! **Open loop**: every press of the Buy button has an instant drawn beforehand, and a slow system
//! does not slow the shoppers down; latency is measured from that instant, not from when the
//! client got round to sending, so there is no coordinated omission. A press that finds the
//! network or the gateway broken is repeated with backoff and the same Idempotency-Key, as a
//! good client does.
//!
//! [`crowd`] draws who presses what and when, [`engine`] sends it over keep-alive connections,
//! [`book`] keeps count, [`events`] learns outcomes the moment they are published and [`verify`]
//! asks at the end for each acknowledged buy; [`report`] is what comes out. With a history, [`record`]
//! writes all of it down, [`sockets`] listens as shoppers do, and [`readings`] adds clock and sales.

pub mod answer;
pub mod book;
pub mod counts;
pub mod crowd;
pub mod engine;
pub mod events;
mod latency;
mod offers;
pub mod passes;
mod patience;
pub mod payers;
pub mod readings;
pub(crate) mod record;
pub mod report;
mod schedule;
pub mod sockets;
pub mod target;
pub mod tokens;
pub mod verify;

pub use offers::{guarded_sales, offers_of};

use std::path::PathBuf;

use crate::history::WriteError;
use target::TargetError;

/// Why a crowd could not be sent.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The gateway's address cannot be used.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// What is on sale could not be learnt.
    #[error("could not read what is on sale from {url}/sales: {reason}")]
    Offers {
        /// The gateway.
        url: String,
        /// What happened.
        reason: String,
    },
    /// Nobody sells what the shoppers want.
    #[error("{0}; `GET /sales` of the gateway lists what is on offer")]
    NothingToBuy(String),
    /// The shoppers' tokens cannot be used.
    #[error("the tokens in `{}` cannot be used: {reason}", path.display())]
    Tokens {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The shoppers could not get the passes that their sales ask for.
    #[error("could not get passes: {0}")]
    Passes(String),
    /// The numbers of the crowd make no crowd.
    #[error("{0}")]
    Numbers(&'static str),
    /// Redis could not be asked for events.
    #[error("could not subscribe to events in Redis: {0}")]
    Events(#[from] redis::RedisError),
    /// The history could not be written.
    #[error(transparent)]
    History(#[from] WriteError),
    /// A histogram could not be made.
    #[error("a latency histogram could not be made: {0}")]
    Histogram(#[from] hdrhistogram::CreationError),
}
