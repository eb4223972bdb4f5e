//! The intake: gathers concurrent buys of one sale into few calls of the turnstile.
//!
//! A call costs Redis about as much as two buys do. So while a call or two are on their way, the
//! buys that arrive wait for the next one and share it; on an idle gateway a single buy goes out
//! at once. Every buy is answered within the two time limits of the configuration, and a buy that
//! was never sent is known not to have been taken.
//!
//! When more buys come than Redis takes, those that would wait for more than half of the time limit
//! are refused as they arrive: a refusal that is late costs the shopper the wait and the gateway the
//! memory, and lets nobody else in.

mod drain_rate;
mod link;
mod queue;
mod replicas;

use std::{sync::Arc, time::Duration};

use flashsale_core::{connect::SharedConnection, sale::Sale, turnstile::Turnstile};

use tokio::runtime::Handle;

use crate::{
    config::{BadReplicaTimeout, IntakeConfig},
    metrics::TurnstileMetrics,
};

use link::Link;
pub use queue::{SaleQueue, Taken};
use replicas::Replicas;

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

/// Where all buys go through.
#[derive(Debug)]
pub struct Intake {
    shared: Arc<Shared>,
}

/// What the queues of all sales share.
#[derive(Debug)]
struct Shared {
    turnstile: Turnstile,
    link: Link,
    replicas: Replicas,
    metrics: TurnstileMetrics,
    /// Where calls are made.
    runtime: Handle,
    call_timeout: Duration,
    queue_timeout: Duration,
    /// Buys of one sale that may wait.
    backlog: usize,
    /// Buys of all sales that may wait.
    total_backlog: i64,
}

impl Intake {
    /// An intake over `connection`, which should be used for nothing else that is slow: its calls
    /// would wait. Calls are made on `runtime`.
    ///
    /// # Errors
    /// When the time limits of `config` contradict each other.
    pub fn new(
        connection: SharedConnection,
        config: &IntakeConfig,
        metrics: TurnstileMetrics,
        runtime: Handle,
    ) -> Result<Self, BadReplicaTimeout> {
        let shared = Shared {
            turnstile: Turnstile::default(),
            replicas: Replicas::new(&connection, config.replica_timeout()?),
            link: Link::new(connection),
            metrics,
            runtime,
            call_timeout: config.call_timeout(),
            queue_timeout: config.queue_timeout(),
            backlog: config.backlog(),
            total_backlog: i64::from(config.intake_total_backlog),
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// A new queue for the buys of `sale`.
    #[must_use]
    pub fn queue(&self, sale: &Sale) -> Arc<SaleQueue> {
        Arc::new(SaleQueue::new(sale, Arc::clone(&self.shared)))
    }

    /// Asks whether Redis takes writes over the shared connection, so that it is replaced before a
    /// shopper needs it.
    pub async fn heartbeat(&self) -> redis::RedisResult<()> {
        self.shared.link.heartbeat(self.shared.call_timeout).await
    }
}
