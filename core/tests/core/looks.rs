//! What a control loop reads of many sales at once, on a real PostgreSQL and a real Redis.
#![allow(
    clippy::unwrap_used,
    reason = "tests say by unwrapping what they take for granted"
)]

use flashsale_core::{
    catalogue::{self, Unreadable},
    id::SaleId,
    job::Job,
    keys::SaleKeys,
    ledger::{Ledger, SaleStock},
    sale::Sale,
};
use flashsale_testbed::fixtures::{
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
}
