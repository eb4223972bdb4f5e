//! Making orders again that the ledger has forgotten.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use flashsale_domain::{
    id::{IdempotencyKey, JobId, ProductId, SaleId, UserId},
    stock::StockLevel,
};
use uuid::Uuid;

use crate::{connection::LedgerConnection, error::LedgerError, handle::Ledger};

/// How long making the lost orders of one product again may take: a hundred thousand of them take a
/// few seconds.
const REPAIR_LIMIT: Duration = Duration::from_mins(2);

/// An order that a shopper was told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The acknowledged buy.
    pub job: JobId,
    /// Whose it is.
    pub user: UserId,
    /// The shopper's key for it.
    pub key: IdempotencyKey,
    /// The number that the shopper was told.
    pub told: i64,
    /// Whether it was told as paid. An order of a sale with a payment window that was not gets a new window.
    pub is_paid: bool,
}

/// What became of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repair {
    /// The ledger has an order for it after all.
    Present {
        /// `orders.id`.
        order: i64,
    },
    /// Its order was made again.
    Made {
        /// `orders.id`: the number that was told, or another where that one is taken.
        order: i64,
    },
    /// No unit is left for it.
    NoUnit,
    /// The shopper has as many units as the sale allows one shopper.
    LimitReached,
}

impl Repair {
    /// The order, where there is one.
    pub fn order(self) -> Option<i64> {
        match self {
            Self::Present { order } | Self::Made { order } => Some(order),
            Self::NoUnit | Self::LimitReached => None,
        }
    }
}

/// What a repair of one product came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repaired {
    /// One for each claim, in their order.
    pub repairs: Vec<Repair>,
    /// The stock afterwards.
    pub level: StockLevel,
}

/// What the ledger has beside a claim: the order of its job, the order of its key, and whether the
/// number that was told is taken.
#[derive(sqlx::FromRow)]
struct Known {
    of_job: Option<i64>,
    of_key: Option<i64>,
    is_taken: bool,
}

/// The product's row, locked.
#[derive(sqlx::FromRow)]
struct Product {
    stock: i32,
    price: i64,
    max_per_user: Option<i32>,
    settled_version: i64,
    incarnation: i32,
    pay_seconds: Option<i32>,
}

/// A claim that gets its order, with the number that it keeps.
struct Order<'a> {
    at: usize,
    claim: &'a Claim,
    number: Option<i64>,
}

impl Ledger {
    /// Those of `jobs` that have an order of their own.
    ///
    /// # Errors
    /// The ledger cannot be asked.
    pub async fn jobs_with_order(&self, jobs: &[Uuid]) -> Result<HashSet<Uuid>, LedgerError> {
        let known = sqlx::query_scalar("SELECT job_id FROM orders WHERE job_id = ANY ($1)");
        let known = known.bind(jobs);
        let known: Vec<Uuid> = self
            .call(async |connection| known.fetch_all(connection).await)
            .await?;
        Ok(known.into_iter().collect())
    }

    /// Makes the orders of `claims` again, as far as there are units and limits allow, in one
    /// transaction under the lock of the product's row: no batch of a worker is settled in between,
    /// and what drivers have on its way is refused afterwards. In the order of `claims`; a claim
    /// that has its order, by its job or its key, needs no unit. Orders that are made have the price
    /// of the product's row: nobody has kept the one that the shopper saw.
    ///
    /// # Errors
    /// [`LedgerError::UnknownProduct`] when the sale does not offer the product; on any error
    /// nothing is changed.
    pub async fn settle_again(
        &self,
        sale: &SaleId,
        product: &ProductId,
        claims: &[Claim],
    ) -> Result<Repaired, LedgerError> {
        // Before the lock, since drawing numbers needs none of it: whoever gets a new number, now
        // or later, gets one that nobody was told.
        let told = claims.iter().map(|claim| claim.told).max().unwrap_or(0);
        self.raise_order_numbers(told).await?;
        self.transact(REPAIR_LIMIT, async |connection| {
            settle_locked(connection, sale, product, claims).await
        })
        .await
    }
}

async fn settle_locked(
    connection: &mut LedgerConnection,
    sale: &SaleId,
    product: &ProductId,
    claims: &[Claim],
) -> Result<Repaired, LedgerError> {
    let row = lock(connection, sale, product).await?;
    let known = known(connection, sale, row.incarnation, claims).await?;
    let held = held(connection, (sale, product, row.incarnation), claims).await?;
    let (mut repairs, orders) = decide(&row, claims, &known, held);
    let numbers = insert(connection, (sale, product), &row, &orders).await?;
    for order in &orders {
        if let Some(number) = numbers.get(&order.claim.job.0) {
            repairs[order.at] = Repair::Made { order: *number };
        }
    }
    let made = i32::try_from(orders.len()).map_err(|_| LedgerError::Mismatch)?;
    let level = take_units(connection, product, made, row.settled_version).await?;
    Ok(Repaired { repairs, level })
}

async fn lock(
    connection: &mut LedgerConnection,
    sale: &SaleId,
    product: &ProductId,
) -> Result<Product, LedgerError> {
    sqlx::query_as(
        "SELECT stock_quantity AS stock, price::bigint AS price, max_per_user, settled_version, incarnation,
                pay_seconds
           FROM products WHERE id = $1 AND sale_id = $2 FOR UPDATE",
    )
    .bind(product.as_str())
    .bind(sale.as_str())
    .fetch_optional(connection)
    .await?
    .ok_or_else(|| LedgerError::UnknownProduct {
        sale: sale.clone(),
        product: product.clone(),
    })
}

async fn known(
    connection: &mut LedgerConnection,
    sale: &SaleId,
    incarnation: i32,
    claims: &[Claim],
) -> Result<Vec<Known>, sqlx::Error> {
    let jobs: Vec<Uuid> = claims.iter().map(|claim| claim.job.0).collect();
    let users: Vec<&str> = claims.iter().map(|claim| claim.user.as_str()).collect();
    let keys: Vec<&str> = claims.iter().map(|claim| claim.key.as_str()).collect();
    let told: Vec<i64> = claims.iter().map(|claim| claim.told).collect();
    // The limits make each lookup one probe of an index.
    sqlx::query_as(
        "SELECT of_job.id AS of_job, of_key.id AS of_key, taken.id IS NOT NULL AS is_taken
           FROM unnest($2::uuid[], $3::text[], $4::text[], $5::bigint[])
                  WITH ORDINALITY AS claim(job, shopper, key, told, at)
           LEFT JOIN LATERAL (SELECT id::bigint FROM orders WHERE job_id = job LIMIT 1)
                       AS of_job ON true
           LEFT JOIN LATERAL (SELECT id::bigint FROM orders
                               WHERE sale_id = $1 AND user_id = shopper AND idempotency_key = key
                                 AND incarnation = $6 LIMIT 1) AS of_key ON true
           LEFT JOIN LATERAL (SELECT id FROM orders WHERE id = told LIMIT 1) AS taken ON true
          ORDER BY at",
    )
    .bind(sale.as_str())
    .bind(jobs)
    .bind(users)
    .bind(keys)
    .bind(told)
    .bind(incarnation)
    .fetch_all(connection)
    .await
}

/// Units of the product that each of the shoppers has.
async fn held(
    connection: &mut LedgerConnection,
    (sale, product, incarnation): (&SaleId, &ProductId, i32),
    claims: &[Claim],
) -> Result<HashMap<String, i64>, sqlx::Error> {
    let users: HashSet<&str> = claims.iter().map(|claim| claim.user.as_str()).collect();
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "SELECT shopper, units FROM unnest($3::text[]) AS asked(shopper),
                LATERAL (SELECT count(*) AS units FROM orders
                          WHERE sale_id = $1 AND user_id = shopper AND product_id = $2
                            AND incarnation = $4
                            AND status IS DISTINCT FROM 'CANCELLED') AS held",
    )
    .bind(sale.as_str())
    .bind(product.as_str())
    .bind(users.into_iter().collect::<Vec<_>>())
    .bind(incarnation)
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().collect())
}

/// Who gets an order (pure). Those stand as [`Repair::NoUnit`] until they have it.
fn decide<'a>(
    row: &Product,
    claims: &'a [Claim],
    known: &[Known],
    mut held: HashMap<String, i64>,
) -> (Vec<Repair>, Vec<Order<'a>>) {
    let limit = row.max_per_user.map_or(i64::MAX, i64::from);
    let mut left = row.stock;
    let mut numbers = HashSet::new();
    let (mut repairs, mut orders) = (Vec::with_capacity(claims.len()), Vec::new());
    for (at, (claim, known)) in claims.iter().zip(known).enumerate() {
        let units = held.entry(claim.user.as_str().to_owned()).or_default();
        repairs.push(if let Some(order) = known.of_job.or(known.of_key) {
            Repair::Present { order }
        } else if *units >= limit {
            Repair::LimitReached
        } else {
            if left > 0 {
                left -= 1;
                *units += 1;
                let is_free = !known.is_taken && numbers.insert(claim.told);
                let number = is_free.then_some(claim.told);
                orders.push(Order { at, claim, number });
            }
            Repair::NoUnit
        });
    }
    (repairs, orders)
}

/// Makes the orders; answers their numbers by job.
async fn insert(
    connection: &mut LedgerConnection,
    (sale, product): (&SaleId, &ProductId),
    row: &Product,
    orders: &[Order<'_>],
) -> Result<HashMap<Uuid, i64>, sqlx::Error> {
    let numbers: Vec<Option<i64>> = orders.iter().map(|order| order.number).collect();
    let claims = || orders.iter().map(|order| order.claim);
    let jobs: Vec<Uuid> = claims().map(|claim| claim.job.0).collect();
    let users: Vec<&str> = claims().map(|claim| claim.user.as_str()).collect();
    let keys: Vec<&str> = claims().map(|claim| claim.key.as_str()).collect();
    let rows: Vec<(Uuid, i64)> = sqlx::query_as(
        "INSERT INTO orders (id, user_id, product_id, status, sale_id, job_id, idempotency_key, price,
                             incarnation, expires_at)
           SELECT COALESCE(number, nextval('orders_id_seq')), shopper, $2,
                  CASE WHEN paid OR $10 IS NULL THEN 'COMPLETED' ELSE 'PENDING' END, $1, job, key, $3, $8,
                  CASE WHEN NOT paid THEN clock_timestamp() + make_interval(secs => $10) END
             FROM unnest($4::bigint[], $5::uuid[], $6::text[], $7::text[], $9::bool[])
                    AS lost(number, job, shopper, key, paid)
         RETURNING job_id, id::bigint",
    )
    .bind(sale.as_str())
    .bind(product.as_str())
    .bind(row.price)
    .bind(numbers)
    .bind(jobs)
    .bind(users)
    .bind(keys)
    .bind(row.incarnation)
    .bind(claims().map(|claim| claim.is_paid).collect::<Vec<_>>())
    .bind(row.pay_seconds)
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().collect())
}

async fn take_units(
    connection: &mut LedgerConnection,
    product: &ProductId,
    units: i32,
    settled_version: i64,
) -> Result<StockLevel, sqlx::Error> {
    let (stock, version) = sqlx::query_as(
        "UPDATE products SET stock_quantity = stock_quantity - $2, sold = sold + $2 WHERE id = $1
         RETURNING stock_quantity, stock_version",
    )
    .bind(product.as_str())
    .bind(units)
    .fetch_one(&mut *connection)
    .await?;
    // These units were sold, but not by a batch whose jobs could still stand in the lane. What the
    // driver of the lane has on its way is refused: limits and units are others now.
    sqlx::query("UPDATE products SET settled_version = $2, driver = NULL WHERE id = $1")
        .bind(product.as_str())
        .bind(settled_version)
        .execute(connection)
        .await?;
    Ok(StockLevel {
        product: product.clone(),
        stock,
        version,
        settled_version,
    })
}
