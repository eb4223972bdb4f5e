//! What rows are called.

use std::fmt;

use super::{Consumer, Measure, count};

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
            Self::PlainBatches(batches) => batches.fmt(formatter),
            Self::FarSettlement { away_ms, batch } => {
                write!(formatter, "1 worker, {away_ms} ms away, batches of {batch}")
            }
            Self::PlainWrites => {
                formatter.write_str("the same writes by plain commands, 128 at a time")
            }
            Self::Turnstile => formatter.write_str("turnstile script, calls of 128 buys"),
            Self::Http(target, aspect) => write!(formatter, "{target}, {aspect}"),
            Self::OpenLoop(target, load, figure) => {
                write!(formatter, "{target}, {load}: {figure}")
            }
            Self::RedisBenchmark { pipeline: 1 } => {
                formatter.write_str("redis-benchmark, 64 connections")
            }
            Self::RedisBenchmark { pipeline } => {
                write!(
                    formatter,
                    "redis-benchmark, 64 connections, {pipeline} calls each"
                )
            }
            Self::ProcessorTime(consumer) => consumer.fmt(formatter),
            Self::TokenCost(cost) => cost.fmt(formatter),
            Self::Link(link, consumer) => write!(formatter, "{consumer}, {link}"),
            Self::GatewayMemory => formatter.write_str("gateway, resident"),
            Self::WorkerMemory => formatter.write_str("worker draining the lane, most resident"),
            Self::JobsQueued => formatter.write_str("jobs queued"),
            Self::RedisQueued => formatter.write_str("Redis, for one queued buy"),
            Self::RedisSettled => formatter.write_str("Redis, for one settled buy"),
            Self::Confirmation(load, stage, quantile) => {
                write!(formatter, "{load}: {stage}, {quantile}")
            }
            Self::Sockets(figure) => figure.fmt(formatter),
            Self::Peer(contest) => contest.fmt(formatter),
            Self::Growth(size, cost) => write!(formatter, "{size}: {cost}"),
        }
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
