//! Law 8: every pending order ends, and every payment has one order or one refund.

use flashsale_domain::id::SaleId;
use flashsale_ledger::LedgerConnection;
use serde::Serialize;
use uuid::Uuid;

use super::findings::{Findings, SHOWN, unsigned};

/// How long a provider may take to end a session or to refund before that is a finding: it may be away.
const PATIENCE: &str = "1 hour";

/// The payments of a sale.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentAudit {
    /// Payments, whatever came of them.
    pub payments: u64,
    /// Those whose money is an order's.
    pub paid: u64,
    /// Those that were given back.
    pub refunded: u64,
    /// Sessions that a provider is to end and payments that it is to refund.
    pub unfinished: u64,
    /// Orders that wait for their payment.
    pub pending: u64,
    /// What breaks the law.
    pub findings: Findings,
}

/// Something that breaks the law.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Unsettled {
    /// `orders.id`; none of money that no order is known for.
    pub order: Option<i64>,
    /// Our id of the payment; none of an order alone.
    pub payment: Option<Uuid>,
    /// What is wrong, in words.
    pub what: String,
    /// How many such rows there are.
    total: i64,
}

/// Whether the ledger has payments, which those of earlier releases have not.
async fn has_payments(connection: &mut LedgerConnection) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT to_regclass('payments') IS NOT NULL")
        .fetch_one(connection)
        .await
}

/// What breaks the law in `sale`, up to `limit` rows. Money that no order is known for counts where the sale's
/// provider has it.
///
/// # Errors
/// The ledger cannot be asked.
pub async fn unsettled(
    connection: &mut LedgerConnection,
    sale: &SaleId,
    limit: usize,
) -> Result<Vec<Unsettled>, sqlx::Error> {
    if !has_payments(connection).await? {
        return Ok(Vec::new());
    }
    // A session that nobody heard of is looked for during a day. An order waits for ever where no sale offers
    // its product, which only happens to orders that somebody gave up.
    sqlx::query_as(
        "WITH mine AS (
           SELECT p.id, p.order_id, p.state, p.paid_at, p.changed_at, p.session_ref,
                  lower(o.status) AS status
             FROM payments p LEFT JOIN orders o ON o.id = p.order_id
            WHERE p.sale_id = $1
               OR p.sale_id IS NULL AND p.provider IN (SELECT pay_provider FROM products WHERE sale_id = $1)
         ), wrong AS (
           SELECT order_id, id, 'is its order''s money, and the order is ' || COALESCE(status, 'not there') AS what
             FROM mine WHERE state = 'PAID' AND status IS DISTINCT FROM 'completed'
           UNION ALL
           SELECT order_id, NULL, format('was paid %s times', count(*))
             FROM mine WHERE state = 'PAID' GROUP BY order_id HAVING count(*) > 1
           UNION ALL
           SELECT order_id, id, 'is given back, and its order is completed'
             FROM mine WHERE state IN ('REFUND_DUE', 'REFUNDED') AND paid_at IS NOT NULL AND status = 'completed'
           UNION ALL
           SELECT order_id, id, 'can be paid, and its order is ' || COALESCE(status, 'not there')
             FROM mine WHERE state IN ('OPENING', 'OPEN') AND status IS DISTINCT FROM 'pending'
           UNION ALL
           SELECT order_id, id, CASE state WHEN 'ENDING' THEN 'is to be ended' ELSE 'is to be given back' END
                  || format(' since %s', date_trunc('second', changed_at))
             FROM mine
            WHERE (state = 'REFUND_DUE' OR state = 'ENDING' AND session_ref IS NOT NULL)
              AND changed_at < now() - $2::text::interval
           UNION ALL
           SELECT o.id, NULL, format('waits for its payment since %s, longer than it may',
                                     date_trunc('second', o.created_at))
             FROM orders o JOIN products p ON p.id = o.product_id
            WHERE o.sale_id = $1 AND o.status = 'PENDING' AND p.sale_id IS NOT NULL
              AND p.pay_seconds IS NOT NULL
              AND o.expires_at < now() - make_interval(secs => p.pay_grace_seconds + 60))
         SELECT order_id AS order, id AS payment, what, count(*) OVER () AS total
           FROM wrong ORDER BY order_id, id LIMIT $3",
    )
    .bind(sale.as_str())
    .bind(PATIENCE)
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .fetch_all(connection)
    .await
}

pub(super) async fn audit(
    connection: &mut LedgerConnection,
    sale: &SaleId,
) -> Result<PaymentAudit, sqlx::Error> {
    if !has_payments(connection).await? {
        return Ok(PaymentAudit::default());
    }
    let (payments, paid, refunded, unfinished, pending): (i64, i64, i64, i64, i64) = sqlx::query_as(
        "SELECT count(*), count(*) FILTER (WHERE state = 'PAID'), count(*) FILTER (WHERE state = 'REFUNDED'),
                count(*) FILTER (WHERE state IN ('ENDING', 'REFUND_DUE')),
                (SELECT count(*) FROM orders
                  WHERE sale_id = $1 AND status = 'PENDING' AND expires_at IS NOT NULL)
           FROM payments WHERE sale_id = $1",
    )
    .bind(sale.as_str())
    .fetch_one(&mut *connection)
    .await?;
    let wrong = unsettled(connection, sale, SHOWN).await?;
    let rows = wrong.iter().map(|wrong| {
        let order = wrong.order.map(|order| format!("order {order}"));
        let payment = wrong.payment.map(|payment| format!("payment {payment}"));
        let of: Vec<String> = payment.into_iter().chain(order).collect();
        format!("{} {}", of.join(" of "), wrong.what)
    });
    Ok(PaymentAudit {
        payments: unsigned(payments)?,
        paid: unsigned(paid)?,
        refunded: unsigned(refunded)?,
        unfinished: unsigned(unfinished)?,
        pending: unsigned(pending)?,
        findings: Findings {
            total: unsigned(wrong.first().map_or(0, |wrong| wrong.total))?,
            rows: rows.collect(),
        },
    })
}
