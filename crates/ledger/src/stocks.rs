//! What is left and what is sold, for one sale or for many in one question.

use std::collections::HashMap;

use flashsale_domain::{
    id::{ProductId, SaleId},
    stock::StockLevel,
};

use crate::{error::LedgerError, handle::Ledger};

/// What a sale has left and has sold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SaleStock {
    /// What is left of each product that the sale lists.
    pub levels: Vec<StockLevel>,
    /// What is left of products that the sale does not list any more: not for sale, while the jobs
    /// in their lanes are still settled.
    pub unlisted: Vec<StockLevel>,
    /// Units of listed products that the sale has sold and that were not cancelled, since it took
    /// the products.
    pub sold: i64,
    /// Batches of its products that workers of the previous release have settled, which are not
    /// fenced. Never set back.
    pub unfenced_batches: i64,
    /// Orders of its products that wait for their payment.
    pub pending: i64,
    /// Those of them whose window and grace have been over for half a minute: a worker should have cancelled
    /// them by now.
    pub overdue: i64,
    /// Changes of orders of its products that shoppers were not told of yet.
    pub untold: i64,
    /// Products with such changes.
    pub changed: Vec<ProductId>,
}

impl SaleStock {
    /// Units left over all products that are listed.
    pub fn remaining(&self) -> i64 {
        self.levels.iter().map(|level| i64::from(level.stock)).sum()
    }
}

/// A sale and its products, a column each: products, units left, versions of those figures, versions of
/// the last batches in them, units sold, whether they are listed, batches that were not fenced, pending
/// orders, overdue ones, changes not told.
///
/// One row for each sale: thirty thousand rows with the name of their sale in each take several times as
/// long to read.
type Row = (
    String,
    Vec<String>,
    Vec<i32>,
    Vec<i64>,
    Vec<i64>,
    Vec<i32>,
    Vec<bool>,
    Vec<i64>,
    Vec<i64>,
    Vec<i64>,
    Vec<i64>,
);

impl Ledger {
    /// The stock of every product that `sale` lists.
    pub async fn stock(&self, sale: &SaleId) -> Result<Vec<StockLevel>, LedgerError> {
        let mut stocks = self.stocks(std::slice::from_ref(sale)).await?;
        Ok(stocks.remove(sale).unwrap_or_default().levels)
    }

    /// What each of `sales` has left and has sold, in one question; every one of them is in the
    /// answer, without products if it offers none.
    pub async fn stocks(
        &self,
        sales: &[SaleId],
    ) -> Result<HashMap<SaleId, SaleStock>, LedgerError> {
        let names: Vec<&str> = sales.iter().map(SaleId::as_str).collect();
        let query = sqlx::query_as(
            "SELECT sale_id, array_agg(id::text), array_agg(stock_quantity),
                    array_agg(stock_version), array_agg(settled_version),
                    array_agg(GREATEST(sold - sold_before, 0)), array_agg(listed),
                    array_agg(unfenced_batches),
                    array_agg(CASE WHEN pay_seconds IS NULL THEN 0 ELSE (
                      SELECT count(*) FROM orders
                        WHERE product_id = products.id AND status = 'PENDING'
                          AND expires_at IS NOT NULL) END),
                    array_agg(CASE WHEN pay_seconds IS NULL THEN 0 ELSE (
                      SELECT count(*) FROM orders
                        WHERE product_id = products.id AND status = 'PENDING'
                          AND expires_at < now() - make_interval(secs => pay_grace_seconds + 30)) END),
                    array_agg(event_seq - told_seq)
               FROM products WHERE sale_id = ANY ($1) GROUP BY sale_id",
        )
        .bind(names);
        let rows: Vec<Row> = self
            .call(async |connection| query.fetch_all(connection).await)
            .await?;
        let mut stocks: HashMap<SaleId, SaleStock> = sales
            .iter()
            .map(|sale| (sale.clone(), SaleStock::default()))
            .collect();
        for row in rows {
            let sale = SaleId::new(row.0.as_str()).ok();
            if let Some(stock) = sale.and_then(|sale| stocks.get_mut(&sale)) {
                *stock = SaleStock::of(row);
            }
        }
        Ok(stocks)
    }
}

impl SaleStock {
    fn of(
        (_, products, stocks, versions, settled, sold, listed, unfenced, pending, overdue, untold): Row,
    ) -> Self {
        let mut all = Self {
            unfenced_batches: unfenced.iter().sum(),
            pending: pending.iter().sum(),
            overdue: overdue.iter().sum(),
            untold: untold.iter().sum(),
            ..Self::default()
        };
        let figures = stocks.into_iter().zip(versions).zip(settled);
        let rows = products.into_iter().zip(figures).zip(sold).zip(listed);
        for ((((product, figures), sold), is_listed), untold) in rows.zip(untold) {
            let ((stock, version), settled_version) = figures;
            // A row whose id is none of ours was not written by a declaration; no lane can serve it.
            let Ok(product) = ProductId::new(product) else {
                continue;
            };
            if untold > 0 {
                all.changed.push(product.clone());
            }
            let level = StockLevel {
                product,
                stock,
                version,
                settled_version,
            };
            if is_listed {
                all.sold += i64::from(sold);
                all.levels.push(level);
            } else {
                all.unlisted.push(level);
            }
        }
        all
    }
}
