//! What the ledger holds of a sale. A ledger of an older release has narrower order numbers, no
//! incarnations and no rejections; both are read.

use std::collections::HashMap;

use flashsale_audit::payments;
use flashsale_domain::{id::SaleId, outcome::Outcome};
use flashsale_ledger::LedgerConnection;
use futures_util::TryStreamExt as _;
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use crate::check::stores::{LedgerSale, Order, Product, Unsettled};

pub(super) async fn read(
    connection: &mut LedgerConnection,
    sale: &SaleId,
) -> Result<LedgerSale, sqlx::Error> {
    let (incarnation, keeps_all_rejections) = incarnation(connection, sale).await?;
    Ok(LedgerSale {
        orders: orders(connection, sale).await?,
        products: products(connection, sale).await?,
        rejections: rejections(connection, sale).await?,
        keeps_all_rejections,
        incarnation,
        unsettled: unsettled(connection, sale).await?,
    })
}

/// The first ten thousand rows that break law 8.
async fn unsettled(
    connection: &mut LedgerConnection,
    sale: &SaleId,
) -> Result<Vec<Unsettled>, sqlx::Error> {
    let wrong = payments::unsettled(connection, sale, 10_000).await?;
    let unsettled = wrong.into_iter().map(|wrong| Unsettled {
        order: wrong.order,
        what: match wrong.payment {
            Some(payment) => format!("payment {payment} {}", wrong.what),
            None => wrong.what,
        },
    });
    Ok(unsettled.collect())
}

/// Whether a table of the search path has this column.
async fn has_column(
    connection: &mut LedgerConnection,
    table: &str,
    column: &str,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM pg_attribute
                         WHERE attrelid = to_regclass($1) AND attname = $2 AND NOT attisdropped)",
    )
    .bind(table)
    .bind(column)
    .fetch_one(connection)
    .await
}

/// The present incarnation of the sale, and whether all its rejections are kept. A sale without a
/// row is in its first one, which began when the ledger kept them.
async fn incarnation(
    connection: &mut LedgerConnection,
    sale: &SaleId,
) -> Result<(Option<i32>, bool), sqlx::Error> {
    if !has_column(connection, "sales", "rejections_kept").await? {
        return Ok((None, false));
    }
    let row: Option<(i32, bool)> =
        sqlx::query_as("SELECT incarnation, rejections_kept FROM sales WHERE id = $1")
            .bind(sale.as_str())
            .fetch_optional(connection)
            .await?;
    let (incarnation, kept) = row.unwrap_or((1, true));
    Ok((Some(incarnation), kept))
}

/// Number, shopper, product, job, key, whether cancelled, incarnation.
type OrderRow = (i64, String, String, Uuid, String, bool, i32);

async fn orders(
    connection: &mut LedgerConnection,
    sale: &SaleId,
) -> Result<Vec<Order>, sqlx::Error> {
    let incarnation = if has_column(connection, "orders", "incarnation").await? {
        "incarnation::integer"
    } else {
        "1"
    };
    // A status that nobody wrote counts as an order: only CANCELLED gives a unit back.
    let query = format!(
        "SELECT id::bigint, user_id, product_id, job_id, idempotency_key,
                COALESCE(status = 'CANCELLED', false), {incarnation}
           FROM orders WHERE sale_id = $1"
    );
    sqlx::query_as::<_, OrderRow>(AssertSqlSafe(query))
        .bind(sale.as_str())
        .fetch(connection)
        .map_ok(
            |(id, user, product, job, key, cancelled, incarnation)| Order {
                id,
                user,
                product,
                job,
                key,
                cancelled,
                incarnation,
            },
        )
        .try_collect()
        .await
}

/// Id, whether offered, initial, left, sold, ordered, version, limit.
type ProductRow = (String, bool, i64, i64, i64, i64, i64, Option<i64>);

async fn products(
    connection: &mut LedgerConnection,
    sale: &SaleId,
) -> Result<Vec<Product>, sqlx::Error> {
    // A product that was taken out of the sale is no longer told to Redis.
    let listed = if has_column(connection, "products", "listed").await? {
        "AND listed"
    } else {
        ""
    };
    let query = format!(
        "WITH mine AS (
           SELECT * FROM products
            WHERE sale_id = $1 OR id IN (SELECT product_id FROM orders WHERE sale_id = $1)
         ), counted AS (
           SELECT product_id, count(*) AS ordered FROM orders
            WHERE status IS DISTINCT FROM 'CANCELLED' AND product_id IN (SELECT id FROM mine)
            GROUP BY product_id)
         SELECT id, COALESCE(sale_id = $1 {listed}, false), initial_stock::bigint,
                stock_quantity::bigint, sold::bigint, COALESCE(ordered, 0), stock_version,
                max_per_user::bigint
           FROM mine LEFT JOIN counted ON product_id = id ORDER BY id"
    );
    let rows: Vec<ProductRow> = sqlx::query_as(AssertSqlSafe(query))
        .bind(sale.as_str())
        .fetch_all(connection)
        .await?;
    let products = rows.into_iter().map(
        |(id, offered, initial, left, sold, ordered, version, max_per_user)| Product {
            id,
            offered,
            initial,
            left,
            sold,
            ordered,
            version,
            max_per_user,
        },
    );
    Ok(products.collect())
}

/// Each rejected job with the outcome of every row that has it; none where the table is not there.
async fn rejections(
    connection: &mut LedgerConnection,
    sale: &SaleId,
) -> Result<Option<HashMap<Uuid, Vec<Outcome>>>, sqlx::Error> {
    if !has_column(connection, "rejections", "outcomes").await? {
        return Ok(None);
    }
    let mut rows = sqlx::query_as::<_, (Vec<Uuid>, String)>(
        "SELECT job_ids, outcomes FROM rejections WHERE sale_id = $1",
    )
    .bind(sale.as_str())
    .fetch(connection);
    let mut rejections: HashMap<Uuid, Vec<Outcome>> = HashMap::new();
    while let Some((jobs, outcomes)) = rows.try_next().await? {
        for (job, letter) in jobs.into_iter().zip(outcomes.chars()) {
            let outcome = match letter {
                's' => Outcome::SoldOut,
                'l' => Outcome::LimitReached,
                // Decided otherwise, by a row that is not there for its sake.
                _ => continue,
            };
            rejections.entry(job).or_default().push(outcome);
        }
    }
    Ok(Some(rejections))
}
