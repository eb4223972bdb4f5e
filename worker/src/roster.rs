//! Which lanes this worker drives: looks for lanes with jobs and no driver, and takes what it has
//! room for. Woken by the turnstile when a lane stops being empty, and looking by itself in
//! between, which is also how a dead worker's lanes are found.

mod waiting;
mod wake;

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use flashsale_core::{
    catalogue::{self, CatalogueError},
    connect::SharedConnection,
    id::{ProductId, SaleId},
    keys::SaleKeys,
    lane, lease,
    ledger::Ledger,
};
use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    driver::{Departure, Driver},
    figures, lease_keeper,
    metrics::Metrics,
    settlement::Settler,
};
use waiting::Waiting;

/// How often to look for lanes without a driver. With a lease's term this bounds how long a dead
/// worker's lane stands still.
const LOOK: Duration = Duration::from_millis(500);

/// How often to read the catalogue when nobody says that it changed.
const REFRESH: Duration = Duration::from_secs(5);

/// For each lane driven already, how long to let workers with fewer go first when a lane wakes.
const COURTESY: Duration = Duration::from_millis(5);

/// A lane: its sale and its product.
pub type LaneName = (SaleId, ProductId);

/// What a roster works with.
#[derive(Debug, Clone)]
pub struct Resources {
    /// Opens connections of one's own.
    pub client: redis::Client,
    /// The shared connection.
    pub queue: SharedConnection,
    /// The ledger.
    pub ledger: Ledger,
    /// What is counted.
    pub metrics: Metrics,
    /// Names this worker in leases.
    pub owner: String,
}

/// What a roster may do.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Only these sales; all when empty.
    pub sales: Vec<SaleId>,
    /// Lanes at once.
    pub lanes: usize,
    /// Overrides the batch size of every sale.
    pub batch_size: Option<usize>,
}

/// The lanes this worker could drive and those it drives.
pub struct Roster {
    resources: Resources,
    limits: Limits,
    stop: CancellationToken,
    /// Batch size of each lane in force.
    lanes: HashMap<LaneName, usize>,
    refreshed: Option<Instant>,
    driven: HashMap<LaneName, CancellationToken>,
    /// The names of `driven`, for who watches.
    shown: watch::Sender<Vec<LaneName>>,
    drivers: JoinSet<(LaneName, Departure)>,
    /// Lanes that nobody drives and this worker has no room for.
    waiting: Waiting,
}

impl Roster {
    /// A roster that drives nothing yet.
    #[must_use]
    pub fn new(resources: Resources, limits: Limits, stop: CancellationToken) -> Self {
        Self {
            resources,
            limits,
            stop,
            lanes: HashMap::new(),
            refreshed: None,
            driven: HashMap::new(),
            shown: watch::Sender::default(),
            drivers: JoinSet::new(),
            waiting: Waiting::default(),
        }
    }

    /// Drives lanes until told to stop; then lets every driver finish its batch.
    pub async fn run(mut self) {
        let (mut calls, caller) = wake::listen(self.resources.queue.clone(), self.stop.clone());
        tokio::spawn(figures::tell(
            self.resources.queue.clone(),
            self.resources.owner.clone(),
            self.shown.subscribe(),
        ));
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let result = tokio::select! {
                () = self.stop.cancelled() => break,
                Some(ended) = self.drivers.join_next() => { self.ended(ended); self.fill().await }
                Some(call) = calls.recv() => self.answer(call, &caller).await,
                _ = look.tick() => self.look().await,
            };
            self.resources
                .metrics
                .queue_up
                .set(i64::from(result.is_ok()));
            if let Err(error) = result {
                tracing::warn!(%error, "could not look for lanes: {error}");
                tokio::time::sleep(LOOK).await;
            }
        }
        while let Some(ended) = self.drivers.join_next().await {
            self.ended(ended);
        }
    }

    async fn answer(
        &mut self,
        call: wake::Call,
        caller: &wake::Caller,
    ) -> Result<(), CatalogueError> {
        match call {
            wake::Call::Changed => self.refresh().await,
            wake::Call::Wake(lane) if self.driven.is_empty() => self.take(lane).await,
            wake::Call::Wake(lane) => {
                let lanes = u32::try_from(self.driven.len()).unwrap_or(u32::MAX);
                caller.remind(lane, COURTESY.saturating_mul(lanes));
                Ok(())
            }
            wake::Call::Reminder(lane) => self.take(lane).await,
        }
    }

    /// Looks at every lane that this worker does not drive, and takes those that have jobs.
    async fn look(&mut self) -> Result<(), CatalogueError> {
        if self.refreshed.is_none_or(|at| at.elapsed() > REFRESH) {
            self.refresh().await?;
        }
        let others: Vec<LaneName> = self
            .lanes
            .keys()
            .filter(|lane| !self.driven.contains_key(*lane))
            .cloned()
            .collect();
        let names: Vec<String> = others
            .iter()
            .map(|(sale, product)| SaleKeys::new(sale).lane(product))
            .collect();
        let depths = lane::depths(&mut self.resources.queue, &names).await?;
        let busy: Vec<LaneName> = others
            .into_iter()
            .zip(depths)
            .filter(|(_, depth)| *depth > 0)
            .map(|(lane, _)| lane)
            .collect();
        let leases: Vec<String> = busy.iter().map(lease_key).collect();
        let held = lease::held(&mut self.resources.queue, &leases).await?;
        let free = busy.into_iter().zip(held).filter(|(_, held)| !held);
        self.waiting.replace(free.map(|(lane, _)| lane));
        self.fill().await
    }

    /// Takes lanes that wait, the one that waits longest first, as long as there is room.
    async fn fill(&mut self) -> Result<(), CatalogueError> {
        while self.driven.len() < self.limits.lanes {
            let Some(lane) = self.waiting.next() else {
                break;
            };
            self.take(lane).await?;
        }
        Ok(())
    }

    async fn refresh(&mut self) -> Result<(), CatalogueError> {
        let announced = catalogue::read_all(&mut self.resources.queue).await?;
        self.lanes.clear();
        for sale in announced.into_iter().map(|announced| announced.sale) {
            if !self.limits.sales.is_empty() && !self.limits.sales.contains(&sale.id) {
                continue;
            }
            self.resources.metrics.show(&sale.id);
            let batch_size = self.limits.batch_size.unwrap_or(sale.workers.batch_size);
            for product in sale.lanes() {
                self.lanes
                    .insert((sale.id.clone(), product.clone()), batch_size);
            }
        }
        for (lane, stop) in &self.driven {
            if !self.lanes.contains_key(lane) {
                stop.cancel();
            }
        }
        self.refreshed = Some(Instant::now());
        Ok(())
    }

    /// Takes a lane if it is in force and not driven by anyone; without room, lets it wait.
    async fn take(&mut self, lane: LaneName) -> Result<(), CatalogueError> {
        if self.driven.contains_key(&lane) {
            return Ok(());
        }
        if !self.lanes.contains_key(&lane) {
            self.refresh().await?;
        }
        let Some(batch_size) = self.lanes.get(&lane).copied() else {
            return Ok(());
        };
        if self.driven.len() >= self.limits.lanes {
            self.waiting.join(lane);
            return Ok(());
        }
        let key = lease_key(&lane);
        if lease::hold(&mut self.resources.queue, &key, &self.resources.owner).await? {
            self.start(lane, key, batch_size);
        }
        Ok(())
    }

    fn start(&mut self, lane: LaneName, lease_key: String, batch_size: usize) {
        let Resources {
            client,
            queue,
            ledger,
            metrics,
            owner,
        } = self.resources.clone();
        let stop = self.stop.child_token();
        tracing::debug!(sale = %lane.0, product = %lane.1, "driving lane {}", lane.1);
        metrics.lanes_taken.inc();
        metrics.lanes_driven.inc();
        let driver = Driver {
            client,
            queue: queue.clone(),
            settler: Settler {
                ledger,
                sale: lane.0.clone(),
                product: lane.1.clone(),
                takeover: Arc::default(),
                metrics: metrics.clone(),
            },
            batch_size,
            stop: stop.clone(),
            crowded: self.waiting.crowded(),
            metrics: metrics.clone(),
        };
        self.driven.insert(lane.clone(), stop.clone());
        self.show_driven();
        self.drivers.spawn(async move {
            let done = CancellationToken::new();
            let keeper = lease_keeper::keep(queue, lease_key, owner, stop, done.clone(), metrics);
            let driving = async {
                let departure = driver.drive().await;
                done.cancel();
                departure
            };
            let ((), departure) = tokio::join!(keeper, driving);
            (lane, departure)
        });
    }

    fn show_driven(&self) {
        let mut lanes: Vec<LaneName> = self.driven.keys().cloned().collect();
        lanes.sort();
        self.shown.send_replace(lanes);
    }

    fn ended(&mut self, ended: Result<(LaneName, Departure), tokio::task::JoinError>) {
        self.resources.metrics.lanes_driven.dec();
        match ended {
            Ok((lane, departure)) => {
                self.driven.remove(&lane);
                self.show_driven();
                if departure == Departure::TurnOver {
                    self.waiting.join(lane);
                }
            }
            Err(error) => {
                // The lane's name went with the task; its lease runs out, and whoever has room
                // takes it. A worker with a broken driver makes way for a fresh one.
                tracing::error!(%error, "a driver broke, this worker stops: {error}");
                self.stop.cancel();
            }
        }
    }
}

fn lease_key((sale, product): &LaneName) -> String {
    SaleKeys::new(sale).lease(product)
}
