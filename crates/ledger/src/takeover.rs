//! Taking a product over: from then on, the ledger accepts batches of its new driver alone.

use flashsale_domain::id::{ProductId, SaleId};
use uuid::Uuid;

use crate::{call::SETTLE_LIMIT, error::LedgerError, handle::Ledger};

/// The right to settle the jobs of one product, until somebody else takes it over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Takeover {
    /// Token of this takeover, never used for another one.
    pub driver: Uuid,
    /// Number of the batch of the product that was settled last; the next one is this plus 1.
    pub batch: i64,
}

/// What came of taking a product over from a driver that was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Succession {
    /// The product was taken over.
    Done(Takeover),
    /// Nothing was changed: this driver is there, or none.
    Present(Option<Uuid>),
}

impl Ledger {
    /// Takes `product` over if `expected` is its driver. So a call that is late changes nothing
    /// once somebody else has taken over; see `migrations/0030_take_over_from.sql`.
    ///
    /// # Errors
    /// As [`Ledger::take_over`].
    pub async fn take_over_from(
        &self,
        sale: &SaleId,
        product: &ProductId,
        expected: Option<Uuid>,
    ) -> Result<Succession, LedgerError> {
        let driver = Uuid::new_v4();
        let query =
            sqlx::query_as("SELECT last_batch, present FROM take_over_from($1, $2, $3, $4)")
                .bind(sale.as_str())
                .bind(product.as_str())
                .bind(driver)
                .bind(expected);
        let (last_batch, present): (Option<i64>, Option<Uuid>) = self
            .call_within(SETTLE_LIMIT, async |connection| {
                query.fetch_one(connection).await
            })
            .await?;
        Ok(match last_batch {
            Some(batch) => Succession::Done(Takeover { driver, batch }),
            None => Succession::Present(present),
        })
    }

    /// Takes `product` over. Whatever an earlier driver has sent and is not settled yet is refused
    /// as [`super::Fault::Fenced`], so that a driver that was paused, or cut off, can decide
    /// nothing after its successor began. Waits for a batch that is being settled.
    ///
    /// # Errors
    /// [`super::WaitReason::NotOffered`] when the sale does not offer the product.
    pub async fn take_over(
        &self,
        sale: &SaleId,
        product: &ProductId,
    ) -> Result<Takeover, LedgerError> {
        let driver = Uuid::new_v4();
        let query = sqlx::query_scalar("SELECT take_over($1, $2, $3)")
            .bind(sale.as_str())
            .bind(product.as_str())
            .bind(driver);
        let batch = self
            .call_within(SETTLE_LIMIT, async |connection| {
                query.fetch_one(connection).await
            })
            .await?;
        Ok(Takeover { driver, batch })
    }
}
