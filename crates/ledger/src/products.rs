//! What is on offer: declaring a sale's products and letting go of them.

use std::collections::HashMap;

use flashsale_domain::{
    id::{ProductId, SaleId},
    sale::{Product, Sale},
    stock::StockLevel,
};
use sqlx::{Postgres, postgres::PgArguments, query::QueryAs};

use crate::{
    call::CALL_LIMIT, connection::LedgerConnection, error::LedgerError, handle::Ledger, widen,
};

/// What a declaration came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Declared {
    /// The stock of each product that the sale lists, by id.
    pub levels: Vec<StockLevel>,
    /// Products that the sale no longer lists, now or since an earlier declaration. Nothing of
    /// them is for sale, but the jobs in their lanes are still settled;
    /// [`Ledger::release_products`] lets them go when there are none.
    pub unlisted: Vec<ProductId>,
}

/// A product's row, as far as a declaration depends on it.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
struct Row {
    id: String,
    sale_id: Option<String>,
    stock_quantity: i32,
    sold: i32,
    declared_stock: Option<i32>,
    manifest_stock: Option<i32>,
}

/// What a declaration makes of a product's units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Units {
    /// Units left.
    stock: i64,
    /// The declaration that the next edit is a difference to.
    declared: i64,
}

impl Row {
    /// The units of a product of which a sale declares `stock`: those of a free product are what is
    /// declared; those of a product of this sale change by the edit. The same declaration again is
    /// no edit, so that a restock by hand is kept. Units already sold are never taken back; where
    /// less is declared than is sold, what is sold counts as declared, so that a later raise does
    /// not offer it a second time.
    fn declared(&self, stock: i32) -> Units {
        let (left, stock) = (i64::from(self.stock_quantity), i64::from(stock));
        let before = self.declared_stock.map_or(stock, i64::from);
        if self.sale_id.is_none() {
            Units {
                stock,
                declared: stock,
            }
        } else if self.manifest_stock.map(i64::from) == Some(stock) {
            Units {
                stock: left,
                declared: before,
            }
        } else {
            Units {
                stock: (left + stock - before).max(0),
                declared: stock.max(before - left),
            }
        }
    }
}

impl Ledger {
    /// Makes the ledger offer what `sale` declares, and returns the stock of each product.
    ///
    /// A new product starts with its declared stock; so does one that an earlier sale left behind.
    /// For one that this sale offers already, a changed declaration is applied as the difference to
    /// the one before, so that declaring twice changes nothing, and a restock by hand is kept.
    /// Products of the sale that it does not declare any more are no longer listed.
    ///
    /// # Errors
    /// [`LedgerError::ProductTaken`] when another sale holds a product, and
    /// [`LedgerError::TooManyUnits`]; then nothing is changed.
    pub async fn declare(&self, sale: &Sale) -> Result<Declared, LedgerError> {
        self.transact(CALL_LIMIT, async |connection| {
            declare(connection, sale).await
        })
        .await
    }

    /// Takes the products of `sale` off it, so that another sale may offer them. Orders stay. The
    /// sale is over with that: declared again, its name begins a new incarnation, with limits and
    /// keys of its own.
    pub async fn release(&self, sale: &SaleId) -> Result<(), LedgerError> {
        let query = sqlx::query(
            "UPDATE products SET sale_id = NULL, declared_stock = NULL, manifest_stock = NULL
              WHERE sale_id = $1",
        )
        .bind(sale.as_str());
        self.call(async |connection| query.execute(connection).await.map(drop))
            .await
    }

    /// Every sale that has products, with how many.
    pub async fn holders(&self) -> Result<Vec<(String, i64)>, LedgerError> {
        let query = sqlx::query_as(
            "SELECT sale_id, count(*) FROM products WHERE sale_id IS NOT NULL
              GROUP BY sale_id ORDER BY sale_id",
        );
        self.call(async |connection| query.fetch_all(connection).await)
            .await
    }

    /// Takes those of `products` off `sale` that it does not list any more, so that another sale
    /// may offer them. For when their lanes are empty: jobs left there could not be settled. Those with
    /// orders that wait for their payment stay.
    pub async fn release_products(
        &self,
        sale: &SaleId,
        products: &[ProductId],
    ) -> Result<(), LedgerError> {
        self.take_off(sale, products, false).await
    }

    /// Takes those of `products` that it offers off `sale`, which is over: its lanes are empty and
    /// stay so. It keeps its other products, and those with orders that wait for their payment.
    pub async fn release_of_finished(
        &self,
        sale: &SaleId,
        products: &[ProductId],
    ) -> Result<(), LedgerError> {
        self.take_off(sale, products, true).await
    }

    /// Takes those of `products` off `sale` that it does not list, or those that it lists as well.
    async fn take_off(
        &self,
        sale: &SaleId,
        products: &[ProductId],
        listed_as_well: bool,
    ) -> Result<(), LedgerError> {
        let ids: Vec<&str> = products.iter().map(ProductId::as_str).collect();
        let query = sqlx::query(
            "UPDATE products SET sale_id = NULL, declared_stock = NULL, manifest_stock = NULL
              WHERE sale_id = $1 AND id = ANY ($2) AND (NOT listed OR $3)
                AND NOT EXISTS (SELECT FROM orders WHERE product_id = products.id
                                  AND status = 'PENDING' AND expires_at IS NOT NULL)",
        );
        let query = query.bind(sale.as_str()).bind(ids).bind(listed_as_well);
        self.call(async |connection| query.execute(connection).await.map(drop))
            .await
    }
}

async fn declare(connection: &mut LedgerConnection, sale: &Sale) -> Result<Declared, LedgerError> {
    check_prices(connection, sale).await?;
    let mut products: Vec<&Product> = sale.products.iter().collect();
    products.sort_by(|left, right| left.id.cmp(&right.id));
    let ids: Vec<&str> = products.iter().map(|product| product.id.as_str()).collect();
    let mut rows = lock(connection, &sale.id, &ids).await?;
    let is_known = |product: &&Product| rows.contains_key(product.id.as_str());
    let (mut known, new): (Vec<_>, Vec<_>) = products.into_iter().partition(is_known);
    let mut levels = add(connection, sale, &new).await?;
    if levels.len() < new.len() {
        // Somebody else added some since the rows were locked.
        let is_missing =
            |product: &&Product| levels.iter().all(|level| level.product != product.id);
        let missing: Vec<&Product> = new.into_iter().filter(is_missing).collect();
        let ids: Vec<&str> = missing.iter().map(|product| product.id.as_str()).collect();
        rows.extend(lock(connection, &sale.id, &ids).await?);
        known.extend(missing);
    }
    let known = known.into_iter().map(|product| {
        let row = rows.get(product.id.as_str());
        let row = row.ok_or(sqlx::Error::RowNotFound)?;
        Change::of(product, row, &sale.id)
    });
    let known: Vec<Change<'_>> = known.collect::<Result<_, _>>()?;
    levels.extend(change(connection, sale, &known).await?);
    levels.sort_by(|left, right| left.product.cmp(&right.product));
    let unlisted = unlist(connection, &sale.id, &ids).await?;
    Ok(Declared { levels, unlisted })
}

/// Refuses a price that the columns cannot hold until they are widened.
async fn check_prices(connection: &mut LedgerConnection, sale: &Sale) -> Result<(), LedgerError> {
    let is_high = |product: &&Product| product.price > i64::from(i32::MAX);
    let Some(product) = sale.products.iter().find(is_high) else {
        return Ok(());
    };
    let narrow = widen::narrow_columns(connection).await?;
    if narrow.iter().any(|column| column == "price") {
        return Err(LedgerError::PriceTooHigh {
            product: product.id.clone(),
            price: product.price,
        });
    }
    Ok(())
}

/// Locks the rows of the sale and of the products that it declares: all at once and in one order
/// everywhere, so that two declarations cannot wait for each other.
async fn lock(
    connection: &mut LedgerConnection,
    sale: &SaleId,
    declared: &[&str],
) -> Result<HashMap<String, Row>, sqlx::Error> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT id, sale_id, stock_quantity, sold, declared_stock, manifest_stock
           FROM products WHERE sale_id = $1 OR id = ANY ($2) ORDER BY id FOR UPDATE",
    )
    .bind(sale.as_str())
    .bind(declared)
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id.clone(), row)).collect())
}

/// A product that the ledger knows, and what becomes of its units.
struct Change<'a> {
    product: &'a Product,
    stock: i32,
    declared: i32,
}

impl<'a> Change<'a> {
    fn of(product: &'a Product, row: &Row, sale: &SaleId) -> Result<Self, LedgerError> {
        if let Some(holder) = row.sale_id.as_ref().filter(|id| *id != sale.as_str()) {
            return Err(LedgerError::ProductTaken {
                product: product.id.clone(),
                holder: holder.clone(),
            });
        }
        let units = row.declared(product.stock);
        let too_many = || LedgerError::TooManyUnits {
            product: product.id.clone(),
            units: units.stock + i64::from(row.sold),
        };
        let stock = i32::try_from(units.stock).map_err(|_| too_many())?;
        let declared = i32::try_from(units.declared).map_err(|_| too_many())?;
        row.sold.checked_add(stock).ok_or_else(too_many)?;
        Ok(Self {
            product,
            stock,
            declared,
        })
    }
}

/// What a declaration answers of each product: its id, its stock, and the versions of that.
type Declaration = (String, i32, i64, i64);

/// Declares the products that the ledger knows, in one statement.
async fn change(
    connection: &mut LedgerConnection,
    sale: &Sale,
    changes: &[Change<'_>],
) -> Result<Vec<StockLevel>, LedgerError> {
    if changes.is_empty() {
        return Ok(Vec::new());
    }
    let products: Vec<&Product> = changes.iter().map(|change| change.product).collect();
    let stocks: Vec<i32> = changes.iter().map(|change| change.stock).collect();
    let declared: Vec<i32> = changes.iter().map(|change| change.declared).collect();
    let statement = sqlx::query_as(
        "UPDATE products SET
           name = new.name, description = new.description, price = new.price, image = new.image,
           max_per_user = new.max_per_user, pay_seconds = $9, pay_grace_seconds = $10,
           pay_provider = $11, currency = $12, late_policy = $13,
           sold_before = CASE WHEN sale_id IS NULL THEN sold ELSE sold_before END,
           sale_id = $1, listed = true, manifest_stock = new.manifest_stock,
           declared_stock = new.declared_stock, stock_quantity = new.stock,
           initial_stock = sold + new.stock
         FROM unnest($2::text[], $3::text[], $4::text[], $5::bigint[], $6::int[], $7::text[],
                     $8::int[], $14::int[], $15::int[])
              AS new (id, name, description, price, manifest_stock, image, max_per_user,
                      declared_stock, stock)
         WHERE products.id = new.id
         RETURNING products.id, stock_quantity, stock_version, settled_version",
    );
    let written = with_columns(statement, sale, &products)
        .bind(declared)
        .bind(stocks)
        .fetch_all(connection)
        .await?;
    if written.len() < changes.len() {
        return Err(sqlx::Error::RowNotFound.into());
    }
    levels(written)
}

/// Declares products that the ledger does not know, in one statement. Those that somebody else has
/// added meanwhile are not among the answers.
async fn add(
    connection: &mut LedgerConnection,
    sale: &Sale,
    products: &[&Product],
) -> Result<Vec<StockLevel>, LedgerError> {
    if products.is_empty() {
        return Ok(Vec::new());
    }
    let statement = sqlx::query_as(
        "INSERT INTO products (id, name, description, price, stock_quantity, image, sale_id,
                               declared_stock, manifest_stock, max_per_user, pay_seconds,
                               pay_grace_seconds, pay_provider, currency, late_policy)
         SELECT new.id, new.name, new.description, new.price, new.stock, new.image, $1,
                new.stock, new.stock, new.max_per_user, $9, $10, $11, $12, $13
           FROM unnest($2::text[], $3::text[], $4::text[], $5::bigint[], $6::int[], $7::text[],
                       $8::int[])
                AS new (id, name, description, price, stock, image, max_per_user)
         ON CONFLICT (id) DO NOTHING
         RETURNING id, stock_quantity, stock_version, settled_version",
    );
    levels(
        with_columns(statement, sale, products)
            .fetch_all(connection)
            .await?,
    )
}

/// `statement` about products, given as arrays, a column each ($2 to $8): one statement takes any number of
/// them. $9 to $13 are how the sale's orders are paid: window, grace, provider, currency, and what becomes of late
/// payments.
fn with_columns<'q>(
    statement: QueryAs<'q, Postgres, Declaration, PgArguments>,
    sale: &'q Sale,
    products: &[&'q Product],
) -> QueryAs<'q, Postgres, Declaration, PgArguments> {
    fn column<'q, T>(products: &[&'q Product], of: impl Fn(&'q Product) -> T) -> Vec<T> {
        products.iter().map(|product| of(product)).collect()
    }
    let window = sale.payment.as_ref();
    statement
        .bind(sale.id.as_str())
        .bind(column(products, |product| product.id.as_str()))
        .bind(column(products, |product| product.name.as_str()))
        .bind(column(products, |product| product.description.as_deref()))
        .bind(column(products, |product| product.price))
        .bind(column(products, |product| product.stock))
        .bind(column(products, |product| product.image.as_deref()))
        .bind(column(products, |product| product.max_per_user))
        .bind(window.map(|window| i32::try_from(window.window_seconds).unwrap_or(i32::MAX)))
        .bind(window.map_or(0, |window| {
            i32::try_from(window.grace_seconds).unwrap_or(i32::MAX)
        }))
        .bind(window.and_then(|window| window.provider.as_deref()))
        .bind(sale.currency.code())
        .bind(window.map(|window| window.on_late.as_str()))
}

/// An id that is none would be a product whose stock nobody tells: an error.
fn levels(declared: Vec<Declaration>) -> Result<Vec<StockLevel>, LedgerError> {
    let declared = declared.into_iter();
    let level = |(id, stock, version, settled_version)| {
        Ok(StockLevel {
            product: ProductId::new(id).map_err(|error| sqlx::Error::Decode(error.into()))?,
            stock,
            version,
            settled_version,
        })
    };
    declared.map(level).collect()
}

/// Takes the products that are not `declared` any more off the list, and answers all that are off
/// it.
async fn unlist(
    connection: &mut LedgerConnection,
    sale: &SaleId,
    declared: &[&str],
) -> Result<Vec<ProductId>, sqlx::Error> {
    sqlx::query(
        "UPDATE products SET listed = false WHERE sale_id = $1 AND listed AND id <> ALL ($2)",
    )
    .bind(sale.as_str())
    .bind(declared)
    .execute(&mut *connection)
    .await?;
    let ids: Vec<String> =
        sqlx::query_scalar("SELECT id FROM products WHERE sale_id = $1 AND NOT listed ORDER BY id")
            .bind(sale.as_str())
            .fetch_all(connection)
            .await?;
    Ok(ids
        .into_iter()
        .filter_map(|id| ProductId::new(id).ok())
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(stock_quantity: i32, declared_stock: i32, manifest_stock: Option<i32>) -> Row {
        Row {
            id: "p".to_owned(),
            sale_id: Some("drop".to_owned()),
            stock_quantity,
            sold: 0,
            declared_stock: Some(declared_stock),
            manifest_stock,
        }
    }

    #[test]
    fn a_free_product_has_what_is_declared() {
        let free = Row {
            sale_id: None,
            ..row(7, 9, None)
        };
        let units = free.declared(i32::MAX);
        assert_eq!(
            (units.stock, units.declared),
            (2_147_483_647, 2_147_483_647)
        );
    }

    #[test]
    fn the_same_declaration_again_is_no_edit_whatever_counts_as_declared() {
        // 10 declared and sold, then 8 declared, then 5 added by hand.
        let restocked = row(5, 10, Some(8));
        assert_eq!(
            restocked.declared(8),
            Units {
                stock: 5,
                declared: 10
            }
        );
        assert_eq!(restocked.declared(12).stock, 7);
    }

    #[test]
    fn an_edit_of_the_largest_stock_does_not_overflow() {
        let large = row(i32::MAX, 0, None);
        assert_eq!(large.declared(i32::MAX).stock, 4_294_967_294);
        assert_eq!(row(i32::MAX, i32::MAX, None).declared(0).stock, 0);
    }
}
