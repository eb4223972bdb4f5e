//! What is measured: names, units, and which limit each is held against.

mod name;

/// Batch sizes that settlement is measured at.
pub const BATCHES: [u32; 3] = [500, 1_000, 2_000];

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
    /// Orders a second by pgbench, one client a product: the limit of settlement.
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
    /// Buys a second that Redis takes when their writes are plain pipelined commands.
    PlainWrites,
    /// Buys a second through the turnstile's script in full calls.
    Turnstile,
    /// Something about requests and their answers.
    Http(Target, Aspect),
    /// Processor time that one order or one request costs a program.
    ProcessorTime(Consumer),
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
}

/// What requests are sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// A route that does nothing: the limit of acknowledgements.
    EmptyRoute,
    /// The gateway, with no worker; Redis syncs its file every second.
    Gateway,
    /// The same while a worker settles.
    GatewayAndWorker,
    /// The gateway, with no worker; Redis syncs its file before each answer.
    GatewaySyncing,
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

/// What is asked about requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Aspect {
    /// Requests answered a second.
    Rate,
    /// Half of the answers came within this time.
    Median,
    /// 99 of 100 answers came within this time.
    Percentile99,
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
    /// Megabytes of 1,000,000 bytes.
    Megabytes,
    /// Bytes.
    Bytes,
    /// A number of things.
    Count,
}

impl Unit {
    /// The unit as it is written behind a value.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PerSecond => "/s",
            Self::Milliseconds => "ms",
            Self::Microseconds => "µs",
            Self::Megabytes => "MB",
            Self::Bytes => "B",
            Self::Count => "",
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

impl Measure {
    /// What its values count.
    #[must_use]
    pub fn unit(self) -> Unit {
        match self {
            Self::Pgbench { .. }
            | Self::Settlement { .. }
            | Self::PlainWrites
            | Self::Turnstile
            | Self::Http(_, Aspect::Rate) => Unit::PerSecond,
            Self::Http(_, Aspect::Median | Aspect::Percentile99) => Unit::Milliseconds,
            Self::ProcessorTime(_) => Unit::Microseconds,
            Self::GatewayMemory | Self::WorkerMemory => Unit::Megabytes,
            Self::RedisQueued | Self::RedisSettled => Unit::Bytes,
            Self::JobsQueued => Unit::Count,
        }
    }

    /// The limit that it is shown as a share of, if it has one.
    #[must_use]
    pub fn limit(self) -> Option<Self> {
        match self {
            Self::Settlement {
                products, batch, ..
            } => Some(Self::Pgbench { products, batch }),
            Self::Turnstile => Some(Self::PlainWrites),
            Self::Http(Target::EmptyRoute, _) => None,
            Self::Http(_, Aspect::Rate) => Some(Self::Http(Target::EmptyRoute, Aspect::Rate)),
            _ => None,
        }
    }

    /// Whether it is itself a limit.
    #[must_use]
    pub fn is_limit(self) -> bool {
        matches!(
            self,
            Self::Pgbench { .. } | Self::PlainWrites | Self::Http(Target::EmptyRoute, Aspect::Rate)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settlement_is_held_against_the_pgbench_run_of_its_products_and_batch() {
        assert_eq!(
            one_worker(500).limit(),
            Some(Measure::Pgbench {
                products: 1,
                batch: 500
            })
        );
    }

    #[test]
    fn the_batch_that_is_judged_is_the_one_sales_have_by_default() {
        let default = flashsale_core::sale::spec::WorkerSpec::default().batch_size;
        assert_eq!(Ok(default), i32::try_from(DEFAULT_BATCH));
        assert!(BATCHES.contains(&DEFAULT_BATCH));
    }

    #[test]
    fn latencies_have_no_share() {
        assert_eq!(Measure::Http(Target::Gateway, Aspect::Median).limit(), None);
    }
}
