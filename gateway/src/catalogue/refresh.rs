//! Keeping the catalogue fresh: each second, and at once when something says so.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use flashsale_domain::{lifecycle::Announced, observation::SaleObservation};
use flashsale_queue::{
    catalogue,
    connect::{BlockingConnection, SharedConnection},
    observation,
};
use flashsale_telemetry::probes::{Heartbeat, ReadinessHandle};
use jiff::Timestamp;
use tokio::{
    sync::{Notify, watch},
    time::{MissedTickBehavior, interval, timeout},
};

use super::{
    clock::RedisClock,
    handle::{Catalogue, Observed},
    snapshot::Snapshot,
};
use crate::{intake::Intake, metrics::BuyCounters, stocks::Stocks};

/// How old the catalogue and the figures of the lanes may be while nothing says that they changed.
const INTERVAL: Duration = Duration::from_secs(1);

/// How long one look into Redis may take in all.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why the catalogue could not be read.
#[derive(Debug, thiserror::Error)]
enum RefreshError {
    #[error("Redis does not answer: {0}")]
    Redis(#[from] redis::RedisError),
    #[error("Redis does not answer within {PATIENCE:?}")]
    Silence,
}

/// The task that keeps a [`Catalogue`] fresh, over a connection of its own: no crowd that looks up
/// orders can keep it from looking.
#[derive(Debug)]
pub struct Refresher {
    queue: SharedConnection,
    intake: Arc<Intake>,
    stocks: Stocks,
    buys: BuyCounters,
    readiness: ReadinessHandle,
    clock: RedisClock,
    wanted: Arc<Notify>,
    snapshot: watch::Sender<Arc<Snapshot>>,
    observed: watch::Sender<Observed>,
    looked: watch::Sender<Option<Instant>>,
}

impl Refresher {
    /// A catalogue, empty until the returned task has looked for the first time.
    pub fn new(
        queue: SharedConnection,
        intake: Arc<Intake>,
        stocks: Stocks,
        buys: BuyCounters,
        readiness: ReadinessHandle,
    ) -> (Self, Catalogue) {
        let refresher = Self {
            queue,
            intake,
            stocks,
            buys,
            readiness,
            clock: RedisClock::default(),
            wanted: Arc::default(),
            snapshot: watch::Sender::default(),
            observed: watch::Sender::default(),
            looked: watch::Sender::default(),
        };
        let catalogue = Catalogue {
            snapshots: refresher.snapshot.subscribe(),
            observed: refresher.observed.subscribe(),
            looked: refresher.looked.subscribe(),
            wanted: Arc::clone(&refresher.wanted),
            clock: refresher.clock.clone(),
        };
        (refresher, catalogue)
    }

    /// Keeps the catalogue fresh, and beats as often as it looks.
    pub async fn run(self, heartbeat: Arc<Heartbeat>) {
        let mut ticks = interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut connection = None;
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = self.wanted.notified() => {}
            }
            heartbeat.beat();
            self.refresh(&mut connection).await;
        }
    }

    /// Looks over `connection`, which is opened if there is none, and closed when the look fails.
    async fn refresh(&self, connection: &mut Option<BlockingConnection>) {
        let began = Instant::now();
        let looked = timeout(PATIENCE, self.look(connection)).await;
        match looked.unwrap_or(Err(RefreshError::Silence)) {
            Ok((announced, at, sales)) => {
                self.take_over(announced, at, sales);
                self.looked.send_replace(Some(began));
                self.readiness.ready();
            }
            Err(error) => {
                *connection = None;
                self.failed(&error);
            }
        }
    }

    /// A gateway that has looked once stays ready: all gateways share Redis, so that none would be left
    /// to serve the page, the sales as they were, orders from the ledger, and refusals that say when to
    /// try again.
    fn failed(&self, error: &RefreshError) {
        let was_current = self
            .observed
            .send_if_modified(|observed| std::mem::replace(&mut observed.is_current, false));
        if self.looked.borrow().is_none() {
            self.readiness.not_ready(error.to_string());
        } else if was_current {
            tracing::warn!(%error, "the sales are not refreshed any more: {error}");
        }
    }

    async fn look(
        &self,
        connection: &mut Option<BlockingConnection>,
    ) -> Result<(Vec<Announced>, Timestamp, Vec<SaleObservation>), RefreshError> {
        let connection = match connection {
            Some(connection) => connection,
            None => connection.insert(self.queue.blocking(Duration::ZERO).await?),
        };
        self.clock.set(catalogue::clock(connection).await?);
        let records = catalogue::read_all(connection).await?;
        let announced = self.snapshot.borrow().with_known(records);
        let sales: Vec<_> = announced.iter().map(|announced| &announced.sale).collect();
        let observed = observation::observe(connection, &sales).await?;
        self.intake.heartbeat().await?;
        Ok((announced, self.clock.now(), observed))
    }

    /// Has buys counted for every sale of `updated` before its first one, and for no other.
    fn count_for(&self, updated: &Snapshot) {
        for sale in updated.sales() {
            self.buys.show(sale.id());
        }
        for sale in self.snapshot.borrow().sales() {
            if updated.sale(sale.id().as_str()).is_none() {
                self.buys.forget(sale.id());
            }
        }
    }

    fn take_over(&self, announced: Vec<Announced>, at: Timestamp, sales: Vec<SaleObservation>) {
        let updated = self.snapshot.borrow().updated(announced, at, &self.intake);
        if let Some(updated) = updated {
            self.stocks
                .keep_only(|product| updated.offer(product.as_str()).is_some());
            self.count_for(&updated);
            tracing::info!(sales = updated.sales().len(), "the catalogue changed");
            self.snapshot.send_replace(Arc::new(updated));
        }
        for lane in sales.iter().flat_map(|sale| &sale.lanes) {
            if let Some(stock) = lane.stock.stock {
                self.stocks.tell(&lane.product, stock, lane.stock.version);
            }
        }
        let before = self.observed.send_replace(Observed {
            at,
            sales,
            is_current: true,
        });
        if !before.is_current && self.looked.borrow().is_some() {
            tracing::info!("the sales are refreshed again");
        }
    }
}
