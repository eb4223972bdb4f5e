//! Questions about orders.

use flashsale_domain::id::JobId;
use uuid::Uuid;

use crate::{error::LedgerError, handle::Ledger};

/// One order.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Order {
    /// `orders.id`.
    pub id: i64,
    /// Whose.
    pub user_id: String,
    /// Of what.
    pub product_id: String,
    /// In which sale.
    pub sale_id: String,
    /// PENDING, COMPLETED or CANCELLED.
    pub status: String,
}

impl Ledger {
    /// The order that settled `job`, if there is one.
    pub async fn order_of_job(&self, job: JobId) -> Result<Option<Order>, LedgerError> {
        let query = sqlx::query_as(
            // As a bigint whatever the column is: it may be widened while this runs.
            "SELECT id::bigint AS id, user_id, product_id, sale_id,
                    COALESCE(status, 'PENDING') AS status
               FROM orders WHERE job_id = $1",
        )
        .bind::<Uuid>(job.0);
        self.call(async |connection| query.fetch_optional(connection).await)
            .await
    }
}
