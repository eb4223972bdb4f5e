//! Drives one lane: reads what waits, settles it, acknowledges it, and again, as long as the
//! lane's lease is held and somebody wants its jobs settled.
//!
//! The three steps overlap: while the ledger commits a batch, the one before is acknowledged and
//! the one after is read. The ledger's row lock is what a hot product runs out of, so nothing
//! else may be waited for between two transactions: where a full batch waits, it is sent ahead
//! and gets the lock in the instant in which the one before it commits.

mod next;
mod reader;
mod refusals;

use std::time::{Duration, Instant};

use flashsale_core::{
    connect::SharedConnection,
    keys::SaleKeys,
    lane::{self, Acknowledgement, Run},
    ledger::Takeover,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    metrics::Metrics,
    patience::Patience,
    settlement::{Settled, Settler},
};
use next::Next;
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
    pub queue: SharedConnection,
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

/// What came of a batch, and the one behind it if it was sent ahead.
struct Turn {
    settled: Settled,
    next: Option<Next>,
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
        let mut reader = Reader::new(self.queue.clone(), lane);
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
        let mut next: Option<Next> = None;
        let mut busy = Instant::now();
        // What was sent ahead is settled already, or about to be: it is seen to its end.
        while next.is_some() || !self.stop.is_cancelled() {
            let turn_is_over = began.elapsed() > TURN && self.is_crowded();
            let batch = match next.take() {
                Some(batch) => batch,
                None if turn_is_over => {
                    departure = Departure::TurnOver;
                    break;
                }
                None => self.read(reader, &mut refusals).await?,
            };
            if batch.is_empty() {
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
            let previous = std::mem::take(&mut pending);
            let may_send_ahead = refusals.is_empty() && !turn_is_over;
            let Some(turn) = self
                .turn(keys, reader, batch, previous, may_send_ahead)
                .await?
            else {
                return Ok(Departure::Done);
            };
            next = turn.next;
            pending = turn.settled.acknowledgement;
            refusals
                .note(turn.settled.refused, &mut pending, &self.metrics)
                .await;
        }
        self.acknowledge(keys, pending).await;
        Ok(departure)
    }

    /// The batch whose turn it is; empty when nothing waits.
    async fn read(
        &self,
        reader: &mut Reader,
        refusals: &mut Refusals,
    ) -> Result<Next, redis::RedisError> {
        // A refused job is tried again alone, so that it cannot spoil another batch.
        let due = refusals.due().await?;
        if !due.is_empty() {
            return Ok(Next::of(due, &self.settler.product));
        }
        let mut entries = reader.take(self.batch_size).await?;
        let run = Run::of(&entries);
        entries.retain(|entry| !refusals.is_waiting(&entry.id));
        Ok(Next::of(entries, &self.settler.product).read_in(run))
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

    /// Settles `batch` while `previous` is acknowledged and the next entries are read, and sent
    /// ahead if they may be. None when the driver was told to stop while the ledger was away.
    async fn turn(
        &self,
        keys: &SaleKeys,
        reader: &mut Reader,
        batch: Next,
        previous: Acknowledgement,
        may_send_ahead: bool,
    ) -> Result<Option<Turn>, redis::RedisError> {
        for dead in &batch.malformed {
            tracing::warn!(sale = %self.settler.sale, product = %self.settler.product,
                entry = dead.entry_id, reason = dead.reason, "dead-lettered an entry: {}", dead.reason);
        }
        let may_send_ahead = may_send_ahead && batch.may_be_followed(self.batch_size, &previous);
        let after = match &batch.sent {
            _ if !may_send_ahead => None,
            Some(sent) => Some(sent.before()),
            None => self.settler.takeover().await,
        };
        let (settled, next, ()) = tokio::join!(
            self.settler.settle(&batch.jobs, batch.sent, &self.stop),
            self.prepare(reader, after),
            self.acknowledge(keys, previous),
        );
        let settled = settled.map(|mut settled| {
            settled.acknowledgement.dead.extend(batch.malformed);
            settled.acknowledgement.run = batch.run;
            settled
        });
        if let (Some(settled), Err(_)) = (&settled, &next) {
            // The read failed but the batch is settled: it is acknowledged before starting over.
            self.acknowledge(keys, settled.acknowledgement.clone())
                .await;
        }
        next.map(|next| settled.map(|settled| Turn { settled, next }))
    }

    /// Reads the next entries; where they fill a batch that may come `after` the one being settled,
    /// sends it ahead: at once if they were read before, so that the ledger has it in good time.
    async fn prepare(
        &self,
        reader: &mut Reader,
        after: Option<Takeover>,
    ) -> Result<Option<Next>, redis::RedisError> {
        let next = self.send_ahead(reader, after);
        reader.read_ahead(self.batch_size).await?;
        Ok(next.or_else(|| self.send_ahead(reader, after)))
    }

    /// The next batch, sent ahead, if there is a full one. Fewer jobs would be worse: what arrives
    /// meanwhile can still join them.
    fn send_ahead(&self, reader: &mut Reader, after: Option<Takeover>) -> Option<Next> {
        let after = after.filter(|_| self.settler.ledger.has_connections_to_spare())?;
        let entries = reader.take_full(self.batch_size)?;
        let run = Run::of(&entries);
        let next = Next::of(entries, &self.settler.product).read_in(run);
        Some(next.sent_ahead(&self.settler, after))
    }

    /// Acknowledges, repeating while Redis is away. Given up when the driver is told to stop:
    /// the jobs then stay in the lane and their next driver finds them settled.
    async fn acknowledge(&self, keys: &SaleKeys, acknowledgement: Acknowledgement) {
        if acknowledgement.ended.is_empty() && acknowledgement.dead.is_empty() {
            return;
        }
        let (sale, product) = (&self.settler.sale, &self.settler.product);
        let mut queue = self.queue.clone();
        let mut patience = Patience::default();
        loop {
            let timer = self.metrics.acknowledge_seconds.start_timer();
            match lane::acknowledge(&mut queue, keys, product, &acknowledgement).await {
                Ok(acknowledged) => {
                    timer.observe_duration();
                    let now_ms = refusals::now_ms();
                    self.metrics
                        .acknowledged(sale, &acknowledgement, &acknowledged, now_ms);
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
