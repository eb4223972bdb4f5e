//! Telling operations of this gateway, once a second. Every gateway does; buys know nothing of it.

use std::collections::BTreeMap;

use flashsale_domain::id::SaleId;
use flashsale_queue::{
    connect::QueuePool,
    figures::{self, BuysByAnswer, GatewayFigures, INTERVAL, ProcessFigures},
};
use prometheus::IntGauge;
use tokio::time::{sleep, timeout};

use super::{
    answer_log::AnswerLog,
    seconds::{TELLING, until},
};
use crate::catalogue::RedisClock;

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
    pub answers: AnswerLog,
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
        loop {
            sleep(until(self.clock.now(), TELLING)).await;
            // Told once even if nobody hears it: buys of a minute without Redis, told together
            // afterwards, would look like a peak of one second.
            let buys = self.answers.gather();
            let publishing = timeout(INTERVAL, self.publish(buys));
            let (published, ()) = tokio::join!(publishing, self.answers.add());
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
