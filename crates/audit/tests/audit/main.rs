//! The audit of a sale, where it must tell apart what looks alike.
#![allow(
    clippy::unwrap_used,
    reason = "tests say by unwrapping what they take for granted"
)]

use flashsale_audit::SaleAudit;
use flashsale_domain::{
    job::Job,
    sale::{LatePolicy, PaymentWindow, Sale},
};
use flashsale_queue::keys::{SALES, SaleKeys};
use flashsale_testbed::fixtures::{
    queue::job,
    sales::{open, sale},
    services::Services,
};
use redis::AsyncCommands;

async fn audited(services: &Services, sale: &Sale) -> SaleAudit {
    let mut queue = services.queue.clone();
    flashsale_audit::audit(&services.ledger, &mut queue, &sale.id)
        .await
        .unwrap()
}

async fn settle(services: &Services, sale: &Sale, product: usize, job: &Job) -> i64 {
    let product = &sale.products[product].id;
    let settled = services
        .ledger
        .settle_alone(&sale.id, product, &[job])
        .await;
    assert_eq!(settled.unwrap().confirmed, 1);
    let order = services.ledger.order_of_job(job.job_id).await.unwrap();
    order.unwrap().id
}

#[tokio::test]
async fn a_cancelled_order_does_not_count_against_the_limit_of_a_shopper() {
    let services = Services::start().await;
    let mut sale = sale("drop", &[("p", 9)]);
    sale.products[0].max_per_user = Some(1);
    open(&services, &sale).await;
    let p = &sale.products[0].id;
    for key in ["returned", "kept"] {
        settle(&services, &sale, 0, &job(&sale, "ann", p, key)).await;
        if key == "returned" {
            sqlx::query("UPDATE orders SET status = 'CANCELLED'")
                .execute(services.ledger.pool())
                .await
                .unwrap();
        }
    }
    let audit = audited(&services, &sale).await;
    assert_eq!(audit.oversold(), 0, "{:?}", audit.stock.findings);
}

/// Each of these orders is the shopper's own.
#[tokio::test]
async fn a_confirmation_with_an_order_of_another_product_or_sale_is_lost() {
    let services = Services::start().await;
    let (drop, other) = (
        sale("drop", &[("p", 9), ("q", 9)]),
        sale("other", &[("r", 9)]),
    );
    open(&services, &drop).await;
    open(&services, &other).await;
    let (p, q, r) = (
        &drop.products[0].id,
        &drop.products[1].id,
        &other.products[0].id,
    );
    let told = job(&drop, "ann", p, "k");
    let own = settle(&services, &drop, 0, &told).await;
    let of_q = settle(&services, &drop, 1, &job(&drop, "ann", q, "l")).await;
    let of_r = settle(&services, &other, 0, &job(&other, "ann", r, "k")).await;
    let mut queue = services.queue.clone();
    let jobs = SaleKeys::new(&drop.id).jobs();
    for (record, lost) in [
        (format!("c {own} p ann"), 0),
        (format!("c {of_q} p ann"), 1),
        (format!("c {of_r} r ann"), 1),
    ] {
        let _: u32 = queue.unlink(&jobs).await.unwrap();
        let _: u32 = queue
            .hset(&jobs, told.job_id.to_string(), &record)
            .await
            .unwrap();
        let audit = audited(&services, &drop).await;
        assert_eq!(audit.lost(), lost, "{record}: {:?}", audit.outcomes.lost);
    }
}

/// Left out without a word, it would be taken for audited.
#[tokio::test]
async fn a_sale_that_cannot_be_audited_for_its_name_is_told() {
    let services = Services::start().await;
    let mut queue = services.queue.clone();
    open(&services, &sale("drop", &[("p", 9)])).await;
    let known = flashsale_audit::sales(&services.ledger, &mut queue).await;
    assert_eq!(known.unwrap().sales.len(), 1);
    let _: u64 = queue.sadd(SALES, "no name").await.unwrap();
    let known = flashsale_audit::sales(&services.ledger, &mut queue).await;
    let known = known.unwrap();
    assert_eq!(
        (known.sales.len(), known.invalid),
        (1, vec!["no name".to_owned()])
    );
}

/// A sale whose orders are paid at a provider, with one of Ann's that waits.
async fn with_pending_order(services: &Services) -> Sale {
    let sale = Sale {
        payment: Some(PaymentWindow {
            window_seconds: 600,
            grace_seconds: 30,
            provider: Some("till".to_owned()),
            on_late: LatePolicy::Reacquire,
        }),
        ..sale("drop", &[("p", 9)])
    };
    open(services, &sale).await;
    let p = &sale.products[0].id;
    settle(services, &sale, 0, &job(&sale, "ann", p, "k")).await;
    sale
}

/// As if somebody had written them by hand: a payment of Ann's order in this state.
async fn write(services: &Services, state: &str, more: &str) {
    let statement = format!(
        "INSERT INTO payments (id, order_id, product_id, sale_id, user_id, provider, session_ref, amount, currency,
                               state, next_try)
           SELECT gen_random_uuid(), id, product_id, sale_id, user_id, 'till', 'cs_1', price, 'USD', '{state}',
                  CASE WHEN '{state}' IN ('ENDING', 'REFUND_DUE') THEN now() END
             FROM orders; {more}"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement))
        .execute(services.ledger.pool())
        .await
        .unwrap();
}

#[tokio::test]
async fn payments_on_their_way_are_no_finding() {
    let services = Services::start().await;
    let sale = with_pending_order(&services).await;
    let clear = "DELETE FROM payments";
    for (state, more) in [
        (
            "OPEN",
            "UPDATE orders SET expires_at = now() - interval '80 seconds'",
        ),
        (
            "ENDING",
            "UPDATE payments SET changed_at = now() - interval '59 minutes'",
        ),
        // A session that nobody heard of is looked for during a day.
        (
            "ENDING",
            "UPDATE payments SET session_ref = NULL, changed_at = now() - interval '9 hours'",
        ),
        (
            "ENDED",
            "UPDATE payments SET changed_at = now() - interval '9 days'",
        ),
        ("REFUND_DUE", "UPDATE orders SET status = 'COMPLETED'"),
        ("PAID", "SELECT 1"),
    ] {
        write(&services, state, more).await;
        let audit = audited(&services, &sale).await;
        assert!(
            audit.payments.findings.is_empty(),
            "{state}, {more}: {:?}",
            audit.payments
        );
        assert_eq!(audit.payments.payments, 1);
        assert!(audit.holds(), "{audit:?}");
        sqlx::raw_sql(clear)
            .execute(services.ledger.pool())
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn orders_that_do_not_end_and_payments_without_one_order_or_one_refund_are_unsettled() {
    let no_trigger = "ALTER TABLE orders DISABLE TRIGGER orders_end_payments";
    for (state, more, words) in [
        ("PAID", "SELECT 1", "is its order's money, and the order is pending"),
        (
            "PAID",
            "UPDATE orders SET status = 'CANCELLED'",
            "is its order's money, and the order is cancelled",
        ),
        ("PAID", "UPDATE payments SET order_id = 99", "and the order is not there"),
        (
            "PAID",
            "UPDATE orders SET status = 'COMPLETED'; DROP INDEX payments_one_paid;
             INSERT INTO payments (id, order_id, sale_id, provider, amount, currency, state)
               SELECT gen_random_uuid(), order_id, sale_id, provider, amount, currency, state FROM payments",
            "was paid 2 times",
        ),
        (
            "REFUNDED",
            "UPDATE orders SET status = 'COMPLETED'; UPDATE payments SET paid_at = now()",
            "is given back, and its order is completed",
        ),
        (
            "OPEN",
            "UPDATE orders SET status = 'CANCELLED'",
            "can be paid, and its order is cancelled",
        ),
        (
            "ENDING",
            "UPDATE payments SET changed_at = now() - interval '61 minutes'",
            "is to be ended since",
        ),
        (
            "REFUND_DUE",
            "UPDATE payments SET changed_at = now() - interval '61 minutes', order_id = NULL, sale_id = NULL",
            "is to be given back since",
        ),
        (
            "ENDED",
            "UPDATE orders SET expires_at = now() - interval '91 seconds'",
            "waits for its payment since",
        ),
    ] {
        let services = Services::start().await;
        let sale = with_pending_order(&services).await;
        write(&services, state, no_trigger).await;
        sqlx::raw_sql(more).execute(services.ledger.pool()).await.unwrap();
        let audit = audited(&services, &sale).await;
        assert_eq!(audit.unsettled(), 1, "{words}: {:?}", audit.payments);
        assert!(audit.payments.findings.rows[0].contains(words), "{:?}", audit.payments);
        assert!(!audit.holds());
    }
}
