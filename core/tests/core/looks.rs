//! What a control loop reads of many sales at once, on a real PostgreSQL and a real Redis.
#![allow(
    clippy::unwrap_used,
    reason = "tests say by unwrapping what they take for granted"
)]

use std::time::Duration;

use flashsale_core::{
    catalogue::{self, Announced, Unreadable},
    id::SaleId,
    job::Job,
    keys::SaleKeys,
    lease,
    ledger::{Ledger, SaleStock},
    observation,
    sale::Sale,
};
use flashsale_testbed::fixtures::{
    patience::until,
    queue::job,
    sales::{open, sale},
    services::Services,
};
use redis::AsyncCommands;

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
async fn many_records_are_read_at_once_each_in_its_place() {
    let services = Services::start().await;
    let (one, two) = (sale("one", &[("a", 1)]), sale("two", &[("b", 1)]));
    for sale in [&one, &two] {
        open(&services, sale).await;
    }
    let mut queue = services.queue.clone();
    catalogue::close(&mut queue, &two.id).await.unwrap();
    let nobody: SaleId = "nobody".parse().unwrap();
    let broken: SaleId = "broken".parse().unwrap();
    let later: SaleId = "later".parse().unwrap();
    for (id, json) in [(&broken, "{}"), (&later, r#"{"format": 2}"#)] {
        let key = SaleKeys::new(id);
        let () = queue.hset(key.record(), "sale", json).await.unwrap();
    }
    let ids = [&two.id, &nobody, &broken, &later, &one.id];
    let read = catalogue::read_many(&mut queue, &ids).await.unwrap();
    let [
        Ok(Some(second)),
        Ok(None),
        Err(Unreadable::Json(_)),
        Err(Unreadable::Newer(2)),
        Ok(Some(first)),
    ] = read.as_slice()
    else {
        panic!("{read:?}");
    };
    assert_eq!((&first.sale, first.closing), (&one, false));
    assert_eq!((&second.sale, second.closing), (&two, true));
    // The same, whatever is expected.
    let expect = |sale: &Sale, closing: bool| Announced {
        sale: sale.clone(),
        closing,
    };
    let mut another = one.clone();
    another.products[0].price += 1;
    for (first, closing) in [(&one, true), (&another, false)] {
        let expected = [
            expect(&two, closing),
            expect(&sale("nobody", &[]), false),
            expect(&sale("broken", &[]), false),
            expect(&sale("later", &[]), false),
            expect(first, false),
        ];
        let expected: Vec<&Announced> = expected.iter().collect();
        let as_expected = catalogue::read_expected(&mut queue, &expected).await;
        // Its errors cannot be compared.
        assert_eq!(format!("{:?}", as_expected.unwrap()), format!("{read:?}"));
    }
}

/// Adds one job to a lane.
async fn wait_in_line(services: &Services, sale: &Sale, product: usize) {
    let product = &sale.products[product].id;
    let job = serde_json::to_vec(&job(sale, "ann", product, "key")).unwrap();
    let mut queue = services.queue.clone();
    let lane = SaleKeys::new(&sale.id).lane(product);
    let _: String = queue.xadd(lane, "*", &[("job", job)]).await.unwrap();
}

#[tokio::test]
async fn thousands_of_lanes_are_looked_at_each_in_its_place() {
    let services = Services::start().await;
    let ids: Vec<String> = (0..2_500).map(|number| format!("p{number}")).collect();
    let products: Vec<(&str, i32)> = ids.iter().map(|id| (id.as_str(), 5)).collect();
    let (large, small) = (sale("large", &products), sale("small", &[("q", 1)]));
    for lane in [0, 998, 999, 1_000, 2_499] {
        wait_in_line(&services, &large, lane).await;
    }
    wait_in_line(&services, &small, 0).await;
    let mut queue = services.queue.clone();
    for lane in [0, 1] {
        let lease = SaleKeys::new(&large.id).lease(&large.products[lane].id);
        lease::hold(&mut queue, &lease, "a-worker/a-takeover")
            .await
            .unwrap();
    }
    let all = observation::observe(&mut queue, &[&large, &small])
        .await
        .unwrap();
    let busy = observation::observe_busy(&mut queue, &[&large, &small])
        .await
        .unwrap();
    for seen in [&all, &busy] {
        assert_eq!((seen[0].depth(), seen[1].depth()), (5, 1));
        assert_eq!(seen[0].lanes.len(), 2_500);
        for lane in &seen[0].lanes {
            let waits = ["p0", "p998", "p999", "p1000", "p2499"].contains(&lane.product.as_str());
            assert_eq!((lane.depth > 0, lane.oldest_ms.is_some()), (waits, waits));
        }
        assert_eq!(seen[0].lanes[0].driver.as_deref(), Some("a-worker"));
    }
    // Of an empty lane only the longer look tells who drives it.
    assert_eq!(all[0].lanes[1].driver.as_deref(), Some("a-worker"));
    assert_eq!(busy[0].lanes[1].driver, None);
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
