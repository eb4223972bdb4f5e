//! Questions about orders.

use flashsale_domain::{id::JobId, order::OrderState};
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
    /// Until when it may be paid, in milliseconds since the Unix epoch; none when it had no such window.
    pub expires_ms: Option<i64>,
    /// Why it was cancelled; none when nobody said.
    pub end_reason: Option<String>,
}

impl Order {
    /// Where it stands; none for a status that this version does not know.
    pub fn state(&self) -> Option<OrderState> {
        match self.status.as_str() {
            "PENDING" => Some(OrderState::Pending {
                expires_ms: self.expires_ms,
            }),
            "COMPLETED" => Some(OrderState::Completed),
            "CANCELLED" => Some(OrderState::Cancelled {
                reason: self.end_reason.clone(),
            }),
            _ => None,
        }
    }
}

impl Ledger {
    /// The order that settled `job`, if there is one.
    pub async fn order_of_job(&self, job: JobId) -> Result<Option<Order>, LedgerError> {
        let query = sqlx::query_as(
            // As a bigint whatever the column is: it may be widened while this runs.
            "SELECT id::bigint AS id, user_id, product_id, sale_id,
                    COALESCE(status, 'PENDING') AS status,
                    floor(extract(epoch FROM expires_at) * 1000)::bigint AS expires_ms,
                    end_reason
               FROM orders WHERE job_id = $1",
        )
        .bind::<Uuid>(job.0);
        self.call(async |connection| query.fetch_optional(connection).await)
            .await
    }
}
