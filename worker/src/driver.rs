//! Drives one lane: reads what waits, settles it, acknowledges it, and again, as long as the
//! lane's lease is held and somebody wants its jobs settled.
//!
//! The three steps overlap: while the ledger commits a batch, the one before is acknowledged and
//! the one after is read. The ledger's row lock is what a hot product runs out of, so nothing
//! else may be waited for between two transactions.

mod reader;
mod refusals;

use std::time::{Duration, Instant};

use flashsale_core::{
    keys::SaleKeys,
    lane::{self, Acknowledgement, Entry},
};
use redis::aio::ConnectionManager;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    batch::{self, Batch},
    metrics::Metrics,
    patience::Patience,
    settlement::{Settled, Settler},
};
use reader::Reader;
use refusals::Refusals;

/// How long a lane may be empty before its driver lets go of it.
const IDLE_RELEASE: Duration = Duration::from_secs(10);

/// How long a lane with jobs is driven at a stretch while other lanes wait for room in this worker:
/// long against taking a lane over, which costs a few milliseconds, and short for those who wait.
const TURN: Duration = Duration::from_millis(200);

/// One look at an empty lane: how long to wait for a job before looking around.
const LOOK: Duration = Duration::from_millis(200);

/// What a driver is made of.
#[derive(Debug)]
pub struct Driver {
    /// Opens the connection on which the driver waits for jobs.
    pub client: redis::Client,
    /// For everything that does not wait; shared with the worker's other drivers.
    pub queue: ConnectionManager,
    /// Settles the batches; knows sale and product.
    pub settler: Settler,
    /// Jobs in one transaction at most.
    pub batch_size: usize,
    /// Cancelled when the worker stops, the lease is lost or the sale is gone.
    pub stop: CancellationToken,
    /// True while other lanes wait for room in this worker.
    pub crowded: watch::Receiver<bool>,
    /// What is counted.
    pub metrics: Metrics,
}

/// Why a driver let go of its lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Departure {
    /// The lane was empty, or the driver was told to stop.
    Done,
    /// Its turn was over, others wait: it wants another.
    TurnOver,
}

impl Driver {
    /// Drives until told to stop, until the lane has long been empty, or, while other lanes wait
    /// for room, until it is empty at all or its turn is over. What was settled is acknowledged
    /// before this returns, if Redis answers.
    pub async fn drive(self) -> Departure {
        let keys = SaleKeys::new(&self.settler.sale);
        let lane = keys.lane(&self.settler.product);
        let mut reader = Reader::new(self.client.clone(), lane);
        let mut patience = Patience::default();
        while !self.stop.is_cancelled() {
            match self.drive_connected(&keys, &mut reader).await {
                Ok(departure) => return departure,
                Err(error) => {
                    self.metrics.queue_up.set(0);
                    if patience.is_fresh() {
                        tracing::warn!(sale = %self.settler.sale, product = %self.settler.product, %error,
                            "Redis is away, lane {} waits for it: {error}", self.settler.product);
                    }
                    // Whatever was read ahead is read again: settling twice is harmless,
                    // skipping is not.
                    reader.reset();
                    if !patience.wait(&self.stop).await {
                        break;
                    }
                }
            }
        }
        Departure::Done
    }

    async fn drive_connected(
        &self,
        keys: &SaleKeys,
        reader: &mut Reader,
    ) -> Result<Departure, redis::RedisError> {
        let began = Instant::now();
        let mut departure = Departure::Done;
        let mut refusals =
            Refusals::load(self.queue.clone(), keys.clone(), &self.settler.product).await?;
        let mut pending = Acknowledgement::default();
        let mut busy = Instant::now();
        while !self.stop.is_cancelled() {
            if began.elapsed() > TURN && self.is_crowded() {
                departure = Departure::TurnOver;
                break;
            }
            // A refused job is tried again alone, so that it cannot spoil another batch.
            let mut entries = refusals.due().await?;
            if entries.is_empty() {
                entries = reader.take(self.batch_size).await?;
                entries.retain(|entry| !refusals.is_waiting(&entry.id));
            }
            if entries.is_empty() {
                self.acknowledge(keys, std::mem::take(&mut pending)).await;
                self.metrics.queue_up.set(1);
                if refusals.is_empty() && (self.is_crowded() || busy.elapsed() > IDLE_RELEASE) {
                    break;
                }
                let wait = refusals.next_due_within(LOOK);
                let came = tokio::select! {
                    came = reader.wait(self.batch_size, wait, &self.stop) => came?,
                    () = self.crowd(), if refusals.is_empty() => break,
                };
                if came {
                    busy = Instant::now();
                } else if refusals.is_empty() {
                    reader.rewind();
                }
                continue;
            }
            busy = Instant::now();
            let Some(next) = self
                .turn(keys, reader, entries, std::mem::take(&mut pending))
                .await?
            else {
                return Ok(Departure::Done);
            };
            pending = next.acknowledgement;
            refusals
                .note(next.refused, &mut pending, &self.metrics)
                .await;
        }
        self.acknowledge(keys, pending).await;
        Ok(departure)
    }

    fn is_crowded(&self) -> bool {
        *self.crowded.borrow()
    }

    /// Waits until other lanes wait for room.
    async fn crowd(&self) {
        let mut crowded = self.crowded.clone();
        if crowded.wait_for(|crowded| *crowded).await.is_err() {
            // The roster is gone, and with it whoever could wait.
            std::future::pending::<()>().await;
        }
    }

    /// Settles `entries` while `previous` is acknowledged and the next entries are read. None
    /// when the driver was told to stop while the ledger was away.
    async fn turn(
        &self,
        keys: &SaleKeys,
        reader: &mut Reader,
        entries: Vec<Entry>,
        previous: Acknowledgement,
    ) -> Result<Option<Settled>, redis::RedisError> {
        let Batch { jobs, malformed } = batch::sort(entries, &self.settler.product);
        for dead in &malformed {
            tracing::warn!(sale = %self.settler.sale, product = %self.settler.product,
                entry = dead.entry_id, reason = dead.reason, "dead-lettered an entry: {}", dead.reason);
        }
        let (settled, (), read) = tokio::join!(
            self.settler.settle(jobs, &self.stop),
            self.acknowledge(keys, previous),
            reader.read_ahead(self.batch_size),
        );
        let settled = settled.map(|mut settled| {
            settled.acknowledgement.dead.extend(malformed);
            settled
        });
        if let (Some(settled), Err(_)) = (&settled, &read) {
            // The read failed but the batch is settled: it is acknowledged before starting over.
            self.acknowledge(keys, settled.acknowledgement.clone())
                .await;
        }
        read.map(|()| settled)
    }

    /// Acknowledges, repeating while Redis is away. Given up when the driver is told to stop:
    /// the jobs then stay in the lane and their next driver finds them settled.
    async fn acknowledge(&self, keys: &SaleKeys, acknowledgement: Acknowledgement) {
        if acknowledgement.ended.is_empty() && acknowledgement.dead.is_empty() {
            return;
        }
        let (sale, product) = (&self.settler.sale, &self.settler.product);
        let event = match acknowledgement.event(sale, product).to_json() {
            Ok(event) => event,
            Err(error) => {
                tracing::error!(%sale, %product, %error, "an event has no JSON: {error}");
                Vec::new()
            }
        };
        let mut queue = self.queue.clone();
        let mut patience = Patience::default();
        loop {
            let timer = self.metrics.acknowledge_seconds.start_timer();
            match lane::acknowledge(&mut queue, keys, product, &acknowledgement, &event).await {
                Ok(_) => {
                    timer.observe_duration();
                    self.metrics
                        .acknowledged(sale, &acknowledgement, refusals::now_ms());
                    return;
                }
                Err(error) => {
                    timer.stop_and_discard();
                    tracing::warn!(%sale, %product, %error, "could not acknowledge a batch yet: {error}");
                }
            }
            if !patience.wait(&self.stop).await {
                return;
            }
        }
    }
}
