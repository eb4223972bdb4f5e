//! Settling a batch: the one way an order comes to be.

use uuid::Uuid;

use super::{Ledger, LedgerError};
use crate::{
    id::{JobId, ProductId, SaleId},
    job::Job,
};

/// What the ledger decided about one job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// An order was made.
    Confirmed {
        /// `orders.id`.
        order_id: i32,
    },
    /// The job, or another with its key, has its order from before.
    Redelivered {
        /// `orders.id`.
        order_id: i32,
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
    /// Orders made by this batch.
    pub confirmed: u32,
}

/// The one row that `settle_batch` returns.
#[derive(sqlx::FromRow)]
struct SettledRow {
    outcomes: String,
    order_ids: Vec<Option<i32>>,
    stock_left: i32,
    version: i64,
    confirmed: i32,
}

impl Ledger {
    /// Settles `jobs` of `product`, in their order, in one transaction under the lock of the
    /// product's row. Settling a job again is harmless and gives the order it already has.
    ///
    /// # Errors
    /// The batch is settled wholly or, on any error, not at all; except that when the connection
    /// breaks while committing nobody knows which, so the batch is to be settled again.
    pub async fn settle(
        &self,
        sale: &SaleId,
        product: &ProductId,
        jobs: &[&Job],
    ) -> Result<Settlement, LedgerError> {
        self.settle_batch(sale, product, jobs, None).await
    }

    /// Like [`Ledger::settle`], for a batch that is sent while the one before it, which ends with
    /// job `after`, is still being settled: the two then follow each other without a pause.
    ///
    /// # Errors
    /// As [`Ledger::settle`]; and nothing is settled where `after` has no order when the lock is
    /// got, since these jobs would then overtake others. Settle them again when it is their turn.
    pub async fn settle_after(
        &self,
        sale: &SaleId,
        product: &ProductId,
        jobs: &[&Job],
        after: JobId,
    ) -> Result<Settlement, LedgerError> {
        self.settle_batch(sale, product, jobs, Some(after.0)).await
    }

    async fn settle_batch(
        &self,
        sale: &SaleId,
        product: &ProductId,
        jobs: &[&Job],
        after: Option<Uuid>,
    ) -> Result<Settlement, LedgerError> {
        let ids: Vec<Uuid> = jobs.iter().map(|job| job.job_id.0).collect();
        let users: Vec<&str> = jobs.iter().map(|job| job.data.user_id.as_str()).collect();
        let keys: Vec<&str> = jobs
            .iter()
            .map(|job| job.data.idempotency_key.as_str())
            .collect();
        let row: SettledRow = sqlx::query_as(
            "SELECT outcomes, order_ids, stock_left, version, confirmed
               FROM settle_batch($1, $2, $3, $4, $5, $6)",
        )
        .bind(sale.as_str())
        .bind(product.as_str())
        .bind(ids)
        .bind(users)
        .bind(keys)
        .bind(after)
        .fetch_one(&self.pool)
        .await?;
        Ok(Settlement {
            verdicts: verdicts(jobs.len(), &row.outcomes, &row.order_ids)?,
            stock: row.stock_left,
            version: row.version,
            confirmed: u32::try_from(row.confirmed).unwrap_or(0),
        })
    }
}

/// Reads the letters of `settle_batch`: `migrations/0003_settle_batch.sql` says what each means.
fn verdicts(
    count: usize,
    outcomes: &str,
    order_ids: &[Option<i32>],
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
