//! What is left and what is sold, for one sale or for many in one question.

use std::collections::HashMap;

use super::{Ledger, LedgerError, StockLevel, call::CALL_LIMIT};
use crate::id::{ProductId, SaleId};

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
}

impl SaleStock {
    /// Units left over all products that are listed.
    #[must_use]
    pub fn remaining(&self) -> i64 {
        self.levels.iter().map(|level| i64::from(level.stock)).sum()
    }
}

/// Sale, product, units left, version of that figure, version of the last batch in it, units sold,
/// whether it is listed, batches that were not fenced.
type Row = (String, String, i32, i64, i64, i32, bool, i64);

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
            "SELECT sale_id, id, stock_quantity, stock_version, settled_version,
                    GREATEST(sold - sold_before, 0), listed, unfenced_batches
               FROM products WHERE sale_id = ANY ($1)",
        )
        .bind(names);
        let rows: Vec<Row> = self
            .call(CALL_LIMIT, async |connection| {
                Ok(query.fetch_all(connection).await?)
            })
            .await?;
        let mut stocks: HashMap<SaleId, SaleStock> = sales
            .iter()
            .map(|sale| (sale.clone(), SaleStock::default()))
            .collect();
        for (sale, product, stock, version, settled_version, sold, is_listed, unfenced) in rows {
            let stocks = SaleId::new(sale)
                .ok()
                .and_then(|sale| stocks.get_mut(&sale));
            // A row whose id is none of ours was not written by a declaration; no lane can serve
            // it.
            if let (Some(stocks), Ok(product)) = (stocks, ProductId::new(product)) {
                let level = StockLevel {
                    product,
                    stock,
                    version,
                    settled_version,
                };
                stocks.unfenced_batches += unfenced;
                if is_listed {
                    stocks.sold += i64::from(sold);
                    stocks.levels.push(level);
                } else {
                    stocks.unlisted.push(level);
                }
            }
        }
        Ok(stocks)
    }
}
