//! The pages: each acknowledged buy, whether its answer or its outcome came first.

use std::collections::{BTreeMap, HashMap};

use flashsale_domain::outcome::Outcome;
use hdrhistogram::CreationError;
use uuid::Uuid;

use crate::load::{counts::Counts, latency::Latencies};

/// One acknowledged buy, or one that an event told of before its answer came.
#[derive(Debug)]
struct Entry {
    shopper: u32,
    /// Since when the shopper waits, in microseconds; none before the acknowledgement.
    since_us: Option<u64>,
    outcome: Option<Outcome>,
    /// When the outcome came, where that is known to the instant.
    settled_us: Option<u64>,
}

/// What the books hold.
#[derive(Debug)]
pub(super) struct Pages {
    pub(super) counts: Counts,
    jobs: HashMap<Uuid, Entry>,
    /// Acknowledged buys in the order of their answers.
    order: Vec<Uuid>,
    pub(super) ack: Latencies,
    pub(super) answer: Latencies,
    pub(super) refusal: Latencies,
    pub(super) confirmation: Latencies,
    /// Refusals and failures by reason.
    pub(super) trouble: BTreeMap<String, u64>,
    /// Buys that were told two outcomes.
    pub(super) contradictions: u64,
}

impl Pages {
    pub(super) fn new() -> Result<Self, CreationError> {
        Ok(Self {
            counts: Counts::default(),
            jobs: HashMap::new(),
            order: Vec::new(),
            ack: Latencies::new()?,
            answer: Latencies::new()?,
            refusal: Latencies::new()?,
            confirmation: Latencies::new()?,
            trouble: BTreeMap::new(),
            contradictions: 0,
        })
    }

    /// Acknowledged buys and their shoppers, in the order of the answers.
    pub(super) fn acknowledged(&self) -> Vec<(Uuid, u32)> {
        let shopper = |job: &Uuid| self.jobs.get(job).map(|entry| (*job, entry.shopper));
        self.order.iter().filter_map(shopper).collect()
    }

    /// One of the acknowledged buys, by a random number.
    pub(super) fn draw(&self, random: u32) -> Option<Uuid> {
        let count = u64::try_from(self.order.len()).ok()?;
        let index = (u64::from(random) * count) >> 32;
        self.order.get(usize::try_from(index).ok()?).copied()
    }

    /// The outcome of a buy, as far as it is known.
    pub(super) fn outcome(&self, job: &Uuid) -> Option<Outcome> {
        self.jobs.get(job)?.outcome
    }

    /// A gateway has acknowledged a buy that its shopper waits for since `since_us`.
    pub(super) fn acknowledge(&mut self, job: Uuid, shopper: u32, since_us: u64) {
        let entry = self.entry(job, shopper);
        // By the job and not by the gateway's word: where the first answer was lost on its way,
        // its repeat is the first that the shopper hears.
        if entry.since_us.is_some() {
            self.counts.replayed += 1;
            return;
        }
        entry.since_us = Some(since_us);
        let (outcome, settled_us) = (entry.outcome, entry.settled_us);
        self.counts.queued += 1;
        self.order.push(job);
        if let Some(outcome) = outcome {
            self.count(outcome, settled_us, since_us);
        }
    }

    /// A buy has its outcome.
    pub(super) fn settle(
        &mut self,
        job: Uuid,
        shopper: u32,
        outcome: Outcome,
        settled_us: Option<u64>,
    ) {
        let entry = self.entry(job, shopper);
        let before = entry.outcome.replace(outcome);
        if before == Some(outcome) {
            return;
        }
        entry.settled_us = settled_us;
        let since_us = entry.since_us;
        self.contradictions += u64::from(before.is_some_and(|before| before != Outcome::Failed));
        if let Some(since_us) = since_us {
            if let Some(before) = before {
                *self.counts.outcome(before) -= 1;
            }
            self.count(outcome, settled_us, since_us);
        }
    }

    /// A buy, of which nothing may be known yet.
    fn entry(&mut self, job: Uuid, shopper: u32) -> &mut Entry {
        self.jobs.entry(job).or_insert(Entry {
            shopper,
            since_us: None,
            outcome: None,
            settled_us: None,
        })
    }

    fn count(&mut self, outcome: Outcome, settled_us: Option<u64>, since_us: u64) {
        *self.counts.outcome(outcome) += 1;
        if let (Outcome::Confirmed, Some(settled_us)) = (outcome, settled_us) {
            self.confirmation
                .record(settled_us.saturating_sub(since_us));
        }
    }
}
