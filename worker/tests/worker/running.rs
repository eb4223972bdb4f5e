//! A worker inside the test's own process.

use flashsale_domain::id::SaleId;
use flashsale_ledger::Ledger;
use flashsale_queue::connect::{self, RedisClient};
use flashsale_worker::{
    metrics::Metrics,
    roster::{Limits, Resources, Roster},
};
use prometheus::Registry;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use flashsale_testbed::fixtures::services::Services;

/// A running worker.
pub(crate) struct Worker {
    /// Its counts.
    pub(crate) metrics: Metrics,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Worker {
    /// Starts a worker that drives up to `lanes` lanes.
    pub(crate) fn start(services: &Services, name: &str, lanes: usize) -> Self {
        Self::start_at(
            &connect::redis_client(&services.redis.url()).unwrap(),
            services.ledger.clone(),
            name,
            lanes,
        )
    }

    /// The same over connections of its own to this Redis and this ledger.
    pub(crate) fn start_at(client: &RedisClient, ledger: Ledger, name: &str, lanes: usize) -> Self {
        let limits = Limits {
            sales: Vec::new(),
            lanes,
            batch_size: None,
        };
        Self::start_within(limits, client, ledger, name)
    }

    /// Starts a worker that drives the lanes of `sales` alone.
    pub(crate) fn start_for(services: &Services, name: &str, sales: Vec<SaleId>) -> Self {
        let limits = Limits {
            sales,
            lanes: 4,
            batch_size: None,
        };
        Self::start_within(
            limits,
            &connect::redis_client(&services.redis.url()).unwrap(),
            services.ledger.clone(),
            name,
        )
    }

    fn start_within(limits: Limits, client: &RedisClient, ledger: Ledger, name: &str) -> Self {
        let metrics = Metrics::register(&Registry::new()).unwrap();
        let resources = Resources {
            queue: connect::shared(client).unwrap(),
            ledger,
            metrics: metrics.clone(),
            owner: name.to_owned(),
        };
        let stop = CancellationToken::new();
        let roster = Roster::new(resources, limits, stop.clone());
        Self {
            metrics,
            stop,
            task: tokio::spawn(roster.run()),
        }
    }

    /// Stops it as SIGTERM would.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }

    /// Ends it without a goodbye, as SIGKILL would: its leases stay.
    pub(crate) fn kill(self) {
        self.task.abort();
    }
}
