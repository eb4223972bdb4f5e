//! What is measured of growth: what grows, and what it costs.

use std::fmt;

use super::Unit;

/// Buys through one sale from which on memory must stay flat, and after which it is looked at last.
pub const BUYS: [u32; 2] = [100_000, 1_000_000];

/// Jobs that wait in one lane.
pub const JOBS: [u32; 3] = [10_000, 100_000, 1_000_000];

/// Products of one sale; the last is as many as a sale may have.
pub const PRODUCTS: [u32; 4] = [1, 10, 100, 1_000];

/// Open sales.
pub const SALES: [u32; 3] = [1, 10, 100];

/// Something that may grow, and how large it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Size {
    /// Buys through one sale, settled while they come.
    Buys(u32),
    /// Jobs that wait in one lane until a worker is let in.
    Jobs(u32),
    /// Products of one sale, its buys spread evenly over them.
    Products(u32),
    /// Sales that are open.
    Sales(u32),
}

impl Size {
    /// The smallest of its kind, which the others are held against.
    #[must_use]
    pub fn smallest(self) -> Self {
        match self {
            Self::Buys(_) => Self::Buys(BUYS[0]),
            Self::Jobs(_) => Self::Jobs(JOBS[0]),
            Self::Products(_) => Self::Products(PRODUCTS[0]),
            Self::Sales(_) => Self::Sales(SALES[0]),
        }
    }
}

/// What something costs at a size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cost {
    /// Orders a second: of the whole way from the first buy sent to the last order, of a lane
    /// from the first batch to the last.
    Orders,
    /// From the first batch of orders to the last.
    Emptying,
    /// Most resident memory of the gateway.
    GatewayMemory,
    /// Most resident memory of the worker.
    WorkerMemory,
    /// Memory of Redis for one queued buy.
    RedisQueued,
    /// Memory of Redis for one settled buy.
    RedisSettled,
    /// Processor time of the gateway for a buy.
    GatewayForBuy,
    /// Processor time of Redis for a buy.
    RedisForBuy,
    /// Processor time of PostgreSQL for an order.
    PostgresForOrder,
    /// Processor time of the worker for an order.
    WorkerForOrder,
    /// Processor time of Redis for an order.
    RedisForOrder,
    /// How long it takes to delete the sale.
    Deleting,
    /// Memory of Redis that stays occupied by a deleted sale.
    RedisLeft,
    /// Processor time a second of the gateway while all sales sleep.
    GatewayAsleep,
    /// The same of the worker.
    WorkerAsleep,
    /// The same of Redis.
    RedisAsleep,
    /// Commands a second that Redis executes while all sales sleep.
    CommandsAsleep,
}

impl Cost {
    /// What its values count.
    #[must_use]
    pub fn unit(self) -> Unit {
        match self {
            Self::Orders | Self::CommandsAsleep => Unit::PerSecond,
            Self::Emptying | Self::Deleting => Unit::Milliseconds,
            Self::GatewayMemory | Self::WorkerMemory | Self::RedisLeft => Unit::Megabytes,
            Self::RedisQueued | Self::RedisSettled => Unit::Bytes,
            Self::GatewayForBuy
            | Self::RedisForBuy
            | Self::PostgresForOrder
            | Self::WorkerForOrder
            | Self::RedisForOrder => Unit::Microseconds,
            Self::GatewayAsleep | Self::WorkerAsleep | Self::RedisAsleep => {
                Unit::MillisecondsASecond
            }
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Buys(buys) => write!(formatter, "{buys} buys"),
            Self::Jobs(jobs) => write!(formatter, "{jobs} jobs"),
            Self::Products(1) => formatter.write_str("1 product"),
            Self::Products(products) => write!(formatter, "{products} products"),
            Self::Sales(1) => formatter.write_str("1 sale"),
            Self::Sales(sales) => write!(formatter, "{sales} sales"),
        }
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Orders => "orders",
            Self::Emptying => "first to last order",
            Self::GatewayMemory => "gateway, most resident",
            Self::WorkerMemory => "worker, most resident",
            Self::RedisQueued => "Redis, a queued buy",
            Self::RedisSettled => "Redis, a settled buy",
            Self::GatewayForBuy => "a buy, gateway",
            Self::RedisForBuy => "a buy, Redis",
            Self::PostgresForOrder => "an order, PostgreSQL",
            Self::WorkerForOrder => "an order, worker",
            Self::RedisForOrder => "an order, Redis",
            Self::Deleting => "deleting the sale",
            Self::RedisLeft => "Redis, left of the deleted sale",
            Self::GatewayAsleep => "asleep, gateway",
            Self::WorkerAsleep => "asleep, worker",
            Self::RedisAsleep => "asleep, Redis",
            Self::CommandsAsleep => "asleep, commands to Redis",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_grow_from_the_one_they_are_held_against() {
        for sizes in [&BUYS[..], &JOBS, &PRODUCTS, &SALES] {
            assert!(sizes.is_sorted(), "{sizes:?}");
        }
        assert_eq!(Size::Jobs(1_000_000).smallest(), Size::Jobs(JOBS[0]));
    }
}
