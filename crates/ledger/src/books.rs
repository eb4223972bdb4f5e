//! The books of products: what was ever on offer, what is left, what is ordered. The audit and
//! whoever watches law 1 read the same figures.

use flashsale_domain::id::SaleId;
use serde::Serialize;

use crate::{call::COUNT_LIMIT, connection::LedgerConnection, error::LedgerError, handle::Ledger};

/// The books of one product, over all sales that ever offered it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, sqlx::FromRow)]
#[serde(rename_all = "camelCase")]
pub struct ProductBooks {
    /// The product.
    pub product: String,
    /// Units ever on offer.
    pub initial: i64,
    /// Units left.
    pub left: i64,
    /// Units sold, as the product's row counts them.
    pub sold: i64,
    /// Orders that are not cancelled, counted.
    pub ordered: i64,
    /// Units of orders that were cancelled after their sale was over: out of the books above, and
    /// offered by no sale.
    pub returned: i64,
}

impl ProductBooks {
    /// What the books cannot explain: positive for units sold too often, negative for units
    /// that are gone without an order.
    pub fn unexplained(&self) -> i64 {
        self.left + self.ordered - self.initial
    }

    /// Units sold, or still on offer, beyond what there ever was.
    pub fn oversold(&self) -> i64 {
        // A negative stock explains itself; its orders are too many all the same.
        self.unexplained().max(self.ordered - self.initial).max(0)
    }
}

impl Ledger {
    /// Units of the sale's products that were sold, or are still on offer, beyond what there ever
    /// was: 0 in a healthy ledger. Counts the products' orders, so ask now and then, not every
    /// second.
    pub async fn oversold(&self, sale: &SaleId) -> Result<i64, LedgerError> {
        let books = self
            .call_within(COUNT_LIMIT, async |connection| {
                books(connection, sale).await
            })
            .await?;
        Ok(books.iter().map(ProductBooks::oversold).sum())
    }
}

/// The books of every product that the sale offers or has orders of, by id; one statement, so all
/// figures are of one moment.
pub async fn books(
    connection: &mut LedgerConnection,
    sale: &SaleId,
) -> Result<Vec<ProductBooks>, sqlx::Error> {
    // A status that nobody wrote counts as an order: only CANCELLED gives a unit back. One count for each
    // product, so that the index of orders by product serves it (`migrations/0070…`).
    sqlx::query_as(
        "WITH mine AS (
           SELECT id, initial_stock, stock_quantity, sold, returned FROM products
             WHERE sale_id = $1 OR id IN (SELECT product_id FROM orders WHERE sale_id = $1))
         SELECT id AS product, initial_stock::bigint AS initial, stock_quantity::bigint AS left,
                sold::bigint AS sold, returned::bigint AS returned,
                (SELECT count(*) FROM orders
                  WHERE product_id = mine.id AND status IS DISTINCT FROM 'CANCELLED') AS ordered
           FROM mine ORDER BY id",
    )
    .bind(sale.as_str())
    .fetch_all(connection)
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_too_many_is_oversold() {
        for (initial, left, ordered, oversold) in [
            (500, 20, 480, 0),
            (500, 20, 481, 1),
            (500, 20, 477, 0),
            (500, -2, 502, 2),
            (500, 500, 3, 3),
        ] {
            let books = ProductBooks {
                product: "p".to_owned(),
                initial,
                left,
                sold: ordered,
                ordered,
                returned: 0,
            };
            assert_eq!(books.oversold(), oversold, "{books:?}");
        }
    }
}
