//! What is measured: names, units, and which limit each is held against.

pub mod confirmation;
pub mod growth;
pub mod http;
mod name;
pub mod open_loop;
pub mod peer;
pub mod settlement;
pub mod sockets;
pub mod tls;
pub mod tokens;

use confirmation::{Load, Quantile, Stage};
pub use http::{Aspect, Target};
use settlement::{Form, PlainBatches};
use sockets::SocketFigure;
use tls::StoreLink;
use tokens::TokenCost;

/// The batch size of a sale that does not say (`WorkerSpec::default`), and so the one that
/// targets are judged at.
pub const DEFAULT_BATCH: u32 = 1_000;

/// How many products the settlement of several has.
pub const PRODUCTS: u32 = 10;

/// How many workers compete for one product when they do.
pub const WORKERS: u32 = 8;

/// One thing that is measured, once in every round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Measure {
    /// Orders a second by the plain statements of a batch: the limit of settlement.
    PlainBatches(PlainBatches),
    /// Orders a second by pgbench, one client a product, of rows that PostgreSQL has in memory
    /// already: what the table takes when nothing is sent.
    Pgbench {
        /// Products, and clients.
        products: u32,
        /// Orders in one transaction.
        batch: u32,
    },
    /// Orders a second by workers, outcomes and events included.
    Settlement {
        /// Worker processes.
        workers: u32,
        /// Products.
        products: u32,
        /// Jobs in one transaction at most.
        batch: u32,
    },
    /// The same of one worker on one product with PostgreSQL away.
    FarSettlement {
        /// Milliseconds of a round trip.
        away_ms: u32,
        /// Jobs in one transaction at most.
        batch: u32,
    },
    /// Buys a second that Redis takes when their writes are plain pipelined commands.
    PlainWrites,
    /// Buys a second through the turnstile's script in full calls.
    Turnstile,
    /// Something about requests and their answers in a closed loop.
    Http(Target, Aspect),
    /// Something about requests at a fixed rate.
    OpenLoop(Target, open_loop::Load, open_loop::Figure),
    /// Buys a second by redis-benchmark: the turnstile's script without HTTP, one buy a call.
    RedisBenchmark {
        /// Calls on their way over one connection.
        pipeline: u32,
    },
    /// Processor time that one order or one request costs a program.
    ProcessorTime(Consumer),
    /// Processor time that a token costs the gateway.
    TokenCost(TokenCost),
    /// The same of a [`Consumer`] by one way of speaking with the stores.
    Link(StoreLink, Consumer),
    /// Resident memory of the gateway with a full lane.
    GatewayMemory,
    /// Most resident memory of a worker while it drains a full lane.
    WorkerMemory,
    /// Jobs that were queued for the memory figures.
    JobsQueued,
    /// Memory of Redis for one queued buy.
    RedisQueued,
    /// Memory of Redis for one settled buy.
    RedisSettled,
    /// Something about the usual stack, or about ours in turn with it.
    Peer(peer::Contest),
    /// What something costs at a size.
    Growth(growth::Size, growth::Cost),
    /// Milliseconds from when a buy was due until it reached a stage.
    Confirmation(Load, Stage, Quantile),
    /// Something about the sockets of a gateway.
    Sockets(SocketFigure),
}

/// Who uses processor time, for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Consumer {
    /// PostgreSQL for an order of pgbench, in batches of [`DEFAULT_BATCH`] of one product.
    PostgresForPgbench,
    /// PostgreSQL for an order of a worker, in the same batches.
    PostgresForWorker,
    /// The worker for an order.
    Worker,
    /// Redis for an order: reading the lane, writing outcome and event.
    RedisForWorker,
    /// The empty route for a request.
    EmptyRoute,
    /// The gateway for a buy.
    Gateway,
    /// Redis for a buy.
    RedisForGateway,
}

impl Consumer {
    /// All of them, limits above what is held against them.
    pub const ALL: [Self; 7] = [
        Self::PostgresForPgbench,
        Self::PostgresForWorker,
        Self::Worker,
        Self::RedisForWorker,
        Self::EmptyRoute,
        Self::Gateway,
        Self::RedisForGateway,
    ];
}

/// What a value counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Orders, buys or requests a second.
    PerSecond,
    /// Milliseconds.
    Milliseconds,
    /// Microseconds.
    Microseconds,
    /// Milliseconds of processor time a second; ten are a hundredth of a core.
    MillisecondsASecond,
    /// Megabytes of 1,000,000 bytes.
    Megabytes,
    /// Bytes.
    Bytes,
    /// A number of things.
    Count,
    /// How many times as much one thing is as another.
    Times,
}

impl Unit {
    /// The unit as it is written behind a value.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PerSecond => "/s",
            Self::Milliseconds => "ms",
            Self::Microseconds => "µs",
            Self::MillisecondsASecond => "ms/s",
            Self::Megabytes => "MB",
            Self::Bytes => "B",
            Self::Count => "",
            Self::Times => "×",
        }
    }
}

/// One worker on one product.
#[must_use]
pub fn one_worker(batch: u32) -> Measure {
    Measure::Settlement {
        workers: 1,
        products: 1,
        batch,
    }
}

/// The limit of settling `products`.
fn plain_batches(products: u32, batch: u32, away_ms: u32) -> Measure {
    Measure::PlainBatches(PlainBatches {
        form: Form::Arrays,
        products,
        batch,
        away_ms,
    })
}

/// A number with what it counts.
fn count(number: u32, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

impl Measure {
    /// What its values count.
    #[must_use]
    pub fn unit(self) -> Unit {
        match self {
            Self::PlainBatches(_)
            | Self::Pgbench { .. }
            | Self::Settlement { .. }
            | Self::FarSettlement { .. }
            | Self::PlainWrites
            | Self::Turnstile
            | Self::RedisBenchmark { .. } => Unit::PerSecond,
            Self::Http(_, aspect) => aspect.unit(),
            Self::OpenLoop(_, _, figure) => figure.unit(),
            Self::ProcessorTime(_) | Self::TokenCost(_) | Self::Link(..) => Unit::Microseconds,
            Self::GatewayMemory | Self::WorkerMemory => Unit::Megabytes,
            Self::RedisQueued | Self::RedisSettled => Unit::Bytes,
            Self::JobsQueued => Unit::Count,
            Self::Confirmation(..) => Unit::Milliseconds,
            Self::Sockets(figure) => figure.unit(),
            Self::Growth(_, cost) => cost.unit(),
            Self::Peer(contest) => contest.unit(),
        }
    }

    /// The limit that it is shown as a share of, if it has one.
    #[must_use]
    pub fn limit(self) -> Option<Self> {
        match self {
            Self::Settlement {
                products, batch, ..
            } => Some(plain_batches(products, batch, 0)),
            Self::FarSettlement { away_ms, batch } => Some(plain_batches(1, batch, away_ms)),
            Self::Turnstile => Some(Self::PlainWrites),
            Self::OpenLoop(target, load, figure) => open_loop::limit(target, load, figure),
            Self::TokenCost(cost) => cost.limit(),
            Self::Link(link, consumer) => link.limit(consumer),
            Self::Growth(size, _) if size == size.smallest() => None,
            Self::Growth(size, cost) => Some(Self::Growth(size.smallest(), cost)),
            Self::Http(target, Aspect::Rate) => Some(Self::Http(target.limit()?, Aspect::Rate)),
            _ => None,
        }
    }

    /// Whether it is itself a limit.
    #[must_use]
    pub fn is_limit(self) -> bool {
        match self {
            Self::PlainBatches(_)
            | Self::Pgbench { .. }
            | Self::PlainWrites
            | Self::RedisBenchmark { .. }
            | Self::OpenLoop(Target::EmptyRoute, _, open_loop::Figure::Latency(_)) => true,
            Self::Http(target, Aspect::Rate) => target.limit().is_none(),
            Self::TokenCost(cost) => cost.is_limit(),
            Self::Link(link, _) => link == StoreLink::Plain,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settlement_is_held_against_the_pgbench_run_of_its_products_and_batch() {
        assert_eq!(one_worker(500).limit(), Some(plain_batches(1, 500, 0)));
    }

    #[test]
    fn the_batch_that_is_judged_is_the_one_sales_have_by_default() {
        let default = flashsale_core::sale::spec::WorkerSpec::default().batch_size;
        assert_eq!(Ok(default), i32::try_from(DEFAULT_BATCH));
        assert!(settlement::BATCHES.contains(&DEFAULT_BATCH));
    }

    #[test]
    fn latencies_have_no_share() {
        assert_eq!(Measure::Http(Target::Gateway, Aspect::Median).limit(), None);
    }
}
