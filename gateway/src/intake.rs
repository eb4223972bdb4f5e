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
mod shared;

use std::sync::Arc;

use flashsale_domain::sale::Sale;
use flashsale_queue::{connect::SharedConnection, turnstile::Turnstile};
use tokio::runtime::Handle;

use crate::{
    config::{BadReplicaTimeout, IntakeConfig},
    metrics::TurnstileMetrics,
};

use link::Link;
pub use queue::{SaleQueue, Taken};
use replicas::Replicas;
pub use shared::IntakeError;
use shared::Shared;

/// Where all buys go through.
#[derive(Debug)]
pub struct Intake {
    shared: Arc<Shared>,
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
            replicas: Replicas::new(
                &connection,
                config.replica_timeout()?,
                metrics.replica_shortfalls.clone(),
            ),
            link: Link::new(connection),
            metrics,
            runtime,
            call_timeout: config.turnstile_timeout,
            queue_timeout: config.intake_timeout,
            backlog: config.intake_backlog,
            total_backlog: i64::from(config.intake_total_backlog),
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// A new queue for the buys of `sale`.
    pub fn queue(&self, sale: &Sale) -> Arc<SaleQueue> {
        Arc::new(SaleQueue::new(sale, Arc::clone(&self.shared)))
    }

    /// Asks whether Redis takes writes over the shared connection, so that it is replaced before a
    /// shopper needs it.
    pub async fn heartbeat(&self) -> redis::RedisResult<()> {
        self.shared.link.heartbeat(self.shared.call_timeout).await
    }
}
