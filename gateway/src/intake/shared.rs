//! What the queues of all sales share.

use std::time::Duration;

use flashsale_queue::turnstile::Turnstile;
use tokio::runtime::Handle;

use super::{link::Link, replicas::Replicas};
use crate::metrics::TurnstileMetrics;

/// Why a buy got no decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IntakeError {
    /// Too many buys wait already; this one was not sent.
    #[error("too many buys are waiting; try again in a second")]
    Backlog,
    /// Redis is out of reach; this buy may or may not have been taken.
    #[error("the queue is out of reach; try again with the same Idempotency-Key")]
    OutOfReach,
    /// The buy is queued, but a failover might lose it: too few replicas have it.
    #[error(
        "the buy is not yet on as many servers as the sale asks for; try again with the same Idempotency-Key"
    )]
    NotReplicated,
}

/// What the queues of all sales share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) turnstile: Turnstile,
    pub(super) link: Link,
    pub(super) replicas: Replicas,
    pub(super) metrics: TurnstileMetrics,
    /// Where calls are made.
    pub(super) runtime: Handle,
    pub(super) call_timeout: Duration,
    pub(super) queue_timeout: Duration,
    /// Buys of one sale that may wait.
    pub(super) backlog: usize,
    /// Buys of all sales that may wait.
    pub(super) total_backlog: i64,
}
