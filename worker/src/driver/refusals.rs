//! The jobs of a lane that the ledger refused: each is tried again alone after its backoff, and
//! buried when its attempts are used up. The others of the lane go on meanwhile.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use flashsale_core::{
    connect::SharedConnection,
    id::ProductId,
    keys::SaleKeys,
    lane::{self, Acknowledgement, Entry},
    retry::{self, Retry},
};
use redis::RedisResult;

use crate::{batch, metrics::Metrics, settlement::Refused};

/// What is known of a lane's refused jobs.
pub(super) struct Refusals {
    queue: SharedConnection,
    keys: SaleKeys,
    product: ProductId,
    known: HashMap<String, Retry>,
}

/// Milliseconds since the Unix epoch.
pub(super) fn now_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

impl Refusals {
    /// What the lane's last driver left.
    pub(super) async fn load(
        mut queue: SharedConnection,
        keys: SaleKeys,
        product: &ProductId,
    ) -> RedisResult<Self> {
        let known = retry::read(&mut queue, &keys, product).await?;
        Ok(Self {
            queue,
            keys,
            product: product.clone(),
            known,
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Whether the entry is a refused job, which [`Refusals::due`] hands out when it is time.
    pub(super) fn is_waiting(&self, entry_id: &str) -> bool {
        self.known.contains_key(entry_id)
    }

    /// The entries whose next attempt is due.
    pub(super) async fn due(&mut self) -> RedisResult<Vec<Entry>> {
        let now = now_ms();
        let due: Vec<String> = self
            .known
            .iter()
            .filter(|(_, retry)| retry.due_ms <= now)
            .map(|(entry_id, _)| entry_id.clone())
            .collect();
        let lane = self.keys.lane(&self.product);
        let mut entries = Vec::with_capacity(due.len());
        for entry_id in due {
            match lane::read_one(&mut self.queue, &lane, &entry_id).await? {
                Some(entry) => entries.push(entry),
                None => {
                    self.known.remove(&entry_id);
                }
            }
        }
        Ok(entries)
    }

    /// Time until the next attempt, at most `longest`.
    pub(super) fn next_due_within(&self, longest: Duration) -> Duration {
        let now = now_ms();
        let next = self
            .known
            .values()
            .map(|retry| retry.due_ms.saturating_sub(now).max(1))
            .min();
        let next = next
            .and_then(|wait| u64::try_from(wait).ok())
            .map(Duration::from_millis);
        next.map_or(longest, |next| next.min(longest))
    }

    /// Notes the failed attempts of `refused`; a job with none left goes into `acknowledgement`
    /// as failed. Jobs that ended are forgotten.
    pub(super) async fn note(
        &mut self,
        refused: Vec<Refused>,
        acknowledgement: &mut Acknowledgement,
        metrics: &Metrics,
    ) {
        if !self.known.is_empty() {
            for job in &acknowledgement.ended {
                self.known.remove(&job.entry_id);
            }
        }
        for Refused { waiting, reason } in refused {
            let attempts = self
                .known
                .get(&waiting.entry_id)
                .map_or(0, |known| known.attempts)
                + 1;
            let options = waiting.job.opts;
            if attempts >= options.attempts.max(1) {
                tracing::warn!(job = %waiting.job.job_id, attempts, reason,
                    "dead-lettered job {} after {attempts} attempts: {reason}", waiting.job.job_id);
                self.known.remove(&waiting.entry_id);
                batch::bury(acknowledgement, &waiting, attempts, reason);
                continue;
            }
            metrics.retries.inc();
            let wait = retry::backoff_ms(options.backoff, attempts);
            let due_ms = now_ms().saturating_add(i64::try_from(wait).unwrap_or(i64::MAX));
            tracing::warn!(job = %waiting.job.job_id, attempts, reason, wait_ms = wait,
                "job {} failed, next attempt in {wait} ms: {reason}", waiting.job.job_id);
            self.remember(&waiting.entry_id, Retry { attempts, due_ms })
                .await;
        }
    }

    async fn remember(&mut self, entry_id: &str, retry: Retry) {
        self.known.insert(entry_id.to_owned(), retry);
        let written =
            retry::write(&mut self.queue, &self.keys, &self.product, entry_id, retry).await;
        if let Err(error) = written {
            // This driver remembers; only a successor would count the attempts from the start.
            tracing::warn!(%error, "could not note a failed attempt in Redis: {error}");
        }
    }
}
