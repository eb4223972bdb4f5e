use flashsale_domain::outcome::JobRecord;
use redis::AsyncCommands as _;
use serde_json::json;

use crate::market::{Market, SALE};

async fn sql(market: &Market, statements: &'static str) {
    sqlx::raw_sql(statements)
        .execute(market.ledger.pool())
        .await
        .unwrap();
}

/// As after a failover to a replica that had seen the first of `p`'s orders alone: the others are
/// gone, their units are back, and the sequence has not moved.
const LOSE_ALL_BUT_ONE: &str = "\
    DELETE FROM orders WHERE id > 1;
    UPDATE products SET stock_quantity = stock_quantity + sold - 1, sold = 1 WHERE id = 'p';
    SELECT setval('orders_id_seq', 1);";

/// Number and shopper of each order.
async fn orders(market: &Market) -> Vec<(i64, String)> {
    sqlx::query_as("SELECT id::bigint, user_id FROM orders ORDER BY id")
        .fetch_all(market.ledger.pool())
        .await
        .unwrap()
}

fn shoppers(orders: impl IntoIterator<Item = (i64, usize)>) -> Vec<(i64, String)> {
    let orders = orders.into_iter();
    orders
        .map(|(order, shopper)| (order, format!("p-shopper-{shopper}")))
        .collect()
}

async fn mark(market: &Market) -> Option<i64> {
    let mut queue = market.queue.clone();
    queue
        .hget(market.keys.record(), flashsale_queue::catalogue::WENT_BACK)
        .await
        .unwrap()
}

async fn set_mark(market: &Market) {
    let mut queue = market.queue.clone();
    let () = queue
        .hset(
            market.keys.record(),
            flashsale_queue::catalogue::WENT_BACK,
            1,
        )
        .await
        .unwrap();
}

#[tokio::test]
async fn lost_orders_are_made_again_with_the_numbers_that_were_told() {
    let market = Market::of_one(10).await;
    market.buy("p", 5).await;
    market.settle("p").await;
    sql(&market, LOSE_ALL_BUT_ONE).await;
    set_mark(&market).await;

    let dry = market.run(&["repair", "--sale", SALE, "--dry-run"]);
    assert_eq!(dry.status, Some(1), "{dry:?}");
    let head = "drop: 5 buys are told confirmed, 4 of them without an order\n";
    assert!(dry.out.starts_with(head), "{dry:?}");
    assert!(
        dry.out
            .contains("of shopper p-shopper-3, told order 4, has no order")
    );
    assert_eq!(orders(&market).await, shoppers([(1, 0)]));

    let printed = market.run(&["repair", "--sale", SALE]);
    assert_eq!(printed.status, Some(0), "{printed:?}");
    assert!(
        printed.out.ends_with("p: 4 orders are made again\n"),
        "{printed:?}"
    );
    let all = shoppers((1..).zip(0..5));
    assert_eq!(orders(&market).await, all);
    assert_eq!(mark(&market).await, None);

    let again = market.run(&["repair", "--sale", SALE]);
    assert_eq!(again.status, Some(0), "{again:?}");
    assert_eq!(orders(&market).await, all);
    // The next one gets a number that nobody was told.
    market.ask("p", "late", "k").await;
    market.settle("p").await;
    let (last, _) = orders(&market).await.pop().unwrap();
    assert!(last > 5, "{last}");
    let audit = market.run(&["audit", "--sale", SALE]);
    assert_eq!(audit.status, Some(0), "{audit:?}");
}

#[tokio::test]
async fn a_number_that_was_given_again_is_replaced_and_the_shopper_is_told() {
    let market = Market::of_one(10).await;
    market.buy("p", 3).await;
    market.settle("p").await;
    sql(&market, LOSE_ALL_BUT_ONE).await;
    market.ask("p", "p-shopper-9", "k").await;
    market.settle("p").await;
    assert_eq!(orders(&market).await, shoppers([(1, 0), (2, 9)]));

    let printed = market.run(&["repair", "--sale", SALE]);
    assert_eq!(printed.status, Some(0), "{printed:?}");
    let orders = orders(&market).await;
    assert_eq!(orders[..3], shoppers([(1, 0), (2, 9), (3, 2)])[..]);
    let (moved, owner) = &orders[3];
    assert_eq!(owner, "p-shopper-1");
    let told = format!("of shopper p-shopper-1, told order 2, has order {moved} now");
    assert!(printed.out.contains(&told), "{printed:?}");
    let records: Vec<String> = market
        .queue
        .clone()
        .hvals(market.keys.jobs())
        .await
        .unwrap();
    let is_moved = |text: &String| *text == format!("c {moved} p p-shopper-1");
    assert!(records.iter().any(is_moved), "{records:?}");
    assert!(records.iter().all(|text| text.parse::<JobRecord>().is_ok()));
    let audit = market.run(&["audit", "--sale", SALE]);
    assert_eq!(audit.status, Some(0), "{audit:?}");
}

#[tokio::test]
async fn orders_whose_units_are_sold_are_named_until_somebody_adds_units_or_closes_it() {
    let market = Market::of_one(4).await;
    market.buy("p", 4).await;
    market.settle("p").await;
    sql(&market, LOSE_ALL_BUT_ONE).await;
    sql(
        &market,
        "UPDATE products SET stock_quantity = 1, initial_stock = 2 WHERE id = 'p'",
    )
    .await;
    set_mark(&market).await;

    let printed = market.run(&["repair", "--sale", SALE]);
    assert_eq!(printed.status, Some(1), "{printed:?}");
    // First come, first served.
    assert_eq!(orders(&market).await, shoppers([(1, 0), (2, 1)]));
    for lost in ["p-shopper-2, told order 3", "p-shopper-3, told order 4"] {
        let told = format!("of shopper {lost}, cannot be honoured: no unit is left");
        assert!(printed.out.contains(&told), "{printed:?}");
    }
    assert!(printed.out.contains("2 cannot be honoured"), "{printed:?}");
    assert!(mark(&market).await.is_some());

    let by = ["restock", "--sale", SALE, "--product", "p", "--by", "1"];
    assert_eq!(market.run(&by).status, Some(0));
    let printed = market.run(&["repair", "--sale", SALE, "--close"]);
    assert_eq!(printed.status, Some(1), "{printed:?}");
    assert_eq!(orders(&market).await, shoppers([(1, 0), (2, 1), (3, 2)]));
    assert!(printed.out.contains("counts as repaired"), "{printed:?}");
    assert_eq!(mark(&market).await, None);
}

#[tokio::test]
async fn a_shopper_who_has_bought_again_is_not_given_more_than_the_limit() {
    let product = json!([{"id": "p", "name": "P", "price": 1, "stock": 9, "maxPerUser": 1}]);
    let market = Market::open(product).await;
    market.buy("p", 3).await;
    market.settle("p").await;
    sql(&market, LOSE_ALL_BUT_ONE).await;
    market.ask("p", "p-shopper-1", "again").await;
    market.settle("p").await;

    let printed = market.run(&["repair", "--sale", SALE]);
    assert_eq!(printed.status, Some(1), "{printed:?}");
    let told = "of shopper p-shopper-1, told order 2, cannot be honoured: the shopper has bought";
    assert!(printed.out.contains(told), "{printed:?}");
    assert_eq!(orders(&market).await, shoppers([(1, 0), (2, 1), (3, 2)]));
}

#[tokio::test]
async fn products_that_the_ledger_does_not_offer_are_named() {
    let market = Market::of_one(4).await;
    market.buy("p", 2).await;
    market.settle("p").await;
    sql(&market, "DELETE FROM orders; DELETE FROM products").await;
    let printed = market.run(&["repair", "--sale", SALE]);
    assert_eq!(printed.status, Some(1), "{printed:?}");
    let told = "p: the sale does not offer it, so 2 orders cannot be made; declare the sale";
    assert!(printed.out.contains(told), "{printed:?}");
}
