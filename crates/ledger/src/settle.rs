//! Settling a batch: the one way an order comes to be.

use std::ops::RangeInclusive;

use flashsale_domain::{
    id::{ProductId, SaleId},
    job::Job,
    order::OrderState,
};
use uuid::Uuid;

use crate::{call::SETTLE_LIMIT, error::LedgerError, handle::Ledger, takeover::Takeover};

/// Whose turn it is to settle what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchTurn {
    /// Token of the takeover, see [`Takeover`].
    pub driver: Uuid,
    /// Number of the batch: one more than the batch before it.
    pub batch: i64,
    /// The times in the ids of the batch's first and last lane entry, in milliseconds since the
    /// Unix epoch. The ledger finds jobs that it turned away before by them.
    pub appended_ms: RangeInclusive<i64>,
}

impl Takeover {
    /// The turn of the batch behind the one settled last.
    pub fn next(&self, appended_ms: RangeInclusive<i64>) -> BatchTurn {
        BatchTurn {
            driver: self.driver,
            batch: self.batch + 1,
            appended_ms,
        }
    }
}

/// What the ledger decided about one job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// An order was made.
    Confirmed {
        /// `orders.id`.
        order_id: i64,
    },
    /// The job, or another with its key, has its order from before.
    Redelivered {
        /// `orders.id`.
        order_id: i64,
    },
    /// No unit was left.
    SoldOut,
    /// The shopper has as many units as the sale allows one shopper.
    LimitReached,
    /// The shopper's key made an order of another product.
    KeyTaken,
    /// The job id is the one of another buy, which keeps its outcome.
    JobIdTaken,
}

/// A settled batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// One verdict a job, in the order of the jobs.
    pub verdicts: Vec<Verdict>,
    /// Units left after the batch.
    pub stock: i32,
    /// Version of that stock.
    pub version: i64,
    /// Orders made by this call: 0 for a batch that was settled before.
    pub confirmed: u32,
    /// Where the order of each job stands, in the order of the jobs; none for a job without an order.
    /// Empty when all orders are new and completed.
    pub states: Vec<Option<OrderState>>,
}

/// The one row that `settle_jobs` returns.
#[derive(sqlx::FromRow)]
struct SettledRow {
    outcomes: String,
    order_ids: Vec<Option<i64>>,
    stock_left: i32,
    version: i64,
    confirmed: i32,
    states: Option<Vec<Option<String>>>,
}

impl Ledger {
    /// Settles `jobs` of `product`, in their order, in one transaction under the lock of the
    /// product's row.
    ///
    /// A batch may be sent while the one before it is still being settled: the two then follow each
    /// other without a pause. Sent again with its number, a settled batch changes nothing and gets
    /// the answers that were given then. A job settled before gets the order it has, or is turned
    /// away as it was then, whatever its batch is.
    ///
    /// # Errors
    /// The batch is settled wholly or, on any error, not at all; except that when the connection
    /// breaks while committing nobody knows which, so the batch is to be sent again.
    /// [`super::Fault::Fenced`]: somebody else has taken the product over.
    /// [`super::Fault::OutOfTurn`]: the batch before this one is not settled.
    pub async fn settle(
        &self,
        sale: &SaleId,
        product: &ProductId,
        turn: &BatchTurn,
        jobs: &[&Job],
    ) -> Result<Settlement, LedgerError> {
        let ids: Vec<Uuid> = jobs.iter().map(|job| job.job_id.0).collect();
        let users: Vec<&str> = jobs.iter().map(|job| job.data.user_id.as_str()).collect();
        let keys: Vec<&str> = jobs
            .iter()
            .map(|job| job.data.idempotency_key.as_str())
            .collect();
        let prices: Vec<Option<i64>> = jobs.iter().map(|job| job.data.price).collect();
        let query = sqlx::query_as(
            "SELECT outcomes, order_ids, stock_left, version, confirmed, states
               FROM settle_jobs($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        )
        .bind(sale.as_str())
        .bind(product.as_str())
        .bind(turn.driver)
        .bind(turn.batch)
        .bind(turn.appended_ms.start())
        .bind(turn.appended_ms.end())
        .bind(ids)
        .bind(users)
        .bind(keys)
        .bind(prices);
        let row: SettledRow = self
            .call_within(SETTLE_LIMIT, async |connection| {
                query.fetch_one(connection).await
            })
            .await?;
        Ok(Settlement {
            verdicts: verdicts(jobs.len(), &row.outcomes, &row.order_ids)?,
            stock: row.stock_left,
            version: row.version,
            confirmed: u32::try_from(row.confirmed).map_err(|_| LedgerError::Mismatch)?,
            states: states(jobs.len(), row.states)?,
        })
    }

    /// Takes the product over and settles one batch, for those who drive no lane: tools and tests.
    /// Jobs that were turned away at any time are turned away again.
    ///
    /// # Errors
    /// As [`Ledger::take_over`] and [`Ledger::settle`].
    pub async fn settle_alone(
        &self,
        sale: &SaleId,
        product: &ProductId,
        jobs: &[&Job],
    ) -> Result<Settlement, LedgerError> {
        let takeover = self.take_over(sale, product).await?;
        self.settle(sale, product, &takeover.next(0..=i64::MAX), jobs)
            .await
    }
}

/// Reads the letters of `settle_jobs`: `migrations/0008_settle_jobs.sql` says what each means.
fn verdicts(
    count: usize,
    outcomes: &str,
    order_ids: &[Option<i64>],
) -> Result<Vec<Verdict>, LedgerError> {
    if outcomes.len() != count || order_ids.len() != count {
        return Err(LedgerError::Mismatch);
    }
    outcomes
        .bytes()
        .zip(order_ids)
        .map(|(letter, order_id)| match (letter, *order_id) {
            (b'c', Some(order_id)) => Ok(Verdict::Confirmed { order_id }),
            (b'r', Some(order_id)) => Ok(Verdict::Redelivered { order_id }),
            (b's', _) => Ok(Verdict::SoldOut),
            (b'l', _) => Ok(Verdict::LimitReached),
            (b'x', _) => Ok(Verdict::KeyTaken),
            (b'y', _) => Ok(Verdict::JobIdTaken),
            _ => Err(LedgerError::Mismatch),
        })
        .collect()
}

fn states(
    count: usize,
    states: Option<Vec<Option<String>>>,
) -> Result<Vec<Option<OrderState>>, LedgerError> {
    let Some(states) = states else {
        return Ok(Vec::new());
    };
    if states.len() != count {
        return Err(LedgerError::Mismatch);
    }
    let states = states
        .into_iter()
        .map(|state| state.map(|state| state.parse()).transpose());
    states
        .collect::<Result<_, _>>()
        .map_err(|_| LedgerError::Mismatch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_read_and_a_misfit_is_an_error() {
        let read = verdicts(3, "crs", &[Some(7), Some(3), None]).unwrap();
        assert_eq!(
            read,
            [
                Verdict::Confirmed { order_id: 7 },
                Verdict::Redelivered { order_id: 3 },
                Verdict::SoldOut
            ]
        );
        assert!(verdicts(2, "c", &[Some(1)]).is_err());
        assert!(verdicts(1, "c", &[None]).is_err());
        assert!(verdicts(1, "?", &[None]).is_err());
    }
}
