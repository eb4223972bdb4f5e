//! What a ledger needs after it went back: versions and order numbers above those that were told.

use flashsale_domain::{
    control::WentBack,
    id::{ProductId, SaleId},
    stock::StockLevel,
};

use crate::{call::SETTLE_LIMIT, connection::LedgerConnection, error::LedgerError, handle::Ledger};

/// By how much a corrected version exceeds the greatest that Redis knows. An acknowledgement of a
/// batch that the ledger has lost may still be on its way and carries a version a few beyond it;
/// the corrected figure has to win over that one too.
const VERSIONS_ON_THEIR_WAY: i64 = 1_000;

impl Ledger {
    /// Raises the versions of products that went back above what Redis was told, so that every
    /// cache that keeps the greater of two versions takes the ledger's figure again. Stock and
    /// orders stay as they are. Drivers have to take the product over anew: what one of them believes
    /// to be settled may be lost. Answers the figures to publish; a product that is not behind any
    /// more is left out.
    ///
    /// # Errors
    /// The ledger cannot be written. Products before the one that failed are corrected.
    pub async fn catch_up(
        &self,
        sale: &SaleId,
        behind: &[WentBack],
    ) -> Result<Vec<StockLevel>, LedgerError> {
        if !behind.is_empty() {
            self.call(async |connection| doubt_rejections(connection, sale).await)
                .await?;
        }
        let mut levels = Vec::with_capacity(behind.len());
        // One row a statement: whoever locks several rows does so in the order of their names, and
        // a correction need not be of one moment.
        for WentBack { product, told, .. } in behind {
            let row = self
                .call(async |connection| raise_version(connection, sale, product, *told).await)
                .await?;
            levels.extend(row.map(|row| level(product, row)));
        }
        Ok(levels)
    }

    /// Sees to it that no order gets a number up to `told` from now on: those were told to shoppers
    /// by a ledger that has forgotten them. True when the sequence was behind.
    ///
    /// # Errors
    /// The ledger cannot be written; the sequence is then never lower than before.
    pub async fn raise_order_numbers(&self, told: i64) -> Result<bool, LedgerError> {
        // Part of each takeover, so it has to end before the lane's lease does.
        self.call_within(SETTLE_LIMIT, async |connection| {
            raise_sequence(connection, told).await
        })
        .await
    }
}

async fn raise_version(
    connection: &mut LedgerConnection,
    sale: &SaleId,
    product: &ProductId,
    told: i64,
) -> Result<Option<(i32, i64, i64)>, sqlx::Error> {
    sqlx::query_as(
        "UPDATE products SET stock_version = $3 + $4, driver = NULL
          WHERE id = $1 AND sale_id = $2 AND stock_version <= $3
         RETURNING stock_quantity, stock_version, settled_version",
    )
    .bind(product.as_str())
    .bind(sale.as_str())
    .bind(told)
    .bind(VERSIONS_ON_THEIR_WAY)
    .fetch_optional(connection)
    .await
}

/// Raises the sequence of order numbers to `told` at least; true when it was behind.
async fn raise_sequence(connection: &mut LedgerConnection, told: i64) -> Result<bool, sqlx::Error> {
    // A sequence that was never used shows the number that it will give first.
    let behind: i64 = sqlx::query_scalar(
        "SELECT $1 - last_value + CASE WHEN is_called THEN 0 ELSE 1 END FROM orders_id_seq",
    )
    .bind(told)
    .fetch_one(&mut *connection)
    .await?;
    if behind > 0 {
        // A function of the owner's: workers may not set the sequence, which could also lower it.
        sqlx::query("SELECT raise_order_ids($1)")
            .bind(told)
            .execute(connection)
            .await?;
    }
    Ok(behind > 0)
}

fn level(product: &ProductId, (stock, version, settled_version): (i32, i64, i64)) -> StockLevel {
    StockLevel {
        product: product.clone(),
        stock,
        version,
        settled_version,
    }
}

/// Notes that rejections of the sale may be lost, so that an audit does not miss them.
async fn doubt_rejections(
    connection: &mut LedgerConnection,
    sale: &SaleId,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO sales (id, incarnation, rejections_kept) VALUES ($1, 1, false)
         ON CONFLICT (id) DO UPDATE SET rejections_kept = false",
    )
    .bind(sale.as_str())
    .execute(connection)
    .await?;
    Ok(())
}
