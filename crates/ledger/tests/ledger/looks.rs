//! What a control loop reads of many sales at once in PostgreSQL.
#![allow(
    clippy::unwrap_used,
    reason = "tests say by unwrapping what they take for granted"
)]

use std::time::Duration;

use flashsale_domain::{id::SaleId, job::Job, sale::Sale};
use flashsale_ledger::{Ledger, SaleStock};
use flashsale_testbed::fixtures::{patience::until, queue::job, sales::sale, services::Services};

async fn sell(ledger: &Ledger, sale: &Sale, units: usize) {
    let product = &sale.products[0].id;
    let jobs: Vec<Job> = (0..units)
        .map(|user| job(sale, &format!("u{user}"), product, sale.id.as_str()))
        .collect();
    let jobs: Vec<&Job> = jobs.iter().collect();
    ledger.settle_alone(&sale.id, product, &jobs).await.unwrap();
}

async fn run(ledger: &Ledger, statement: &'static str) {
    sqlx::query(statement).execute(ledger.pool()).await.unwrap();
}

async fn stock_of(ledger: &Ledger, sale: &Sale) -> SaleStock {
    let mut stocks = ledger.stocks(std::slice::from_ref(&sale.id)).await.unwrap();
    stocks.remove(&sale.id).unwrap()
}

#[tokio::test]
async fn one_question_tells_the_stock_of_many_sales() {
    let services = Services::start().await;
    let ledger = &services.ledger;
    let (one, two) = (sale("one", &[("a", 5), ("b", 7)]), sale("two", &[("c", 9)]));
    for sale in [&one, &two] {
        ledger.declare(sale).await.unwrap();
    }
    sell(ledger, &one, 3).await;
    let nobody: SaleId = "nobody".parse().unwrap();
    let asked = [one.id.clone(), two.id.clone(), nobody.clone()];
    let stocks = ledger.stocks(&asked).await.unwrap();
    let figures = |sale: &SaleId| (stocks[sale].remaining(), stocks[sale].sold);
    assert_eq!(figures(&one.id), (9, 3));
    assert_eq!(figures(&two.id), (9, 0));
    assert_eq!(stocks[&nobody], SaleStock::default());
    assert_eq!(stocks.len(), asked.len());
    let mut alone = ledger.stock(&one.id).await.unwrap();
    let mut together = stocks[&one.id].levels.clone();
    for levels in [&mut alone, &mut together] {
        levels.sort_by(|left, right| left.product.cmp(&right.product));
    }
    assert_eq!(alone, together);
}

#[tokio::test]
async fn what_an_earlier_sale_sold_is_not_counted_again() {
    let services = Services::start().await;
    let ledger = &services.ledger;
    let (first, second) = (sale("first", &[("p", 5)]), sale("second", &[("p", 8)]));
    ledger.declare(&first).await.unwrap();
    sell(ledger, &first, 4).await;
    ledger.declare(&first).await.unwrap();
    assert_eq!(stock_of(ledger, &first).await.sold, 4);
    ledger.release(&first.id).await.unwrap();
    ledger.declare(&second).await.unwrap();
    assert_eq!(stock_of(ledger, &second).await.sold, 0);
    sell(ledger, &second, 2).await;
    let stock = stock_of(ledger, &second).await;
    assert_eq!((stock.sold, stock.remaining()), (2, 6));
    run(
        ledger,
        "UPDATE orders SET status = 'CANCELLED' WHERE sale_id = 'second'",
    )
    .await;
    assert_eq!(stock_of(ledger, &second).await.sold, 0);
    assert_eq!(ledger.oversold(&second.id).await.unwrap(), 0);
}

#[tokio::test]
async fn units_sold_beyond_what_there_was_are_seen() {
    let services = Services::start().await;
    let ledger = &services.ledger;
    let drop = sale("drop", &[("p", 3), ("q", 3)]);
    ledger.declare(&drop).await.unwrap();
    sell(ledger, &drop, 3).await;
    assert_eq!(ledger.oversold(&drop.id).await.unwrap(), 0);
    // What the constraint refuses: units that nobody put on offer.
    run(
        ledger,
        "ALTER TABLE products DROP CONSTRAINT products_stock_adds_up",
    )
    .await;
    run(
        ledger,
        "UPDATE products SET stock_quantity = 2 WHERE id = 'p'",
    )
    .await;
    assert_eq!(ledger.oversold(&drop.id).await.unwrap(), 2);
    run(
        ledger,
        "UPDATE products SET stock_quantity = 0 WHERE id = 'p'",
    )
    .await;
    assert_eq!(ledger.oversold(&drop.id).await.unwrap(), 0);
    // And orders that took none.
    run(
        ledger,
        "INSERT INTO orders (user_id, product_id, status, sale_id, job_id, idempotency_key, price)
         VALUES ('thief', 'p', 'COMPLETED', 'drop', gen_random_uuid(), 'k', 1)",
    )
    .await;
    assert_eq!(ledger.oversold(&drop.id).await.unwrap(), 1);
}

#[tokio::test]
async fn the_orders_of_a_sale_are_counted_without_reading_those_of_others() {
    let services = Services::start().await;
    let ledger = &services.ledger;
    let drop = sale("drop", &[("p", 5), ("q", 5)]);
    ledger.declare(&drop).await.unwrap();
    sell(ledger, &drop, 3).await;
    run(
        ledger,
        "INSERT INTO products (id, name, price, stock_quantity) VALUES ('other', 'O', 1, 0)",
    )
    .await;
    run(
        ledger,
        "INSERT INTO orders (user_id, product_id, status, sale_id, job_id, idempotency_key, price)
         SELECT 'u' || n, 'other', 'COMPLETED', 'another', gen_random_uuid(), 'k', 1
           FROM generate_series(1, 50000) AS n",
    )
    .await;
    run(ledger, "ANALYZE orders").await;
    // PostgreSQL counts the uses of an index now and then.
    until("the index is used", Duration::from_secs(30), async || {
        assert_eq!(ledger.oversold(&drop.id).await.unwrap(), 0);
        let scans: i64 = sqlx::query_scalar(
            "SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = 'orders_by_product'",
        )
        .fetch_one(ledger.pool())
        .await
        .unwrap();
        scans > 0
    })
    .await;
    let rows_read: i64 =
        sqlx::query_scalar("SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 'orders'")
            .fetch_one(ledger.pool())
            .await
            .unwrap();
    assert!(rows_read < 50_000, "{rows_read}");
}
