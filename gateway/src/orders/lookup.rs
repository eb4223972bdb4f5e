//! Finding a job: in Redis by the route in its id, then in every sale, then in the ledger.

use std::{sync::Arc, time::Duration};

use flashsale_domain::{
    id::{JobId, ProductId},
    order::OrderState,
    outcome::{JobRecord, JobState, MalformedRecord, Outcome},
};
use flashsale_ledger::{Ledger, LedgerError, Order};
use flashsale_queue::{
    connect::{Queue, QueuePool},
    keys::SaleKeys,
};
use redis::AsyncCommands;
use tokio::{sync::Semaphore, time::timeout};

use crate::{
    catalogue::{Catalogue, SaleEntry},
    orders::OrderView,
    problem::{Problem, ProblemKind, unavailable},
};

/// How long the ledger may take for one question.
const LEDGER_PATIENCE: Duration = Duration::from_secs(2);

/// How long Redis may take for one lookup.
const REDIS_PATIENCE: Duration = Duration::from_secs(1);

/// Questions to the ledger that may wait for a connection. Anyone can ask for ids that never
/// were; beyond this they are turned away rather than queued.
const LEDGER_QUESTIONS: usize = 64;

/// Why a buy could not be looked up.
#[derive(Debug, thiserror::Error)]
pub enum OrderLookupError {
    /// No connection to Redis was to be had.
    #[error("Redis is out of reach: {0}")]
    Pool(String),
    /// Redis failed.
    #[error("Redis failed: {0}")]
    Redis(#[from] redis::RedisError),
    /// Redis or the ledger took too long.
    #[error("{0} does not answer in time")]
    Silence(&'static str),
    /// Redis holds something that is no record. It may be another shopper's, so it is not shown.
    #[error("the record of this buy cannot be read; tell the shop its jobId")]
    Record(#[from] MalformedRecord),
    /// Redis says nothing of this shopper's order, or something that is no state.
    #[error("the state of order {order_id} cannot be read")]
    State {
        /// The order.
        order_id: i64,
        /// Whose it is.
        owner: String,
    },
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// Too many questions wait for the ledger.
    #[error("too many lookups are waiting")]
    Busy,
}

impl From<OrderLookupError> for Problem {
    fn from(error: OrderLookupError) -> Self {
        if let OrderLookupError::Record(_) = error {
            return Self::new(ProblemKind::Internal, error.to_string());
        }
        tracing::debug!(%error, "a buy could not be looked up: {error}");
        unavailable("the order cannot be looked up right now; try again in a second")
    }
}

/// A buy as the stores know it.
#[derive(Debug)]
pub struct FoundOrder {
    /// Whose it is.
    pub owner: String,
    /// What was asked for.
    pub product_id: String,
    /// Where it stands.
    pub state: JobState,
    /// How many jobs of its lane have ended, for the position of a queued one.
    pub settled: u64,
    /// The order that it became, where there is more to say of that than its number.
    pub order: Option<OrderView>,
}

/// Finds jobs.
#[derive(Debug, Clone)]
pub struct OrderLookup {
    pool: QueuePool,
    ledger: Ledger,
    catalogue: Catalogue,
    ledger_questions: Arc<Semaphore>,
}

impl OrderLookup {
    /// Looks into Redis through `pool` and into `ledger`.
    pub fn new(pool: QueuePool, ledger: Ledger, catalogue: Catalogue) -> Self {
        Self {
            pool,
            ledger,
            catalogue,
            ledger_questions: Arc::new(Semaphore::new(LEDGER_QUESTIONS)),
        }
    }

    /// The job, if anyone knows it.
    ///
    /// With Redis away, or its entry of the order not readable, an order that the ledger has is
    /// still found; "not found" is only said when both were asked.
    pub async fn find(&self, job: JobId) -> Result<Option<FoundOrder>, OrderLookupError> {
        let in_redis = match timeout(REDIS_PATIENCE, self.in_redis(job)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(OrderLookupError::Silence("Redis")),
        };
        match in_redis {
            Ok(Some(found)) => Ok(Some(found)),
            Err(error @ OrderLookupError::Record(_)) => Err(error),
            Ok(None) => self.in_ledger(job).await,
            Err(error) => match self.in_ledger(job).await {
                Ok(None) => Err(error),
                answer => answer,
            },
        }
    }

    async fn in_redis(&self, job: JobId) -> Result<Option<FoundOrder>, OrderLookupError> {
        let snapshot = self.catalogue.snapshot();
        let (likely, others): (Vec<&SaleEntry>, Vec<&SaleEntry>) = snapshot
            .sales()
            .iter()
            .map(AsRef::as_ref)
            .partition(|sale| sale.route == job.route());
        for sales in [likely, others] {
            if let Some(found) = self.in_sales(&sales, job).await? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    async fn in_sales(
        &self,
        sales: &[&SaleEntry],
        job: JobId,
    ) -> Result<Option<FoundOrder>, OrderLookupError> {
        if sales.is_empty() {
            return Ok(None);
        }
        let mut connection = self
            .pool
            .get()
            .await
            .map_err(|error| OrderLookupError::Pool(error.to_string()))?;
        let mut pipe = redis::pipe();
        for sale in sales {
            pipe.hget(sale.keys.jobs(), job.to_string());
        }
        let records: Vec<Option<String>> = pipe.query_async(&mut *connection).await?;
        let found = sales
            .iter()
            .zip(records)
            .find_map(|(sale, text)| Some((sale, text?)));
        match found {
            Some((sale, text)) => read(&mut *connection, sale, &text).await.map(Some),
            None => Ok(None),
        }
    }

    async fn in_ledger(&self, job: JobId) -> Result<Option<FoundOrder>, OrderLookupError> {
        let _permit = self
            .ledger_questions
            .try_acquire()
            .map_err(|_| OrderLookupError::Busy)?;
        let order = timeout(LEDGER_PATIENCE, self.ledger.order_of_job(job))
            .await
            .map_err(|_| OrderLookupError::Silence("the ledger"))??;
        order.map(|order| self.of_ledger(order)).transpose()
    }

    /// The buy that became this order.
    fn of_ledger(&self, order: Order) -> Result<FoundOrder, OrderLookupError> {
        let state = order.state();
        let snapshot = self.catalogue.snapshot();
        let has_window = order.expires_ms.is_some()
            || snapshot
                .sale(&order.sale_id)
                .is_some_and(|entry| entry.sale().payment.is_some());
        let view = match state {
            Some(OrderState::Completed) if !has_window => None,
            state => {
                let view = state.and_then(|state| OrderView::new(order.id, state));
                Some(view.ok_or_else(|| unreadable(order.id, &order.user_id))?)
            }
        };
        Ok(FoundOrder {
            owner: order.user_id,
            product_id: order.product_id,
            state: JobState::Final {
                outcome: Outcome::Confirmed,
                order_id: Some(order.id),
            },
            settled: 0,
            order: view,
        })
    }
}

/// The job of this record.
async fn read(
    connection: &mut impl Queue,
    sale: &SaleEntry,
    text: &str,
) -> Result<FoundOrder, OrderLookupError> {
    let record: JobRecord = text.parse()?;
    let mut settled = 0;
    let mut order = None;
    match record.state {
        JobState::Queued { .. } => {
            settled = settled_jobs(connection, &sale.keys, &record.product_id).await?;
        }
        JobState::Final {
            outcome: Outcome::Confirmed,
            order_id: Some(id),
        } => {
            let text: Option<String> = connection.hget(sale.keys.orders(), id).await?;
            match text {
                Some(text) => {
                    let view = OrderView::read(id, &text);
                    order = Some(view.ok_or_else(|| unreadable(id, record.user_id.as_str()))?);
                }
                // Redis has lost it, or a worker of the release before has settled it.
                None if sale.sale().payment.is_some() => {
                    return Err(OrderLookupError::State {
                        order_id: id,
                        owner: record.user_id.to_string(),
                    });
                }
                None => {}
            }
        }
        JobState::Final { .. } => {}
    }
    Ok(FoundOrder {
        owner: record.user_id.into(),
        product_id: record.product_id.into(),
        state: record.state,
        settled,
        order,
    })
}

fn unreadable(order_id: i64, owner: &str) -> OrderLookupError {
    tracing::error!(
        order_id,
        "the state of order {order_id} is malformed; HGET fs:{{SALE}}:orders {order_id} and its row in the table orders show it"
    );
    OrderLookupError::State {
        order_id,
        owner: owner.to_owned(),
    }
}

/// How many jobs of the product's lane have ended.
async fn settled_jobs(
    connection: &mut impl Queue,
    keys: &SaleKeys,
    product: &ProductId,
) -> redis::RedisResult<u64> {
    let settled: Option<u64> = connection.hget(keys.stock(), format!("{product}#")).await?;
    Ok(settled.unwrap_or(0))
}
