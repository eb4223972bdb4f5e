//! Holds a settlement against the ledger: a fast figure of a wrong result is worth nothing.

use flashsale_core::{audit, keys::SaleKeys, lane, sale::Sale};

use crate::{error::BenchError, stores::Stores};

/// Checks that `sale` made exactly `expected` orders, that its lanes are empty, and that laws 1
/// to 3 hold.
pub async fn settled(stores: &Stores, sale: &Sale, expected: u32) -> Result<(), BenchError> {
    orders(stores, sale, expected).await?;
    let mut queue = stores.queue.clone();
    let keys = SaleKeys::new(&sale.id);
    let lanes: Vec<String> = sale
        .products
        .iter()
        .map(|product| keys.lane(&product.id))
        .collect();
    let left: u64 = lane::depths(&mut queue, &lanes).await?.iter().sum();
    if left > 0 {
        return Err(BenchError::Wrong(format!(
            "{left} jobs are still in their lanes"
        )));
    }
    let audit = audit::audit(&stores.ledger, &mut queue, &sale.id).await?;
    if audit.holds() {
        return Ok(());
    }
    let findings = serde_json::to_string_pretty(&audit)?;
    Err(BenchError::Wrong(format!("a law is broken: {findings}")))
}

/// Checks that no unit of `sale`, whose orders took all, is left.
pub async fn nothing_left(stores: &Stores, sale: &Sale) -> Result<(), BenchError> {
    let left: i64 = sqlx::query_scalar(
        "SELECT coalesce(sum(stock_quantity), 0) FROM products WHERE sale_id = $1",
    )
    .bind(sale.id.as_str())
    .fetch_one(stores.ledger.pool())
    .await?;
    if left == 0 {
        return Ok(());
    }
    Err(BenchError::Wrong(format!(
        "{left} units are left though all were sold"
    )))
}

/// Checks that `sale` made exactly `expected` orders.
pub async fn orders(stores: &Stores, sale: &Sale, expected: u32) -> Result<(), BenchError> {
    let made: i64 = sqlx::query_scalar("SELECT count(*) FROM orders WHERE sale_id = $1")
        .bind(sale.id.as_str())
        .fetch_one(stores.ledger.pool())
        .await?;
    if made == i64::from(expected) {
        return Ok(());
    }
    Err(BenchError::Wrong(format!(
        "{expected} jobs made {made} orders"
    )))
}
