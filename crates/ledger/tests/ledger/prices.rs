//! An order has the price that its shopper saw, whatever is edited while the job waits.

use flashsale_domain::{job::Job, sale::Sale};
use flashsale_ledger::{Fault, Ledger, LedgerError};
use flashsale_testbed::fixtures::{
    queue::job,
    sales::{open, sale},
    services::Services,
};

use super::{letters, run, settle};

fn job_at(sale: &Sale, user: &str, key: &str, price: Option<i64>) -> Job {
    let mut job = job(sale, user, &sale.products[0].id, key);
    job.data.price = price;
    job
}

/// Shoppers with orders, and what they pay.
async fn orders(ledger: &Ledger) -> Vec<(String, i64)> {
    sqlx::query_as("SELECT user_id, price::bigint FROM orders ORDER BY user_id")
        .fetch_all(ledger.pool())
        .await
        .unwrap()
}

fn pays(user: &str, price: i64) -> (String, i64) {
    (user.to_owned(), price)
}

#[tokio::test]
async fn an_edit_changes_no_price_that_was_seen() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 3)]);
    open(&services, &sale).await;
    let jobs = [
        job_at(&sale, "ann", "k", Some(1000)),
        job_at(&sale, "bob", "k", None),
        job_at(&sale, "cid", "k", Some(0)),
    ];
    run(&services, "UPDATE products SET price = 9900").await;
    settle(&services.ledger, &sale, &jobs).await;
    assert_eq!(
        orders(&services.ledger).await,
        [pays("ann", 1000), pays("bob", 9900), pays("cid", 0)]
    );
}

#[tokio::test]
async fn prices_stay_with_their_jobs_where_others_of_the_batch_get_nothing() {
    let services = Services::start().await;
    let mut sale = sale("drop", &[("p", 3)]);
    sale.products[0].max_per_user = Some(1);
    open(&services, &sale).await;
    let jobs = [
        job_at(&sale, "ann", "1", Some(1000)),
        job_at(&sale, "ann", "2", Some(2000)),
        job_at(&sale, "bob", "1", Some(3000)),
        job_at(&sale, "ann", "1", Some(4000)),
        job_at(&sale, "cid", "1", Some(5000)),
    ];
    let settlement = settle(&services.ledger, &sale, &jobs).await;
    assert_eq!(letters(&settlement), "clcrc");
    assert_eq!(
        orders(&services.ledger).await,
        [pays("ann", 1000), pays("bob", 3000), pays("cid", 5000)]
    );
}

#[tokio::test]
async fn prices_above_32_bits_wait_for_wide_columns_and_are_settled_then() {
    const YACHT: i64 = 450_000_000_000;
    let services = Services::start().await;
    let mut sale = sale("drop", &[("p", 3)]);
    open(&services, &sale).await;
    settle(
        &services.ledger,
        &sale,
        &[job_at(&sale, "ann", "k", Some(1))],
    )
    .await;
    sale.products[0].price = YACHT;
    let error = services.ledger.declare(&sale).await.unwrap_err();
    assert!(
        matches!(error, LedgerError::PriceTooHigh { price: YACHT, .. }),
        "{error}"
    );
    assert!(error.to_string().contains("--widen-orders"), "{error}");

    services.ledger.widen_orders().await.unwrap();
    services.ledger.declare(&sale).await.unwrap();
    let jobs = [
        job_at(&sale, "bob", "k", None),
        job_at(&sale, "cid", "k", Some(YACHT + 1)),
    ];
    settle(&services.ledger, &sale, &jobs).await;
    assert_eq!(
        orders(&services.ledger).await,
        [pays("ann", 1), pays("bob", YACHT), pays("cid", YACHT + 1)]
    );
}

/// Somebody else's job may ask for more than the column holds: its batch goes on without it.
#[tokio::test]
async fn a_price_that_the_column_cannot_hold_is_the_fault_of_its_job() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 3)]);
    open(&services, &sale).await;
    let (ledger, p) = (&services.ledger, &sale.products[0].id);
    let job = job_at(&sale, "ann", "k", Some(i64::MAX));
    let error = ledger.settle_alone(&sale.id, p, &[&job]).await.unwrap_err();
    assert_eq!(error.fault(), Fault::Row, "{error}");
}
