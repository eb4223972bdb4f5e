//! The audit of a sale, where it must tell apart what looks alike.
#![allow(
    clippy::unwrap_used,
    reason = "tests say by unwrapping what they take for granted"
)]

use flashsale_audit::SaleAudit;
use flashsale_domain::{job::Job, sale::Sale};
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
