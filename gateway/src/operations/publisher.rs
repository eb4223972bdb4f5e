//! Telling operations of this gateway, once a second. Every gateway does; buys know nothing of it.

use std::collections::{BTreeMap, HashMap};

use flashsale_domain::id::SaleId;
use flashsale_queue::{
    connect::QueuePool,
    figures::{self, BuysByAnswer, GatewayFigures, INTERVAL, ProcessFigures},
};
use prometheus::IntGauge;
use tokio::time::{sleep, timeout};

use super::seconds::{TELLING, until};
use crate::{
    catalogue::RedisClock,
    metrics::{BuyCount, BuyCounters},
};

/// The task that tells of this gateway.
#[derive(Debug)]
pub struct Publisher {
    /// Connections for what is off the hot path.
    pub pool: QueuePool,
    /// At whose seconds it tells.
    pub clock: RedisClock,
    /// The gateway's name.
    pub name: String,
    /// What it has answered.
    pub buys: BuyCounters,
    /// Sockets connected to it.
    pub sockets: IntGauge,
}

/// Why this gateway could not be told of.
#[derive(Debug, thiserror::Error)]
enum PublishError {
    #[error("no connection to Redis: {0}")]
    Pool(String),
    #[error(transparent)]
    Redis(#[from] redis::RedisError),
    #[error("the figures have no JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error("Redis does not answer within {INTERVAL:?}")]
    Silence,
}

impl Publisher {
    /// Tells each second.
    pub async fn run(self) {
        let mut told = Told::default();
        loop {
            sleep(until(self.clock.now(), TELLING)).await;
            // Counted even if it cannot be told: buys of a minute without Redis, told together
            // afterwards, would look like a peak of one second.
            let buys = told.since(self.buys.totals());
            let published = timeout(INTERVAL, self.publish(buys)).await;
            if let Err(error) = published.unwrap_or(Err(PublishError::Silence)) {
                // The catalogue says when Redis is away.
                tracing::debug!(%error, "could not tell of this gateway: {error}");
            }
        }
    }

    async fn publish(&self, buys: BTreeMap<SaleId, BuysByAnswer>) -> Result<(), PublishError> {
        let figures = ProcessFigures::Gateway(GatewayFigures {
            name: self.name.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            sockets: u64::try_from(self.sockets.get()).unwrap_or_default(),
            buys,
        });
        let json = figures.to_json()?;
        let mut connection = self
            .pool
            .get()
            .await
            .map_err(|error| PublishError::Pool(error.to_string()))?;
        figures::publish(&mut *connection, &json).await?;
        Ok(())
    }
}

/// The counts at the last message.
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

    #[test]
    fn a_sale_that_comes_back_counts_from_nothing() {
        let mut told = Told::default();
        told.since(vec![total("drop", "queued", 500)]);
        let again = told.since(vec![total("drop", "queued", 3)]);
        assert_eq!(again[&SaleId::new("drop").unwrap()]["queued"], 3);
    }
}
