//! Which lanes this worker drives: looks for lanes with jobs and no driver, and takes what it has
//! room for. Woken by the turnstile when a lane stops being empty, and looking by itself in
//! between, which is also how a dead worker's lanes are found.

mod memory;
mod waiting;
mod wake;

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use flashsale_domain::id::{ProductId, SaleId};
use flashsale_ledger::Ledger;
use flashsale_queue::{
    catalogue::{self, CatalogueError},
    connect::SharedConnection,
    keys::SaleKeys,
    lane, lease, orders,
};
use flashsale_telemetry::probes::Heartbeat;
use tokio::{
    sync::watch,
    task::{JoinError, JoinSet},
};
use tokio_util::sync::CancellationToken;

use crate::{
    driver::{Driver, departure::Departure, known::Known},
    figures,
    lease_keeper::{self, Lease},
    metrics::Metrics,
    progress::Progress,
    settlement::Settler,
};
use memory::Memory;
use waiting::Waiting;

/// How often to look for lanes without a driver. With a lease's term this bounds how long a dead
/// worker's lane stands still.
const LOOK: Duration = Duration::from_millis(500);

/// How often to read the catalogue when nobody says that it changed.
const REFRESH: Duration = Duration::from_secs(5);

/// For each lane driven already, how long to let workers with fewer go first when a lane wakes.
const COURTESY: Duration = Duration::from_millis(5);

/// How long drivers may take to end when the worker stops. Each of their calls has a time limit of
/// two seconds at most, so this is reached only where something hangs that must not.
const END: Duration = Duration::from_secs(6);

/// A lane: its sale and its product.
pub type LaneName = (SaleId, ProductId);

/// What a roster works with.
#[derive(Debug, Clone)]
pub struct Resources {
    /// The shared connection.
    pub queue: SharedConnection,
    /// The ledger.
    pub ledger: Ledger,
    /// What is counted.
    pub metrics: Metrics,
    /// Names this worker in leases, before a part that names the takeover.
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
    /// The lanes in force.
    lanes: HashMap<LaneName, Terms>,
    refreshed: Option<Instant>,
    driven: HashMap<LaneName, CancellationToken>,
    /// The names of `driven`, for who watches.
    shown: watch::Sender<Vec<LaneName>>,
    drivers: JoinSet<Ended>,
    /// Lanes that nobody drives and this worker has no room for.
    waiting: Waiting,
    /// Of lanes that it drove.
    memory: Memory,
    /// Beats with each look.
    heartbeat: Option<Heartbeat>,
}

/// What the sale of a lane asks of its drivers.
#[derive(Debug, Clone, Copy)]
struct Terms {
    /// Jobs in a batch at most.
    batch_size: usize,
    /// Whether orders have to be paid.
    is_paid: bool,
}

/// A driver that let go of its lane.
struct Ended {
    lane: LaneName,
    departure: Departure,
    known: Known,
    /// The lease, where nobody knows whether it was given back.
    stray: Option<(String, String)>,
}

impl Roster {
    /// A roster that drives nothing yet.
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
            memory: Memory::default(),
            heartbeat: None,
        }
    }

    /// The same, which shows by `heartbeat` that it goes on.
    #[must_use]
    pub fn with_heartbeat(self, heartbeat: Heartbeat) -> Self {
        Self {
            heartbeat: Some(heartbeat),
            ..self
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
            if let Some(heartbeat) = &self.heartbeat {
                heartbeat.beat();
            }
            let result = tokio::select! {
                () = self.stop.cancelled() => break,
                Some(ended) = self.drivers.join_next() => {
                    self.ended(ended, Some(&caller));
                    self.fill().await
                }
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
        self.finish().await;
    }

    /// Lets every driver finish what is in the ledger's hands.
    async fn finish(&mut self) {
        let end = Instant::now() + END;
        while !self.drivers.is_empty() {
            match tokio::time::timeout_at(end.into(), self.drivers.join_next()).await {
                Ok(Some(ended)) => self.ended(ended, None),
                Ok(None) => break,
                Err(_) => {
                    tracing::error!(
                        "{} drivers do not end, their leases run out",
                        self.drivers.len()
                    );
                    self.drivers.shutdown().await;
                }
            }
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

    /// Looks at every lane that this worker does not drive, and takes those that have jobs, or orders that
    /// somebody has to look at.
    async fn look(&mut self) -> Result<(), CatalogueError> {
        self.give_back().await?;
        if self.refreshed.is_none_or(|at| at.elapsed() > REFRESH) {
            self.refresh().await?;
        }
        let busy = self.busy().await?;
        let leases: Vec<String> = busy.iter().map(lease_key).collect();
        let held = lease::held(&mut self.resources.queue, &leases).await?;
        let free = busy.into_iter().zip(held).filter(|(_, held)| !held);
        let free: Vec<LaneName> = free.map(|(lane, _)| lane).collect();
        let driven = &self.driven;
        let waits = &self.resources.metrics.lanes_waiting;
        waits.retain(|lane| driven.contains_key(lane) || free.contains(lane));
        let now = Instant::now();
        let memory = &self.memory;
        let may_be_taken = free.into_iter().filter(|lane| !memory.is_left(lane, now));
        self.waiting.replace(may_be_taken);
        self.fill().await
    }

    /// The lanes that somebody has to drive, among those that this worker does not.
    async fn busy(&mut self) -> Result<Vec<LaneName>, CatalogueError> {
        let others = self.lanes.iter();
        let others = others.filter(|(lane, _)| !self.driven.contains_key(*lane));
        let others: Vec<(LaneName, bool)> = others
            .map(|(lane, terms)| (lane.clone(), terms.is_paid))
            .collect();
        let names: Vec<String> = others
            .iter()
            .map(|((sale, product), _)| SaleKeys::new(sale).lane(product))
            .collect();
        let queue = &mut self.resources.queue;
        let depths = lane::depths(queue, &names).await?;
        let (mut busy, mut empty) = (Vec::new(), Vec::new());
        for ((lane, is_paid), depth) in others.into_iter().zip(depths) {
            if depth > 0 {
                busy.push(lane);
            } else if is_paid {
                empty.push(lane);
            }
        }
        let are_due = orders::are_due(queue, &empty).await?;
        let due = empty.into_iter().zip(are_due).filter(|(_, is_due)| *is_due);
        busy.extend(due.map(|(lane, _)| lane));
        Ok(busy)
    }

    /// Gives back leases of drivers that have ended, where that could not be done at once: nobody
    /// drives their lanes.
    async fn give_back(&mut self) -> Result<(), CatalogueError> {
        for stray in self.memory.strays(Instant::now()) {
            let queue = &mut self.resources.queue;
            if lease::release(queue, &stray.key, &stray.owner).await? {
                self.memory.found(&stray);
            }
        }
        Ok(())
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
        let records = catalogue::read_all(&mut self.resources.queue).await?;
        // What cannot be read is driven as it was.
        self.lanes
            .retain(|(sale, _), _| records.unreadable.contains(sale));
        let sales = records.announced.into_iter();
        for sale in sales.map(|announced| announced.sale) {
            if !self.limits.sales.is_empty() && !self.limits.sales.contains(&sale.id) {
                continue;
            }
            self.resources.metrics.show(&sale.id);
            let terms = Terms {
                batch_size: self.limits.batch_size.unwrap_or(sale.workers.batch_size),
                is_paid: sale.payment.is_some(),
            };
            for product in sale.lanes() {
                self.lanes.insert((sale.id.clone(), product.clone()), terms);
            }
        }
        for (lane, stop) in &self.driven {
            if !self.lanes.contains_key(lane) {
                stop.cancel();
            }
        }
        let lanes = &self.lanes;
        self.memory.retain(|lane| lanes.contains_key(lane));
        self.refreshed = Some(Instant::now());
        Ok(())
    }

    /// Takes a lane if it is in force and not driven by anyone; without room, lets it wait.
    async fn take(&mut self, lane: LaneName) -> Result<(), CatalogueError> {
        if self.driven.contains_key(&lane) || self.memory.is_left(&lane, Instant::now()) {
            return Ok(());
        }
        if !self.lanes.contains_key(&lane) {
            self.refresh().await?;
        }
        let Some(terms) = self.lanes.get(&lane).copied() else {
            return Ok(());
        };
        if self.driven.len() >= self.limits.lanes {
            self.waiting.join(lane);
            return Ok(());
        }
        let ledger_up = self.resources.metrics.ledger_up.get() == 1;
        if self
            .memory
            .lets_others_go_first(&lane, ledger_up, Instant::now())
        {
            // The next looks find it, if it is still there.
            return Ok(());
        }
        // Named after the takeover, not after the worker: what an earlier driver of this worker
        // still has on its way can neither renew nor give back this lease.
        let takeover = uuid::Uuid::new_v4().simple();
        let mut lease = Lease {
            queue: self.resources.queue.clone(),
            key: lease_key(&lane),
            owner: format!("{}/{takeover}", self.resources.owner),
            held_since: Instant::now(),
        };
        match lease::hold(&mut lease.queue, &lease.key, &lease.owner).await {
            Ok(true) => self.start(lane, lease, terms),
            Ok(false) => {}
            Err(error) => {
                // It may have been taken all the same.
                self.memory.stray(lease.key, lease.owner, Instant::now());
                return Err(error.into());
            }
        }
        Ok(())
    }

    fn start(&mut self, lane: LaneName, lease: Lease, terms: Terms) {
        let Resources {
            queue,
            ledger,
            metrics,
            ..
        } = self.resources.clone();
        let stop = self.stop.child_token();
        let progress = Progress::default();
        tracing::debug!(sale = %lane.0, product = %lane.1, "driving lane {}", lane.1);
        metrics.lanes_taken.inc();
        metrics.lanes_driven.inc();
        let driver = Driver {
            queue,
            settler: Settler {
                ledger,
                sale: lane.0.clone(),
                product: lane.1.clone(),
                metrics: metrics.clone(),
            },
            owner: lease.owner.clone(),
            is_paid: terms.is_paid,
            known: self.memory.known(&lane, terms.batch_size),
            stop: stop.clone(),
            crowded: self.waiting.crowded(),
            progress: progress.clone(),
            metrics: metrics.clone(),
        };
        self.driven.insert(lane.clone(), stop.clone());
        self.show_driven();
        self.drivers.spawn(async move {
            let done = CancellationToken::new();
            let name = (lease.key.clone(), lease.owner.clone());
            let keeping = lease.keep(progress, stop, done.clone(), metrics);
            let driving = async {
                let ended = driver.drive().await;
                done.cancel();
                ended
            };
            let (end, (departure, known)) = tokio::join!(keeping, driving);
            Ended {
                lane,
                departure,
                known,
                stray: (end == lease_keeper::End::Unknown).then_some(name),
            }
        });
    }

    fn show_driven(&self) {
        let mut lanes: Vec<LaneName> = self.driven.keys().cloned().collect();
        lanes.sort();
        self.shown.send_replace(lanes);
    }

    /// A driver ended; `caller` reminds of a lane that is to be taken again later.
    fn ended(&mut self, ended: Result<Ended, JoinError>, caller: Option<&wake::Caller>) {
        self.resources.metrics.lanes_driven.dec();
        let Ended {
            lane,
            departure,
            known,
            stray,
        } = match ended {
            Ok(ended) => ended,
            Err(error) => {
                // The lane's name went with the task; its lease runs out, and whoever has room
                // takes it. A worker with a broken driver makes way for a fresh one.
                tracing::error!(%error, "a driver broke, this worker stops: {error}");
                self.stop.cancel();
                return;
            }
        };
        self.driven.remove(&lane);
        self.show_driven();
        let now = Instant::now();
        if let Some((key, owner)) = stray {
            self.memory.stray(key, owner, now);
        }
        let is_first = !self.memory.has_failed(&lane);
        self.tell(&lane, &departure, is_first);
        let left_for = self.memory.left(&lane, &departure, known, now);
        if let (Some(wait), Some(caller)) = (left_for, caller) {
            caller.remind(lane, wait);
        } else if departure == Departure::TurnOver {
            self.waiting.join(lane);
        }
    }

    /// Says once, not with each try, that a lane cannot be driven.
    fn tell(&self, lane: &LaneName, departure: &Departure, is_first: bool) {
        let (sale, product) = lane;
        let waits = &self.resources.metrics.lanes_waiting;
        match departure {
            Departure::Waits { reason, message } => {
                if waits.wait(lane, reason) {
                    tracing::warn!(%sale, %product, reason,
                        "lane {product} waits for the ledger ({reason}): {message}");
                } else {
                    tracing::debug!(%sale, %product, reason,
                        "lane {product} still waits for the ledger ({reason}): {message}");
                }
            }
            Departure::Fenced => {
                self.resources.metrics.fenced.inc();
                tracing::info!(%sale, %product,
                    "the ledger refused a batch of lane {product}, which another driver took over");
            }
            Departure::QueueAway(message) if is_first => {
                tracing::warn!(%sale, %product, "Redis failed, lane {product} is given up: {message}");
            }
            Departure::Newer(message) if is_first => {
                tracing::warn!(%sale, %product, "lane {product} is left alone: {message}");
            }
            Departure::Done => waits.flow(lane),
            Departure::TurnOver
            | Departure::NotBefore(_)
            | Departure::Newer(_)
            | Departure::QueueAway(_) => {}
        }
    }
}

fn lease_key((sale, product): &LaneName) -> String {
    SaleKeys::new(sale).lease(product)
}
