//! Settles a batch whatever happens: waits for a ledger that is away, and finds the one job that
//! the ledger refuses, so that the others are not held up by it.

use std::{ops::RangeInclusive, sync::Arc};

use flashsale_core::{
    id::{ProductId, SaleId},
    job::Job,
    lane::Acknowledgement,
    ledger::{BatchTurn, Fault, Ledger, LedgerError, Settlement, Takeover},
};
use tokio::{sync::Mutex, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    batch::{self, Waiting},
    metrics::Metrics,
    patience::Patience,
};

/// A job whose attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The job.
    pub waiting: Waiting,
    /// What the ledger said.
    pub reason: String,
}

/// What came of a batch.
#[derive(Debug, Default)]
pub struct Settled {
    /// Jobs that ended.
    pub acknowledgement: Acknowledgement,
    /// Jobs that the ledger refused, each found alone.
    pub refused: Vec<Refused>,
}

/// A batch that was sent to the ledger while the one before it was still being settled. It waits
/// there for the lock of the product's row, so that the ledger is never idle between the two.
#[derive(Debug)]
pub struct Sent {
    turn: BatchTurn,
    task: JoinHandle<Result<Settlement, LedgerError>>,
}

impl Sent {
    /// The takeover under which it is the next batch.
    #[must_use]
    pub fn before(&self) -> Takeover {
        Takeover {
            driver: self.turn.driver,
            batch: self.turn.batch - 1,
        }
    }

    /// What the ledger decided; none when it did not, and the batch is to be settled in its turn.
    async fn settlement(self) -> Option<(Takeover, Settlement)> {
        match self.task.await {
            Ok(Ok(settlement)) => {
                let BatchTurn { driver, batch, .. } = self.turn;
                Some((Takeover { driver, batch }, settlement))
            }
            Ok(Err(error)) => {
                tracing::debug!(%error, "a batch sent ahead has to wait for its turn: {error}");
                None
            }
            Err(error) => {
                tracing::error!(%error, "a batch sent ahead was lost: {error}");
                None
            }
        }
    }
}

/// The settling part of a lane's driver.
#[derive(Debug, Clone)]
pub struct Settler {
    /// The ledger.
    pub ledger: Ledger,
    /// The sale of the lane.
    pub sale: SaleId,
    /// The product of the lane.
    pub product: ProductId,
    /// The takeover under which batches are settled, with the number of the batch settled last;
    /// none before the first one and after a batch that failed.
    pub takeover: Arc<Mutex<Option<Takeover>>>,
    /// What is counted.
    pub metrics: Metrics,
}

impl Settler {
    /// The takeover under which the next batch is settled, if there is one already: the batch
    /// behind that one may be sent ahead under it.
    pub async fn takeover(&self) -> Option<Takeover> {
        *self.takeover.lock().await
    }

    /// Sends `jobs` ahead, behind the batch that is the next one under `before`.
    #[must_use]
    pub fn send_ahead(&self, jobs: &Arc<[Waiting]>, before: Takeover) -> Sent {
        let (settler, jobs) = (self.clone(), Arc::clone(jobs));
        let batch = before.batch + 1;
        let turn = Takeover { batch, ..before }.next(appended_ms(&jobs));
        let task = tokio::spawn({
            let turn = turn.clone();
            async move {
                let Self {
                    ledger,
                    sale,
                    product,
                    ..
                } = settler;
                let jobs: Vec<&Job> = jobs.iter().map(|waiting| &waiting.job).collect();
                ledger.settle(&sale, &product, &turn, &jobs).await
            }
        });
        Sent { turn, task }
    }

    /// Settles `jobs`, which may have been `sent` ahead, in their order. None when `stop` was
    /// cancelled while the ledger was away: the jobs then stay in their lane, and not one attempt
    /// is counted.
    pub async fn settle(
        &self,
        jobs: &[Waiting],
        sent: Option<Sent>,
        stop: &CancellationToken,
    ) -> Option<Settled> {
        let mut settled = Settled::default();
        if jobs.is_empty() {
            return Some(settled);
        }
        if let Some(sent) = sent {
            let timer = self.metrics.settle_seconds.start_timer();
            if let Some((takeover, settlement)) = sent.settlement().await {
                timer.observe_duration();
                *self.takeover.lock().await = Some(takeover);
                self.metrics.settled(&settlement);
                batch::record(&mut settled.acknowledgement, jobs, &settlement);
                return Some(settled);
            }
            timer.stop_and_discard();
        }
        // Ranges still to be settled, the first on top, so that order of arrival is kept.
        let whole = 0..jobs.len();
        let mut ranges = vec![whole];
        while let Some(range) = ranges.pop() {
            let part = &jobs[range.clone()];
            match self.attempt(part, stop).await? {
                Ok(settlement) => {
                    self.metrics.settled(&settlement);
                    batch::record(&mut settled.acknowledgement, part, &settlement);
                }
                Err(error) if part.len() == 1 => settled.refused.push(Refused {
                    waiting: part[0].clone(),
                    reason: error.to_string(),
                }),
                Err(_) => {
                    let middle = range.start + part.len() / 2;
                    ranges.push(middle..range.end);
                    ranges.push(range.start..middle);
                }
            }
        }
        Some(settled)
    }

    /// One transaction, repeated while the ledger is away. None when `stop` was cancelled.
    async fn attempt(
        &self,
        part: &[Waiting],
        stop: &CancellationToken,
    ) -> Option<Result<Settlement, LedgerError>> {
        let jobs: Vec<&Job> = part.iter().map(|waiting| &waiting.job).collect();
        let mut patience = Patience::default();
        loop {
            let timer = self.metrics.settle_seconds.start_timer();
            match self.settle_next(part, &jobs).await {
                Err(error) if error.fault() != Fault::Row => {
                    timer.stop_and_discard();
                    self.metrics.ledger_up.set(0);
                    if patience.is_fresh() {
                        tracing::warn!(sale = %self.sale, product = %self.product, %error,
                            "the ledger is away, lane {} waits for it: {error}", self.product);
                    }
                    if !patience.wait(stop).await {
                        return None;
                    }
                }
                answer => {
                    timer.observe_duration();
                    self.metrics.ledger_up.set(1);
                    return Some(answer);
                }
            }
        }
    }

    /// Settles `jobs` as the next batch. After a failure the product is taken over anew: that
    /// refuses whatever is still on its way, so that nothing sent ahead can overtake these jobs.
    async fn settle_next(
        &self,
        part: &[Waiting],
        jobs: &[&Job],
    ) -> Result<Settlement, LedgerError> {
        let mut slot = self.takeover.lock().await;
        let takeover = match slot.take() {
            Some(takeover) => takeover,
            None => self.ledger.take_over(&self.sale, &self.product).await?,
        };
        let turn = takeover.next(appended_ms(part));
        let settlement = self
            .ledger
            .settle(&self.sale, &self.product, &turn, jobs)
            .await?;
        *slot = Some(Takeover {
            batch: turn.batch,
            ..takeover
        });
        Ok(settlement)
    }
}

/// The times in the ids of the first and the last entry. Anything where an id has none: the ledger
/// then looks at all jobs that it ever turned away.
fn appended_ms(jobs: &[Waiting]) -> RangeInclusive<i64> {
    let mut times = jobs.iter().map(|waiting| {
        let (ms, _) = waiting.entry_id.split_once('-')?;
        ms.parse::<i64>().ok()
    });
    let first = times.next().flatten();
    let last = times.next_back().unwrap_or(first);
    match (first, last) {
        (Some(first), Some(last)) => first.min(last)..=first.max(last),
        _ => 0..=i64::MAX,
    }
}
