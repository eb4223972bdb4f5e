//! Units added or taken back by hand.

use flashsale_domain::{
    id::{ProductId, SaleId},
    stock::StockLevel,
};
use sqlx::Row;
use uuid::Uuid;

use crate::{call::CALL_LIMIT, connection::LedgerConnection, error::LedgerError, handle::Ledger};

/// What a restock came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restocked {
    /// The stock afterwards.
    pub level: StockLevel,
    /// The change made: what was asked for, or less when units to be taken back are sold already.
    pub change: i32,
}

impl Ledger {
    /// Adds `change` units to a product (takes back, when negative), at most those not yet sold.
    ///
    /// With the id of a `request` it can be repeated: the ledger remembers the id as long as the
    /// sale is on, and a request that was done changes nothing and gets the same answer.
    ///
    /// # Errors
    /// [`LedgerError::UnknownProduct`], [`LedgerError::TooManyUnits`], and
    /// [`LedgerError::RequestReused`] when the id was another restock's.
    pub async fn restock(
        &self,
        sale: &SaleId,
        product: &ProductId,
        change: i32,
        request: Option<Uuid>,
    ) -> Result<Restocked, LedgerError> {
        self.transact(CALL_LIMIT, async |connection| {
            restock(connection, sale, product, change, request).await
        })
        .await
    }
}

async fn restock(
    connection: &mut LedgerConnection,
    sale: &SaleId,
    product: &ProductId,
    change: i32,
    request: Option<Uuid>,
) -> Result<Restocked, LedgerError> {
    // Locked first, so that of two repeats at once the second sees what the first did.
    let (stock, sold, settled_version): (i32, i32, i64) = sqlx::query_as(
        "SELECT stock_quantity, sold, settled_version FROM products
          WHERE id = $1 AND sale_id = $2 FOR UPDATE",
    )
    .bind(product.as_str())
    .bind(sale.as_str())
    .fetch_optional(&mut *connection)
    .await?
    .ok_or_else(|| LedgerError::UnknownProduct {
        sale: sale.clone(),
        product: product.clone(),
    })?;
    if let Some(request) = request
        && let Some(done) = done_before(connection, sale, product, change, request).await?
    {
        return Ok(done);
    }
    let units = (i64::from(stock) + i64::from(change)).max(0);
    let too_many = || LedgerError::TooManyUnits {
        product: product.clone(),
        units: units + i64::from(sold),
    };
    let after = i32::try_from(units).map_err(|_| too_many())?;
    sold.checked_add(after).ok_or_else(too_many)?;
    let version = sqlx::query_scalar(
        "UPDATE products SET stock_quantity = $2, initial_stock = sold + $2 WHERE id = $1
         RETURNING stock_version",
    )
    .bind(product.as_str())
    .bind(after)
    .fetch_one(&mut *connection)
    .await?;
    let restocked = Restocked {
        level: StockLevel {
            product: product.clone(),
            stock: after,
            version,
            settled_version,
        },
        change: after - stock,
    };
    if let Some(request) = request {
        remember(connection, sale, change, request, &restocked).await?;
    }
    Ok(restocked)
}

async fn done_before(
    connection: &mut LedgerConnection,
    sale: &SaleId,
    product: &ProductId,
    asked: i32,
    request: Uuid,
) -> Result<Option<Restocked>, LedgerError> {
    let row = sqlx::query(
        "SELECT sale_id = $2 AND product_id = $3 AND asked = $4, change, stock, version,
                settled_version
           FROM restocks WHERE id = $1",
    )
    .bind(request)
    .bind(sale.as_str())
    .bind(product.as_str())
    .bind(asked)
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else {
        return Ok(None);
    };
    if !row.try_get::<bool, _>(0)? {
        return Err(LedgerError::RequestReused { request });
    }
    Ok(Some(Restocked {
        level: StockLevel {
            product: product.clone(),
            stock: row.try_get(2)?,
            version: row.try_get(3)?,
            settled_version: row.try_get(4)?,
        },
        change: row.try_get(1)?,
    }))
}

async fn remember(
    connection: &mut LedgerConnection,
    sale: &SaleId,
    asked: i32,
    request: Uuid,
    restocked: &Restocked,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO restocks (id, sale_id, product_id, asked, change, stock, version,
                               settled_version)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(request)
    .bind(sale.as_str())
    .bind(restocked.level.product.as_str())
    .bind(asked)
    .bind(restocked.change)
    .bind(restocked.level.stock)
    .bind(restocked.level.version)
    .bind(restocked.level.settled_version)
    .execute(connection)
    .await?;
    Ok(())
}
