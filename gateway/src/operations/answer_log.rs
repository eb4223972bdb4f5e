//! Counting what this gateway answered to buys, for the report after a sale. Every gateway does; buys know nothing
//! of it.
//!
//! Redis has the sum over all gateways (`flashsale_queue::answers`). What could not be added is kept and sent again:
//! of each sale one batch that may have been added, and what was counted since. Sales are those that have counters
//! here, which are forgotten with the sale, so nothing grows while Redis is away.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use flashsale_domain::id::SaleId;
use flashsale_queue::{
    answers::{self, Added, Batch},
    connect::QueuePool,
    figures::{BuysByAnswer, INTERVAL},
};
use parking_lot::Mutex;
use tokio::time::timeout;

use crate::metrics::{BuyCount, BuyCounters};

/// How often counts are sent at the end of the process: a batch that may have been added, and what was counted since.
const LAST_ROUNDS: usize = 2;

/// What this gateway answered and Redis may not know; clones are one.
#[derive(Debug, Clone)]
pub struct AnswerLog(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Connections for what is off the hot path.
    pool: QueuePool,
    /// The gateway's name.
    name: String,
    /// What it has answered.
    buys: BuyCounters,
    unsent: Mutex<Unsent>,
}

/// Why counts could not be added.
#[derive(Debug, thiserror::Error)]
enum AddError {
    #[error("no connection to Redis: {0}")]
    Pool(String),
    #[error(transparent)]
    Redis(#[from] redis::RedisError),
    #[error("Redis does not answer within {INTERVAL:?}")]
    Silence,
}

impl AnswerLog {
    /// Nothing counted yet.
    pub fn new(pool: QueuePool, name: String, buys: BuyCounters) -> Self {
        Self(Arc::new(Inner {
            pool,
            name,
            buys,
            unsent: Mutex::default(),
        }))
    }

    /// What was answered since the last call, which will be added too.
    pub(super) fn gather(&self) -> BTreeMap<SaleId, BuysByAnswer> {
        let totals = self.0.buys.totals();
        self.0.unsent.lock().gather(totals)
    }

    /// Adds what is not added yet, within a second. What fails is tried again with the next call.
    pub(super) async fn add(&self) {
        let added = timeout(INTERVAL, self.try_to_add()).await;
        if let Err(error) = added.unwrap_or(Err(AddError::Silence)) {
            // The catalogue says when Redis is away.
            tracing::debug!(%error, "answers are added later: {error}");
        }
    }

    /// Adds what is left at the end of the process.
    pub async fn finish(&self) {
        self.gather();
        for _ in 0..LAST_ROUNDS {
            self.add().await;
        }
    }

    async fn try_to_add(&self) -> Result<(), AddError> {
        let batches = self.0.unsent.lock().batches();
        if batches.is_empty() {
            return Ok(());
        }
        let connection = self.0.pool.get().await;
        let mut connection = connection.map_err(|error| AddError::Pool(error.to_string()))?;
        let added = answers::add(&mut *connection, &self.0.name, &batches).await?;
        self.0.unsent.lock().settle(&batches, &added);
        Ok(())
    }
}

/// What is not in Redis yet, or may not be.
#[derive(Debug, Default)]
struct Unsent {
    told: Told,
    /// Number of the last batch.
    number: u64,
    /// Batches that were sent, or are about to be, and may have been added.
    sent: BTreeMap<SaleId, Batch>,
    /// What was counted since.
    since: BTreeMap<SaleId, BuysByAnswer>,
}

impl Unsent {
    fn gather(&mut self, totals: Vec<BuyCount>) -> BTreeMap<SaleId, BuysByAnswer> {
        let news = self.told.since(totals);
        for (sale, answers) in &news {
            let since = self.since.entry(sale.clone()).or_default();
            for (answer, count) in answers {
                *since.entry(answer.clone()).or_default() += count;
            }
        }
        news
    }

    /// What is to be sent now: a batch that may have been added as it is, and else what was counted since.
    fn batches(&mut self) -> Vec<Batch> {
        let sent = &self.sent;
        let fresh = self
            .since
            .extract_if(.., |sale, _| !sent.contains_key(sale));
        let fresh: Vec<_> = fresh.collect();
        for (sale, answers) in fresh {
            self.number += 1;
            let batch = Batch {
                sale: sale.clone(),
                number: self.number,
                answers,
            };
            self.sent.insert(sale, batch);
        }
        self.sent.values().cloned().collect()
    }

    fn settle(&mut self, batches: &[Batch], added: &[Added]) {
        for (batch, added) in batches.iter().zip(added) {
            if *added != Added::Refused {
                self.sent.remove(&batch.sale);
            }
        }
    }
}

/// The counts at the last look.
#[derive(Debug, Default)]
struct Told(HashMap<(String, String), u64>);

impl Told {
    /// What was counted since last time; sales without a buy, and buys without a sale, left out.
    fn since(&mut self, totals: Vec<BuyCount>) -> BTreeMap<SaleId, BuysByAnswer> {
        let mut news: BTreeMap<SaleId, BuysByAnswer> = BTreeMap::new();
        let mut counted = HashMap::with_capacity(totals.len());
        for total in totals {
            let name = (total.sale, total.answer);
            let before = self.0.get(&name).copied().unwrap_or_default();
            // A sale that went and came back counts from 0 again.
            let more = total.count.checked_sub(before).unwrap_or(total.count);
            if more > 0
                && let Ok(sale) = SaleId::new(name.0.as_str())
            {
                news.entry(sale).or_default().insert(name.1.clone(), more);
            }
            counted.insert(name, total.count);
        }
        self.0 = counted;
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total(sale: &str, answer: &str, count: u64) -> BuyCount {
        BuyCount {
            sale: sale.to_owned(),
            answer: answer.to_owned(),
            count,
        }
    }

    #[test]
    fn only_what_was_counted_since_is_told() {
        let mut told = Told::default();
        let first = told.since(vec![
            total("drop", "queued", 5),
            total("drop", "sold-out", 0),
            total("idle", "queued", 0),
            total("", "body-invalid", 9),
        ]);
        assert_eq!(
            serde_json::to_string(&first).unwrap(),
            r#"{"drop":{"queued":5}}"#
        );
        let second = told.since(vec![
            total("drop", "queued", 5),
            total("drop", "sold-out", 2),
        ]);
        assert_eq!(
            serde_json::to_string(&second).unwrap(),
            r#"{"drop":{"sold-out":2}}"#
        );
    }

    fn answers(batches: &[Batch]) -> Vec<(u64, u64)> {
        let counts = batches.iter();
        counts
            .map(|batch| (batch.number, batch.answers["queued"]))
            .collect()
    }

    #[test]
    fn a_batch_that_may_have_been_added_is_sent_again_as_it_was() {
        let mut unsent = Unsent::default();
        unsent.gather(vec![total("drop", "queued", 5)]);
        let first = unsent.batches();
        assert_eq!(answers(&first), [(1, 5)]);
        // No answer came, and more was counted meanwhile.
        unsent.gather(vec![total("drop", "queued", 8)]);
        assert_eq!(unsent.batches(), first);
        unsent.settle(&first, &[Added::Refused]);
        assert_eq!(unsent.batches(), first);
        unsent.settle(&first, &[Added::Yes]);
        let second = unsent.batches();
        assert_eq!(answers(&second), [(2, 3)]);
        // The sale was withdrawn.
        unsent.settle(&second, &[Added::NotInForce]);
        assert_eq!(unsent.batches(), []);
    }

    #[test]
    fn a_sale_that_comes_back_counts_from_nothing() {
        let mut told = Told::default();
        told.since(vec![total("drop", "queued", 500)]);
        let again = told.since(vec![total("drop", "queued", 3)]);
        assert_eq!(again[&SaleId::new("drop").unwrap()]["queued"], 3);
    }
}
