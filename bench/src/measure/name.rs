//! What rows are called.

use std::fmt;

use super::{Aspect, Consumer, Measure, Target};

impl fmt::Display for Measure {
    /// What a row of the table is called, and unique.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Pgbench { products, batch } => {
                write!(
                    formatter,
                    "pgbench, {}, batches of {batch}",
                    count(products, "product")
                )
            }
            Self::Settlement {
                workers,
                products,
                batch,
            } => write!(
                formatter,
                "{}, {}, batches of {batch}",
                count(workers, "worker"),
                count(products, "product")
            ),
            Self::PlainWrites => {
                formatter.write_str("the same writes by plain commands, 128 at a time")
            }
            Self::Turnstile => formatter.write_str("turnstile script, calls of 128 buys"),
            Self::Http(target, aspect) => write!(formatter, "{target}, {aspect}"),
            Self::ProcessorTime(consumer) => consumer.fmt(formatter),
            Self::GatewayMemory => formatter.write_str("gateway, resident"),
            Self::WorkerMemory => formatter.write_str("worker draining the lane, most resident"),
            Self::JobsQueued => formatter.write_str("jobs queued"),
            Self::RedisQueued => formatter.write_str("Redis, for one queued buy"),
            Self::RedisSettled => formatter.write_str("Redis, for one settled buy"),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::EmptyRoute => "empty axum route",
            Self::Gateway => "POST /buy",
            Self::GatewayAndWorker => "POST /buy, a worker settling",
            Self::GatewaySyncing => "POST /buy, appendfsync always",
        })
    }
}

impl fmt::Display for Consumer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::PostgresForPgbench => "an order of pgbench: PostgreSQL",
            Self::PostgresForWorker => "an order: PostgreSQL",
            Self::Worker => "an order: worker",
            Self::RedisForWorker => "an order: Redis",
            Self::EmptyRoute => "a request: empty axum route",
            Self::Gateway => "a buy: gateway",
            Self::RedisForGateway => "a buy: Redis",
        })
    }
}

impl fmt::Display for Aspect {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Rate => "requests",
            Self::Median => "p50",
            Self::Percentile99 => "p99",
        })
    }
}

fn count(number: u32, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}
