//! One sale after another under one name, and products that go from sale to sale.

use flashsale_domain::{job::Job, sale::Sale};
use flashsale_ledger::{Fault, Ledger};
use flashsale_testbed::fixtures::{queue::job, sales::sale, services::Services};

use super::{assert_law_1, jobs, letters, order_ids, run, settle};

async fn incarnations(ledger: &Ledger) -> Vec<(String, Option<String>, i32)> {
    sqlx::query_as("SELECT id, sale_id, incarnation FROM products ORDER BY id")
        .fetch_all(ledger.pool())
        .await
        .unwrap()
}

async fn incarnation(ledger: &Ledger) -> i32 {
    incarnations(ledger).await[0].2
}

fn limited(stock: i32) -> Sale {
    let mut sale = sale("drop", &[("p", stock)]);
    sale.products[0].max_per_user = Some(1);
    sale
}

#[tokio::test]
async fn the_next_sale_of_a_name_has_limits_and_keys_of_its_own() {
    let services = Services::start().await;
    let (ledger, sale) = (&services.ledger, limited(5));
    ledger.declare(&sale).await.unwrap();
    let p = &sale.products[0].id;
    let first = [job(&sale, "anna", p, "k"), job(&sale, "anna", p, "k2")];
    let told = settle(ledger, &sale, &first).await;
    assert_eq!(letters(&told), "cl");
    ledger.release(&sale.id).await.unwrap();
    ledger.release(&sale.id).await.unwrap();
    ledger.declare(&sale).await.unwrap();
    assert_eq!(incarnation(ledger).await, 2);

    let again = [
        job(&sale, "anna", p, "k"),
        job(&sale, "anna", p, "k"),
        job(&sale, "anna", p, "k2"),
    ];
    let retold = settle(ledger, &sale, &again).await;
    assert_eq!(letters(&retold), "crl", "the same key, now of another sale");
    assert_ne!(order_ids(&retold)[0], order_ids(&told)[0]);
    assert_law_1(ledger).await;
}

#[tokio::test]
async fn a_sale_that_goes_on_stays_the_same_whatever_is_declared() {
    let services = Services::start().await;
    let ledger = &services.ledger;
    let both = sale("drop", &[("p", 5), ("q", 5)]);
    let one = sale("drop", &[("q", 5)]);
    ledger.declare(&both).await.unwrap();
    let p = &both.products[0].id;
    settle(ledger, &both, &[job(&both, "anna", p, "k")]).await;
    ledger.declare(&one).await.unwrap();
    ledger
        .release_products(&one.id, std::slice::from_ref(p))
        .await
        .unwrap();
    ledger.declare(&both).await.unwrap();
    let drop = Some("drop".to_owned());
    assert_eq!(
        incarnations(ledger).await,
        [("p".to_owned(), drop.clone(), 1), ("q".to_owned(), drop, 1)]
    );
    let repeated = settle(ledger, &both, &[job(&both, "anna", p, "k")]).await;
    assert_eq!(letters(&repeated), "r");
    ledger.release(&both.id).await.unwrap();
    ledger.declare(&both).await.unwrap();
    let numbers: Vec<i32> = incarnations(ledger).await.iter().map(|row| row.2).collect();
    assert_eq!(numbers, [2, 2], "one end, however many products");
}

#[tokio::test]
async fn a_driver_of_the_sale_before_can_settle_nothing_of_the_next() {
    let services = Services::start().await;
    let (ledger, sale) = (&services.ledger, limited(5));
    let p = &sale.products[0].id;
    ledger.declare(&sale).await.unwrap();
    let paused = ledger.take_over(&sale.id, p).await.unwrap();
    ledger.release(&sale.id).await.unwrap();
    ledger.declare(&sale).await.unwrap();
    let late = job(&sale, "anna", p, "k");
    let error = ledger
        .settle(&sale.id, p, &paused.next(0..=9), &[&late])
        .await
        .unwrap_err();
    assert_eq!(error.fault(), Fault::Fenced);
}

#[tokio::test]
async fn rejections_end_with_their_sale_and_not_with_one_of_its_products() {
    let services = Services::start().await;
    let ledger = &services.ledger;
    let (both, one) = (
        sale("drop", &[("p", 0), ("q", 5)]),
        sale("drop", &[("q", 5)]),
    );
    let kept = async || -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM rejections")
            .fetch_one(ledger.pool())
            .await
            .unwrap()
    };
    ledger.declare(&both).await.unwrap();
    settle(ledger, &both, &jobs(&both, "u", 3)).await;
    assert_eq!(kept().await, 1, "one row for a batch");
    ledger.declare(&one).await.unwrap();
    let p = both.products[0].id.clone();
    ledger.release_products(&one.id, &[p]).await.unwrap();
    assert_eq!(kept().await, 1);
    ledger.release(&one.id).await.unwrap();
    assert_eq!(kept().await, 0);
}

#[tokio::test]
async fn an_order_cancelled_after_its_sale_gives_no_unit_to_the_next() {
    let services = Services::start().await;
    let ledger = &services.ledger;
    let (first, mut next) = (sale("drop", &[("p", 5)]), sale("drop", &[("p", 5)]));
    ledger.declare(&first).await.unwrap();
    settle(ledger, &first, &jobs(&first, "u", 4)).await;
    run(
        &services,
        "UPDATE orders SET status = 'CANCELLED' WHERE user_id = 'u0'",
    )
    .await;
    assert_eq!(ledger.stock(&first.id).await.unwrap()[0].stock, 2);
    ledger.release(&first.id).await.unwrap();
    // Between two sales, in the next of the same name, and in one of another name.
    run(
        &services,
        "UPDATE orders SET status = 'CANCELLED' WHERE user_id = 'u1'",
    )
    .await;
    ledger.declare(&next).await.unwrap();
    settle(ledger, &next, &jobs(&next, "v", 3)).await;
    run(
        &services,
        "UPDATE orders SET status = 'CANCELLED' WHERE user_id = 'u2'",
    )
    .await;
    let stock = ledger.stocks(std::slice::from_ref(&next.id)).await.unwrap();
    assert_eq!((stock[&next.id].remaining(), stock[&next.id].sold), (2, 3));
    ledger.release(&next.id).await.unwrap();
    next.id = "other".parse().unwrap();
    ledger.declare(&next).await.unwrap();
    run(
        &services,
        "UPDATE orders SET status = 'CANCELLED' WHERE user_id = 'u3'",
    )
    .await;
    let stock = ledger.stocks(std::slice::from_ref(&next.id)).await.unwrap();
    assert_eq!((stock[&next.id].remaining(), stock[&next.id].sold), (5, 0));
    let returned: i32 = sqlx::query_scalar("SELECT returned FROM products")
        .fetch_one(ledger.pool())
        .await
        .unwrap();
    assert_eq!(returned, 3, "for whoever decides what becomes of the units");
    assert_law_1(ledger).await;
}

#[tokio::test]
async fn cancelled_orders_give_the_limit_back_and_those_without_a_status_do_not() {
    let services = Services::start().await;
    let (ledger, sale) = (&services.ledger, limited(9));
    ledger.declare(&sale).await.unwrap();
    let p = &sale.products[0].id;
    let buy = async |key: &str| {
        let job: Job = job(&sale, "anna", p, key);
        letters(&settle(ledger, &sale, &[job]).await)
    };
    assert_eq!(buy("k1").await, "c");
    assert_eq!(buy("k2").await, "l");
    run(&services, "UPDATE orders SET status = 'CANCELLED'").await;
    assert_eq!(buy("k3").await, "c");
    run(
        &services,
        "ALTER TABLE orders DROP CONSTRAINT orders_status_given;
         UPDATE orders SET status = NULL WHERE status = 'COMPLETED'",
    )
    .await;
    assert_eq!(buy("k4").await, "l");
    assert_law_1(ledger).await;
}

/// A plan made when there were few orders, and kept, must not read all of them later.
#[tokio::test]
async fn counting_what_a_shopper_has_never_reads_the_orders_of_others() {
    let services = Services::start().await;
    let (ledger, sale) = (&services.ledger, limited(100_000));
    ledger.declare(&sale).await.unwrap();
    settle(ledger, &sale, &jobs(&sale, "few", 2)).await;
    run(
        &services,
        "ANALYZE orders; ALTER TABLE orders SET (autovacuum_enabled = false)",
    )
    .await;
    // One session, so that its plans are those that were made for two orders.
    let mut session = ledger.pool().acquire().await.unwrap();
    for number in 0..10 {
        sqlx::query(
            "SELECT * FROM settle_batch('drop', 'p', ARRAY(SELECT gen_random_uuid() FROM
               generate_series(1, 500)), ARRAY(SELECT $1 || n::text FROM generate_series(1, 500) n),
               array_fill('k'::text, ARRAY[500]))",
        )
        .bind(format!("u{number}-"))
        .execute(&mut *session)
        .await
        .unwrap();
    }
    let before: i64 = tuples_read(&mut session).await;
    sqlx::query(
        "SELECT * FROM settle_batch('drop', 'p', ARRAY[gen_random_uuid()], ARRAY['last'], ARRAY['k'])",
    )
    .execute(&mut *session)
    .await
    .unwrap();
    let read = tuples_read(&mut session).await - before;
    assert!(
        read < 20,
        "{read} index entries and rows were read for one job"
    );
}

/// Rows and index entries of orders that were read.
async fn tuples_read(session: &mut sqlx::PgConnection) -> i64 {
    sqlx::raw_sql("SELECT pg_stat_force_next_flush()")
        .execute(&mut *session)
        .await
        .unwrap();
    sqlx::query_scalar(
        "SELECT (t.seq_tup_read + (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes i
                                    WHERE i.relid = t.relid))::bigint
           FROM pg_stat_user_tables t WHERE t.relname = 'orders'",
    )
    .fetch_one(session)
    .await
    .unwrap()
}
