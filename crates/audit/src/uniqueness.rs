//! Law 3: one Idempotency-Key of one shopper, and one job, make at most one order, and every
//! order is of a product that exists.

use flashsale_domain::id::SaleId;
use flashsale_ledger::LedgerConnection;
use serde::Serialize;

use super::findings::{Findings, SHOWN, unsigned};

/// The orders of a sale, counted against each other.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UniquenessAudit {
    /// Orders of the sale, cancelled ones included.
    pub orders: u64,
    /// Orders of the sale that are cancelled.
    pub cancelled: u64,
    /// Orders beyond the first of their key, beyond the first of their job, or of a product
    /// that does not exist.
    pub surplus: u64,
    /// Which keys, jobs and orders.
    pub findings: Findings,
}

/// A question for offending rows: up to [`SHOWN`] of them in words, each with the number of all
/// and the number of orders too many in all.
type Answer = Vec<(String, i64, i64)>;

pub(super) async fn audit(
    connection: &mut LedgerConnection,
    sale: &SaleId,
) -> Result<UniquenessAudit, sqlx::Error> {
    let (orders, cancelled): (i64, i64) = sqlx::query_as(
        "SELECT count(*), count(*) FILTER (WHERE status = 'CANCELLED')
           FROM orders WHERE sale_id = $1",
    )
    .bind(sale.as_str())
    .fetch_one(&mut *connection)
    .await?;
    let mut audit = UniquenessAudit {
        orders: unsigned(orders)?,
        cancelled: unsigned(cancelled)?,
        ..UniquenessAudit::default()
    };
    for question in [REPEATED_KEYS, REPEATED_JOBS, UNKNOWN_PRODUCTS] {
        let answer: Answer = sqlx::query_as(question)
            .bind(sale.as_str())
            .bind(i64::try_from(SHOWN).unwrap_or(i64::MAX))
            .fetch_all(&mut *connection)
            .await?;
        audit.take(answer)?;
    }
    Ok(audit)
}

impl UniquenessAudit {
    fn take(&mut self, answer: Answer) -> Result<(), sqlx::Error> {
        let Some((_, total, surplus)) = answer.first() else {
            return Ok(());
        };
        self.surplus += unsigned(*surplus)?;
        self.findings.extend(Findings {
            total: unsigned(*total)?,
            rows: answer.into_iter().map(|(row, _, _)| row).collect(),
        });
        Ok(())
    }
}

// A name can be given to one sale after another; each counts its keys anew.
const REPEATED_KEYS: &str = "\
    SELECT format('key %s of shopper %s made %s orders: %s', idempotency_key, user_id, times, ids),
           count(*) OVER (), (sum(times - 1) OVER ())::bigint
      FROM (SELECT user_id, idempotency_key, count(*) AS times,
                   string_agg(id::text, ', ' ORDER BY id) AS ids
              FROM orders WHERE sale_id = $1
             GROUP BY user_id, idempotency_key, incarnation HAVING count(*) > 1) AS repeated
     ORDER BY times DESC, user_id LIMIT $2";

// A job is one buy of one sale, so a job with orders in two sales is found from either.
const REPEATED_JOBS: &str = "\
    SELECT format('job %s made %s orders: %s', job_id, times, ids),
           count(*) OVER (), (sum(times - 1) OVER ())::bigint
      FROM (SELECT job_id, count(*) AS times, string_agg(id::text, ', ' ORDER BY id) AS ids
              FROM orders
             GROUP BY job_id HAVING count(*) > 1 AND bool_or(sale_id = $1)) AS repeated
     ORDER BY times DESC, job_id LIMIT $2";

const UNKNOWN_PRODUCTS: &str = "\
    SELECT format('order %s is of product %s, which does not exist', o.id, o.product_id),
           count(*) OVER (), count(*) OVER ()
      FROM orders o
     WHERE o.sale_id = $1 AND NOT EXISTS (SELECT FROM products p WHERE p.id = o.product_id)
     ORDER BY o.id LIMIT $2";
