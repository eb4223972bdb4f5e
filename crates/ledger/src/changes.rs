//! What becomes of orders after their settlement: windows that end, and changes by whomever.

use std::time::Duration;

use flashsale_domain::{
    id::{JobId, ProductId, SaleId, UserId},
    order::OrderState,
};
use uuid::Uuid;

use crate::{call::SETTLE_LIMIT, error::LedgerError, handle::Ledger};

/// What came of looking for orders whose window is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiry {
    /// Orders that were cancelled by this call.
    pub expired: u32,
    /// When the next order is due, from now; zero when some are due already. None: no order waits for
    /// its payment within a window.
    pub next: Option<Duration>,
}

/// An order whose status was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedOrder {
    /// `orders.id`.
    pub order: i64,
    /// The buy that it settled.
    pub job: JobId,
    /// Whose it is.
    pub user: UserId,
    /// Of which sale: perhaps not the one that offers the product now.
    pub sale: SaleId,
    /// Where it stands now.
    pub state: OrderState,
}

/// Changes of a product's orders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderChanges {
    /// Number of the last change that is among these, or of the last there was.
    pub last: i64,
    /// Changes between were forgotten: what Redis knows of the product's orders is out of date, and all
    /// are to be told anew.
    pub missed: bool,
    /// Units left now.
    pub stock: i32,
    /// Version of that stock.
    pub version: i64,
    /// Version of the last batch in it.
    pub settled_version: i64,
    /// The orders, in the order in which they changed; one may be there twice.
    pub orders: Vec<ChangedOrder>,
}

/// A place among the orders of a sale: behind this shopper's key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OrderPlace {
    user: String,
    key: String,
}

/// Orders, a column each; all are null where there are none.
#[derive(sqlx::FromRow)]
struct OrderColumns {
    order_ids: Option<Vec<i64>>,
    job_ids: Option<Vec<Uuid>>,
    user_ids: Option<Vec<String>>,
    sale_ids: Option<Vec<String>>,
    states: Option<Vec<String>>,
}

/// The one row that `order_changes` returns.
#[derive(sqlx::FromRow)]
struct ChangesRow {
    last_seq: i64,
    missed: bool,
    stock_left: i32,
    version: i64,
    settled_version: i64,
    #[sqlx(flatten)]
    orders: OrderColumns,
}

/// The one row that `order_states` returns.
#[derive(sqlx::FromRow)]
struct StatesRow {
    #[sqlx(flatten)]
    orders: OrderColumns,
    last_user: Option<String>,
    last_key: Option<String>,
}

impl Ledger {
    /// Cancels up to `limit` orders of `product` that were not paid in time, and gives their units back, in
    /// one transaction under the lock of the product's row. PostgreSQL's clock judges.
    ///
    /// # Errors
    /// On any error either nothing was changed, or nobody knows, and the call may be sent again.
    /// [`crate::Fault::Fenced`]: somebody else has taken the product over.
    pub async fn expire_orders(
        &self,
        sale: &SaleId,
        product: &ProductId,
        driver: Uuid,
        limit: u32,
    ) -> Result<Expiry, LedgerError> {
        let query = sqlx::query_as("SELECT expired, next_ms FROM expire_orders($1, $2, $3, $4)")
            .bind(sale.as_str())
            .bind(product.as_str())
            .bind(driver)
            .bind(i32::try_from(limit).unwrap_or(i32::MAX));
        let (expired, next_ms): (i32, Option<i64>) = self
            .call_within(SETTLE_LIMIT, async |connection| {
                query.fetch_one(connection).await
            })
            .await?;
        let next_ms = next_ms.map(u64::try_from).transpose();
        Ok(Expiry {
            expired: u32::try_from(expired).map_err(|_| LedgerError::Mismatch)?,
            next: next_ms
                .map_err(|_| LedgerError::Mismatch)?
                .map(Duration::from_millis),
        })
    }

    /// Notes that shoppers were told of the changes of `product` up to number `told`, and reads up to
    /// `limit` of the next ones.
    ///
    /// # Errors
    /// The ledger cannot be asked; the call may be sent again.
    pub async fn order_changes(
        &self,
        sale: &SaleId,
        product: &ProductId,
        told: i64,
        limit: u32,
    ) -> Result<OrderChanges, LedgerError> {
        let query = sqlx::query_as(
            "SELECT last_seq, missed, stock_left, version, settled_version, order_ids, job_ids, user_ids,
                    sale_ids, states
               FROM order_changes($1, $2, $3, $4)",
        )
        .bind(sale.as_str())
        .bind(product.as_str())
        .bind(told)
        .bind(i32::try_from(limit).unwrap_or(i32::MAX));
        let row: ChangesRow = self
            .call_within(SETTLE_LIMIT, async |connection| {
                query.fetch_one(connection).await
            })
            .await?;
        Ok(OrderChanges {
            last: row.last_seq,
            missed: row.missed,
            stock: row.stock_left,
            version: row.version,
            settled_version: row.settled_version,
            orders: orders(row.orders)?,
        })
    }

    /// Where orders of `product` stand that are not simply completed, among the next `limit` of the sale
    /// behind `place`; with the place of the next page, none at the end.
    ///
    /// # Errors
    /// The ledger cannot be asked; the same page is then read again.
    pub async fn order_states(
        &self,
        sale: &SaleId,
        product: &ProductId,
        place: &OrderPlace,
        limit: u32,
    ) -> Result<(Vec<ChangedOrder>, Option<OrderPlace>), LedgerError> {
        let query = sqlx::query_as(
            "SELECT order_ids, job_ids, user_ids, sale_ids, states, last_user, last_key
               FROM order_states($1, $2, $3, $4, $5)",
        )
        .bind(sale.as_str())
        .bind(product.as_str())
        .bind(&place.user)
        .bind(&place.key)
        .bind(i32::try_from(limit).unwrap_or(i32::MAX));
        let row: StatesRow = self
            .call_within(SETTLE_LIMIT, async |connection| {
                query.fetch_one(connection).await
            })
            .await?;
        let next = row.last_user.zip(row.last_key);
        Ok((
            orders(row.orders)?,
            next.map(|(user, key)| OrderPlace { user, key }),
        ))
    }
}

/// An order of somebody whose id no shopper can have was not made by a buy; nobody waits to hear of it.
fn orders(columns: OrderColumns) -> Result<Vec<ChangedOrder>, LedgerError> {
    let ids = columns.order_ids.unwrap_or_default();
    let jobs = columns.job_ids.unwrap_or_default();
    let users = columns.user_ids.unwrap_or_default();
    let sales = columns.sale_ids.unwrap_or_default();
    let states = columns.states.unwrap_or_default();
    if [jobs.len(), users.len(), sales.len(), states.len()] != [ids.len(); 4] {
        return Err(LedgerError::Mismatch);
    }
    let whose = users.into_iter().zip(sales);
    let rows = ids.into_iter().zip(jobs).zip(whose).zip(states);
    let orders = rows.filter_map(|(((order, job), (user, sale)), state)| {
        let (user, sale) = (UserId::new(user).ok()?, SaleId::new(sale).ok()?);
        let state = state.parse().map_err(|_| LedgerError::Mismatch);
        Some(state.map(|state| ChangedOrder {
            order,
            job: JobId(job),
            user,
            sale,
            state,
        }))
    });
    orders.collect()
}
