//! Every outcome that the ledger decided about a sale, a page at a time: orders, and who was turned
//! away.

use flashsale_domain::{
    id::{IdempotencyKey, JobId, ProductId, SaleId, UserId},
    outcome::Outcome,
};
use sqlx::{Encode, FromRow, Postgres, Type, postgres::PgRow};
use uuid::Uuid;

use crate::{error::LedgerError, handle::Ledger};

/// Orders read in one question.
const ORDERS: i64 = 1_000;

/// Batches with rejections read in one question; each holds as many jobs as a batch.
const BATCHES: i64 = 20;

/// Orders behind a shopper's key, by the index of the keys: no order of another sale is read.
const ORDERS_BEHIND: &str = "\
    SELECT job_id, user_id, idempotency_key, product_id, id::bigint FROM orders \
     WHERE sale_id = $1 AND (user_id, idempotency_key) > ($2, $3) \
       AND incarnation = COALESCE((SELECT incarnation FROM sales WHERE id = $1), 1) \
     ORDER BY user_id, idempotency_key LIMIT $4";

/// Rejections behind a batch of a product.
const REJECTIONS_BEHIND: &str = "\
    SELECT product_id, batch, job_ids, user_ids, keys, outcomes FROM rejections \
     WHERE sale_id = $1 AND (product_id, batch) > ($2, $3) \
       AND incarnation = COALESCE((SELECT incarnation FROM sales WHERE id = $1), 1) \
     ORDER BY product_id, batch LIMIT $4";

/// A job that the ledger has decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// The job.
    pub job: JobId,
    /// Whose it was.
    pub user: UserId,
    /// The shopper's key for it.
    pub key: IdempotencyKey,
    /// What was asked for.
    pub product: ProductId,
    /// How it ended.
    pub outcome: Outcome,
    /// The order, where there is one.
    pub order: Option<i64>,
}

/// How far the outcomes of a sale are read.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// Among the orders, behind this shopper's key.
    Orders(String, String),
    /// Among the rejections, behind this batch of this product.
    Rejections(String, i64),
    /// At the end.
    End,
}

/// The outcomes of one sale, to be read page by page.
#[derive(Debug, Clone)]
pub struct Outcomes {
    sale: SaleId,
    place: Place,
}

/// Job, shopper, key, product, order.
type OrderRow = (Uuid, String, String, String, i64);

/// Product, batch, jobs, shoppers, keys, letters.
type RejectionRow = (String, i64, Vec<Uuid>, Vec<String>, Vec<String>, String);

impl Outcomes {
    /// The outcomes of the present incarnation of `sale`, from the first.
    pub fn of(sale: &SaleId) -> Self {
        Self {
            sale: sale.clone(),
            place: Place::Orders(String::new(), String::new()),
        }
    }

    /// The same without the orders: only who was turned away.
    pub fn rejections_of(sale: &SaleId) -> Self {
        Self {
            sale: sale.clone(),
            place: Place::Rejections(String::new(), 0),
        }
    }
}

impl Ledger {
    /// The next outcomes, perhaps none of them; none at all at the end. What is decided meanwhile
    /// may be among them or not.
    ///
    /// # Errors
    /// The ledger cannot be asked; the same page is then read again.
    pub async fn next_outcomes(
        &self,
        outcomes: &mut Outcomes,
    ) -> Result<Option<Vec<Decided>>, LedgerError> {
        match outcomes.place.clone() {
            Place::Orders(user, key) => {
                let rows: Vec<OrderRow> = self
                    .page(ORDERS_BEHIND, &outcomes.sale, (&user, key), ORDERS)
                    .await?;
                outcomes.place = match rows.last() {
                    Some((_, user, key, ..)) => Place::Orders(user.clone(), key.clone()),
                    None => Place::Rejections(String::new(), 0),
                };
                Ok(Some(rows.into_iter().filter_map(order).collect()))
            }
            Place::Rejections(product, batch) => {
                let rows: Vec<RejectionRow> = self
                    .page(
                        REJECTIONS_BEHIND,
                        &outcomes.sale,
                        (&product, batch),
                        BATCHES,
                    )
                    .await?;
                outcomes.place = match rows.last() {
                    Some((product, batch, ..)) => Place::Rejections(product.clone(), *batch),
                    None => Place::End,
                };
                Ok(Some(rows.into_iter().flat_map(rejected).collect()))
            }
            Place::End => Ok(None),
        }
    }

    /// `rows` of the sale's present incarnation behind a place, as `page` asks for them.
    async fn page<T, Second>(
        &self,
        page: &'static str,
        sale: &SaleId,
        (first, second): (&str, Second),
        rows: i64,
    ) -> Result<Vec<T>, LedgerError>
    where
        T: for<'r> FromRow<'r, PgRow> + Send + Unpin,
        Second: for<'q> Encode<'q, Postgres> + Type<Postgres> + Send,
    {
        let page = sqlx::query_as(page);
        let page = page.bind(sale.as_str()).bind(first).bind(second).bind(rows);
        self.call(async |connection| page.fetch_all(connection).await)
            .await
    }
}

/// A row that names what no record can hold was written by somebody else and is left out.
fn order((job, user, key, product, order): OrderRow) -> Option<Decided> {
    Some(Decided {
        job: JobId(job),
        user: UserId::new(user).ok()?,
        key: IdempotencyKey::new(key).ok()?,
        product: ProductId::new(product).ok()?,
        outcome: Outcome::Confirmed,
        order: Some(order),
    })
}

fn rejected((product, _, jobs, users, keys, letters): RejectionRow) -> Vec<Decided> {
    let Ok(product) = ProductId::new(product) else {
        return Vec::new();
    };
    let buys = jobs.into_iter().zip(users).zip(keys).zip(letters.bytes());
    let buys = buys.filter_map(|(((job, user), key), letter)| {
        Some(Decided {
            job: JobId(job),
            user: UserId::new(user).ok()?,
            key: IdempotencyKey::new(key).ok()?,
            product: product.clone(),
            outcome: match letter {
                b's' => Outcome::SoldOut,
                b'l' => Outcome::LimitReached,
                _ => return None,
            },
            order: None,
        })
    });
    buys.collect()
}
