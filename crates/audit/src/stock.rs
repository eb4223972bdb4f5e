//! Law 1: for every product, `initial stock = stock_quantity + orders not CANCELLED`, stock is
//! never negative, and no shopper has more units than the sale allows one shopper.

use flashsale_domain::id::SaleId;
use flashsale_ledger::{LedgerConnection, ProductBooks, books};
use serde::Serialize;

use super::findings::{Findings, SHOWN, unsigned};

/// The books of the products of a sale.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StockAudit {
    /// One line a product that the sale offers or has orders of, by id.
    pub products: Vec<ProductBooks>,
    /// Units by which the law is broken.
    pub units: u64,
    /// What does not add up.
    pub findings: Findings,
}

/// What does not add up in the books of one product.
fn complaint(books: &ProductBooks) -> Option<String> {
    let ProductBooks {
        product,
        initial,
        left,
        sold,
        ordered,
        returned: _,
    } = books;
    let difference = match books.unexplained() {
        0 if *left < 0 => "the stock is negative".to_owned(),
        0 if sold != ordered => "its row counts them wrong".to_owned(),
        0 => return None,
        over @ 1.. => format!("{over} too many"),
        under => format!("{} gone without an order", -under),
    };
    Some(format!(
        "product {product}: {initial} units ever on offer, {left} left, {ordered} ordered \
         ({sold} sold by its row): {difference}"
    ))
}

/// Units by which the books of one product break the law.
fn units(books: &ProductBooks) -> u64 {
    let miscounted = books.sold.abs_diff(books.ordered);
    let negative = books.left.min(0).unsigned_abs();
    books
        .unexplained()
        .unsigned_abs()
        .max(miscounted)
        .max(negative)
}

impl StockAudit {
    /// The sum of a figure over all products.
    pub fn total(&self, figure: impl Fn(&ProductBooks) -> i64) -> i64 {
        self.products.iter().map(figure).sum()
    }
}

pub(super) async fn audit(
    connection: &mut LedgerConnection,
    sale: &SaleId,
) -> Result<StockAudit, sqlx::Error> {
    let products = books(&mut *connection, sale).await?;
    let mut findings = Findings::default();
    let mut units = 0;
    for product in &products {
        if let Some(complaint) = complaint(product) {
            units += self::units(product);
            findings.add(|| complaint);
        }
    }
    let (excess, beyond_limit) = beyond_limit(connection, sale).await?;
    findings.extend(beyond_limit);
    Ok(StockAudit {
        products,
        units: units + excess,
        findings,
    })
}

/// Units beyond shoppers' limits, and whose they are.
async fn beyond_limit(
    connection: &mut LedgerConnection,
    sale: &SaleId,
) -> Result<(u64, Findings), sqlx::Error> {
    let rows: Vec<(String, String, i64, i32, i64, i64)> = sqlx::query_as(
        "SELECT user_id, product_id, units, max_per_user,
                count(*) OVER (), (sum(units - max_per_user) OVER ())::bigint
           FROM (SELECT o.user_id, o.product_id, count(*) AS units, p.max_per_user
                   FROM orders o JOIN products p ON p.id = o.product_id AND p.sale_id = o.sale_id
                                   AND p.incarnation = o.incarnation
                  WHERE o.sale_id = $1 AND p.max_per_user IS NOT NULL
                    AND o.status IS DISTINCT FROM 'CANCELLED'
                  GROUP BY o.user_id, o.product_id, p.max_per_user
                 HAVING count(*) > p.max_per_user) AS beyond
          ORDER BY units DESC, user_id LIMIT $2",
    )
    .bind(sale.as_str())
    .bind(i64::try_from(SHOWN).unwrap_or(i64::MAX))
    .fetch_all(connection)
    .await?;
    let Some((_, _, _, _, total, excess)) = rows.first() else {
        return Ok((0, Findings::default()));
    };
    let (total, excess) = (unsigned(*total)?, unsigned(*excess)?);
    let rows = rows.iter().map(|(user, product, units, limit, _, _)| {
        format!(
            "shopper {user} has {units} units of {product}, allowed are {limit} (was maxPerUser \
             lowered while the sale ran?)"
        )
    });
    let findings = Findings {
        total,
        rows: rows.collect(),
    };
    Ok((excess, findings))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn books(initial: i64, left: i64, sold: i64, ordered: i64) -> ProductBooks {
        ProductBooks {
            product: "p".to_owned(),
            initial,
            left,
            sold,
            ordered,
            returned: 7,
        }
    }

    #[test]
    fn books_that_add_up_are_no_complaint() {
        assert_eq!(complaint(&books(500, 20, 480, 480)), None);
        assert_eq!(complaint(&books(0, 0, 0, 0)), None);
    }

    #[test]
    fn each_way_of_not_adding_up_is_told_with_its_units() {
        for (books, units, words) in [
            (books(500, 20, 480, 481), 1, "1 too many"),
            (books(500, 20, 480, 477), 3, "3 gone without an order"),
            (books(500, -2, 502, 502), 2, "negative"),
            (books(500, 20, 470, 480), 10, "counts them wrong"),
        ] {
            let complaint = super::complaint(&books).unwrap();
            assert!(complaint.contains(words), "{complaint}");
            assert_eq!(super::units(&books), units, "{complaint}");
        }
    }
}
