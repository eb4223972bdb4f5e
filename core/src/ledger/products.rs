//! What is on offer: declaring a sale's products, restocking, releasing them.

use sqlx::{PgConnection, Row};

use super::{Ledger, LedgerError};
use crate::{
    id::{ProductId, SaleId},
    sale::{Product, Sale},
};

/// A product's stock as of one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockLevel {
    /// The product.
    pub product: ProductId,
    /// Units left.
    pub stock: i32,
    /// Grows with every change of the stock; the greater of two figures is the newer.
    pub version: i64,
}

/// What a restock came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restocked {
    /// The stock afterwards.
    pub level: StockLevel,
    /// The change made: what was asked for, or less when units to be taken back are sold already.
    pub change: i32,
}

impl Ledger {
    /// Makes the ledger offer what `sale` declares, and returns the stock of each product.
    ///
    /// A new product starts with its declared stock; so does one that an earlier sale left
    /// behind. For one that this sale offers already, a changed declaration is applied as the
    /// difference to the one before, so that declaring twice changes nothing, and a restock by
    /// hand is kept. Units already sold are never taken back; where less is declared than is sold,
    /// what is sold counts as declared, so that a later raise does not offer it a second time.
    ///
    /// # Errors
    /// [`LedgerError::ProductTaken`] when another sale holds a product; then nothing is changed.
    pub async fn declare(&self, sale: &Sale) -> Result<Vec<StockLevel>, LedgerError> {
        let mut transaction = self.pool.begin().await?;
        // In one order everywhere, so that two declarations cannot wait for each other.
        let mut products: Vec<&Product> = sale.products.iter().collect();
        products.sort_by(|left, right| left.id.cmp(&right.id));
        let mut levels = Vec::with_capacity(products.len());
        for product in products {
            levels.push(declare_product(&mut transaction, &sale.id, product).await?);
        }
        transaction.commit().await?;
        Ok(levels)
    }

    /// Adds `change` units to a product (takes back, when negative), at most those not yet sold.
    pub async fn restock(
        &self,
        sale: &SaleId,
        product: &ProductId,
        change: i32,
    ) -> Result<Restocked, LedgerError> {
        let row = sqlx::query(
            "WITH before AS (
               SELECT id, stock_quantity FROM products WHERE id = $1 AND sale_id = $2 FOR UPDATE)
             UPDATE products AS p
                SET stock_quantity = GREATEST(p.stock_quantity + $3, 0),
                    initial_stock = p.sold + GREATEST(p.stock_quantity + $3, 0)
               FROM before WHERE p.id = before.id
             RETURNING p.stock_quantity, p.stock_version,
                       p.stock_quantity - before.stock_quantity AS change",
        )
        .bind(product.as_str())
        .bind(sale.as_str())
        .bind(change)
        .fetch_optional(&self.pool)
        .await?
        .ok_or_else(|| LedgerError::UnknownProduct {
            sale: sale.clone(),
            product: product.clone(),
        })?;
        Ok(Restocked {
            level: StockLevel {
                product: product.clone(),
                stock: row.try_get(0)?,
                version: row.try_get(1)?,
            },
            change: row.try_get(2)?,
        })
    }

    /// Takes the products of `sale` off it, so that another sale may offer them. Orders stay.
    pub async fn release(&self, sale: &SaleId) -> Result<(), LedgerError> {
        sqlx::query("UPDATE products SET sale_id = NULL, declared_stock = NULL WHERE sale_id = $1")
            .bind(sale.as_str())
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}

async fn declare_product(
    connection: &mut PgConnection,
    sale: &SaleId,
    product: &Product,
) -> Result<StockLevel, LedgerError> {
    // The new stock is: for a product of this sale, the old one plus the edit; for a free one,
    // what is declared. A product of another sale matches no row, which is the refusal.
    let row = sqlx::query_as::<_, (i32, i64)>(
        "INSERT INTO products AS p (id, name, description, price, stock_quantity, image,
                                    sale_id, declared_stock, max_per_user)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $5, $8)
         ON CONFLICT (id) DO UPDATE SET
           name = excluded.name, description = excluded.description, price = excluded.price,
           image = excluded.image, max_per_user = excluded.max_per_user,
           sold_before = CASE WHEN p.sale_id IS NULL THEN p.sold ELSE p.sold_before END,
           sale_id = excluded.sale_id,
           declared_stock = CASE WHEN p.sale_id IS NULL THEN $5
             ELSE GREATEST($5, COALESCE(p.declared_stock, $5) - p.stock_quantity) END,
           stock_quantity = CASE WHEN p.sale_id IS NULL THEN $5
             ELSE GREATEST(p.stock_quantity + $5 - COALESCE(p.declared_stock, $5), 0) END,
           initial_stock = p.sold + CASE WHEN p.sale_id IS NULL THEN $5
             ELSE GREATEST(p.stock_quantity + $5 - COALESCE(p.declared_stock, $5), 0) END
         WHERE p.sale_id IS NULL OR p.sale_id = excluded.sale_id
         RETURNING stock_quantity, stock_version",
    )
    .bind(product.id.as_str())
    .bind(product.name.as_str())
    .bind(product.description.as_deref())
    .bind(product.price)
    .bind(product.stock)
    .bind(product.image.as_deref())
    .bind(sale.as_str())
    .bind(product.max_per_user)
    .fetch_optional(&mut *connection)
    .await?;
    match row {
        Some((stock, version)) => Ok(StockLevel {
            product: product.id.clone(),
            stock,
            version,
        }),
        None => Err(LedgerError::ProductTaken {
            product: product.id.clone(),
            holder: holder(connection, &product.id).await?,
        }),
    }
}

async fn holder(connection: &mut PgConnection, product: &ProductId) -> Result<String, LedgerError> {
    let holder: Option<String> = sqlx::query_scalar("SELECT sale_id FROM products WHERE id = $1")
        .bind(product.as_str())
        .fetch_one(connection)
        .await?;
    Ok(holder.unwrap_or_default())
}
