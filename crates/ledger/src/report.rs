//! What became of a sale's buys, counted for the report after the sale.

use std::time::Duration;

use flashsale_domain::id::SaleId;
use sqlx::AssertSqlSafe;

use crate::{error::LedgerError, handle::Ledger};

/// By how much the job of an order may be older than one that was settled before it and still count as settled in
/// the order of arrival: job ids have the clocks of the gateways that took the buys, which NTP keeps within a
/// fraction of that.
pub const ARRIVAL_TOLERANCE: Duration = Duration::from_secs(1);

/// How much longer a call may take than its statement: PostgreSQL then says that the statement took too long,
/// and the connection stays good. A call that is given up would cast doubt on all connections.
const MARGIN: Duration = Duration::from_secs(1);

/// What became of the buys of one product, as far as the ledger knows. Times are milliseconds since the Unix
/// epoch, sums of money in minor units.
#[derive(Debug, Clone, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct ProductReport {
    /// The product.
    pub product: String,
    /// Incarnation of the sale that the figures are of.
    pub incarnation: i32,
    /// Whether that incarnation still offers products; what follows as an option is none if it does not.
    pub is_on: bool,
    /// What shoppers read; none once the sale has let go of the product.
    pub name: Option<String>,
    /// Whether the last manifest of the sale has the product.
    pub listed: Option<bool>,
    /// Units that the manifest declared last.
    pub declared: Option<i64>,
    /// Units ever on offer in the sale: `units_left` + `units_sold`.
    pub on_offer: Option<i64>,
    /// Units left.
    pub units_left: Option<i64>,
    /// Units of orders that are not cancelled.
    pub units_sold: Option<i64>,
    /// Units of orders of earlier sales that were cancelled too late to be on offer.
    pub returned: Option<i64>,
    /// How long a new order may wait for its payment; none: orders are completed at once.
    pub pay_seconds: Option<i32>,
    /// Buys that found no unit left when they were settled.
    pub sold_out: Option<i64>,
    /// Buys of shoppers who had as many units as the sale allows.
    pub limit_reached: Option<i64>,
    /// Restocks by hand.
    pub restocks: Option<i64>,
    /// Units that they added, less those that they took back.
    pub restocked: Option<i64>,
    /// Status of each group of orders: PENDING, COMPLETED or CANCELLED.
    pub statuses: Vec<String>,
    /// Why the orders of the group were cancelled; none when nobody said.
    pub reasons: Vec<Option<String>>,
    /// Orders of the group.
    pub counts: Vec<i64>,
    /// The sum of their prices.
    pub amounts: Vec<i64>,
    /// When the first order was made.
    pub first_order_ms: Option<i64>,
    /// When the last order was made.
    pub last_order_ms: Option<i64>,
    /// When the status of an order last changed.
    pub last_change_ms: Option<i64>,
    /// When the oldest buy with an order was taken, by its gateway's clock.
    pub first_job_ms: Option<i64>,
    /// When the newest one was.
    pub last_job_ms: Option<i64>,
    /// Orders whose job id tells no time.
    pub undated: i64,
    /// Orders that stand before one whose job is older by more than [`ARRIVAL_TOLERANCE`].
    pub out_of_order: i64,
    /// By how many milliseconds an order at most stands before an older one; none without dated orders.
    pub most_ahead_ms: Option<i64>,
    /// Orders that were made in the place of an expired one, for a payment that came late.
    pub late: i64,
}

impl Ledger {
    /// What became of the buys of a sale: a row for each product, all of `incarnation`, or of the present one and,
    /// when the sale is over, the last. No row: the ledger knows nothing of it. PostgreSQL reads each order of the
    /// sale once, for `limit` at most.
    ///
    /// # Errors
    /// [`crate::Fault::TooSlow`] when it takes longer. Any other says that the ledger cannot be asked.
    pub async fn sale_report(
        &self,
        sale: &SaleId,
        incarnation: Option<i32>,
        limit: Duration,
    ) -> Result<Vec<ProductReport>, LedgerError> {
        let statement_timeout = format!("SET LOCAL statement_timeout = {}", limit.as_millis());
        let tolerance_ms = i64::try_from(ARRIVAL_TOLERANCE.as_millis()).unwrap_or(i64::MAX);
        let query = sqlx::query_as("SELECT * FROM sale_report($1, $2, $3)")
            .bind(sale.as_str())
            .bind(incarnation)
            .bind(tolerance_ms);
        self.snapshot_within(limit + MARGIN, async |connection| {
            sqlx::raw_sql(AssertSqlSafe(statement_timeout))
                .execute(&mut *connection)
                .await?;
            Ok(query.fetch_all(connection).await?)
        })
        .await
    }
}
