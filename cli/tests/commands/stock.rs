use std::time::Duration;

use flashsale_domain::id::ProductId;
use flashsale_queue::{catalogue, orders, stock, turnstile::Admission};
use serde_json::json;

use crate::{
    flashsale,
    market::{Market, SALE},
};

fn restock(market: &Market, product: &str, by: &str) -> crate::Printed {
    market.run(&["restock", "--sale", SALE, "--product", product, "--by", by])
}

async fn known_stock(market: &Market) -> Option<i32> {
    let known = stock::read(&mut market.queue.clone(), &market.keys)
        .await
        .unwrap();
    known[&ProductId::new("p").unwrap()].stock
}

#[tokio::test]
async fn a_restocked_product_sells_again_at_once() {
    let market = Market::of_one(1).await;
    market.buy("p", 1).await;
    market.settle("p").await;
    assert_eq!(market.ask("p", "late", "k").await, Admission::SoldOut);

    let printed = restock(&market, "p", "2");
    assert_eq!(printed.status, Some(0), "{printed:?}");
    assert_eq!(
        printed.out,
        "p of drop: +2 units, 2 left now; Redis took it over\n"
    );
    assert_eq!(known_stock(&market).await, Some(2));
    assert_eq!(
        market.ask("p", "late", "k").await,
        Admission::Queued { position: 1 }
    );
    market.settle("p").await;
    assert_eq!(market.run(&["audit", "--sale", SALE]).status, Some(0));
}

#[tokio::test]
async fn what_is_sold_is_not_taken_back() {
    let market = Market::of_one(10).await;
    market.buy("p", 4).await;
    market.settle("p").await;
    let printed = restock(&market, "p", "-9");
    assert_eq!(printed.status, Some(0), "{printed:?}");
    assert!(
        printed.out.starts_with("p of drop: -6 units, 0 left now;"),
        "{printed:?}"
    );
    assert!(printed.out.contains("less than asked for"), "{printed:?}");
    assert_eq!(known_stock(&market).await, Some(0));
    assert_eq!(market.run(&["audit", "--sale", SALE]).status, Some(0));
}

#[tokio::test]
async fn an_unknown_product_is_not_restocked() {
    let market = Market::of_one(10).await;
    let printed = restock(&market, "ghost", "1");
    assert_eq!(printed.status, Some(3), "{printed:?}");
    assert!(
        printed
            .err
            .contains("product ghost is not offered by sale drop"),
        "{printed:?}"
    );
}

#[tokio::test]
async fn nothing_is_restocked_that_redis_could_not_be_told_of() {
    let mut market = Market::of_one(10).await;
    market.lose_redis().await;
    assert_eq!(restock(&market, "p", "5").status, Some(3));
    let levels = market.ledger.stock(&SALE.parse().unwrap()).await.unwrap();
    assert_eq!(levels[0].stock, 10);
}

#[tokio::test]
async fn sales_are_listed_with_their_lanes() {
    let market = Market::of_one(10).await;
    market.buy("p", 4).await;
    let printed = market.run(&["sales"]);
    assert_eq!(printed.status, Some(0), "{printed:?}");
    assert!(
        printed
            .out
            .contains("drop  Open  opens -  closes -  dead letters 0"),
        "{printed:?}"
    );
    let lane = printed.out.lines().last().unwrap();
    let words: Vec<&str> = lane.split_whitespace().collect();
    assert_eq!(words, ["p", "10", "4", "0", "-"]);
}

/// A sale that is closed, with two orders that wait for their payment.
async fn settling() -> Market {
    let market = Market::of(json!({
        "products": [{"id": "p", "name": "P", "price": 100, "stock": 5}],
        "payment": {"windowSeconds": 3600},
    }))
    .await;
    market.buy("p", 2).await;
    market.settle("p").await;
    catalogue::close(&mut market.queue.clone(), &SALE.parse().unwrap())
        .await
        .unwrap();
    market
}

#[tokio::test]
async fn a_closed_sale_is_settling_only_while_orders_wait_for_their_payment() {
    let market = settling().await;
    let listed = |phase: &str, orders: &str| {
        let printed = market.run(&["sales"]);
        assert_eq!(printed.status, Some(0), "{printed:?}");
        let line = printed.out.lines().next().unwrap_or_default();
        assert!(line.starts_with(&format!("drop  {phase}  opens")), "{line}");
        assert!(line.ends_with(&format!("unpaid orders {orders}")), "{line}");
    };
    listed("Settling", "2");
    market
        .tamper("UPDATE orders SET status = 'COMPLETED'")
        .await;
    listed("Closed", "0");
    let told = Duration::from_mins(1);
    orders::tell_pending(&mut market.queue.clone(), &market.keys, 7, told)
        .await
        .unwrap();
    listed("Settling", "7");
}

#[tokio::test]
async fn unpaid_orders_that_nobody_tells_of_are_unknown() {
    let market = settling().await;
    let printed = market.run_without_ledger(&["sales"]);
    assert_eq!(printed.status, Some(0), "{printed:?}");
    let line = printed.out.lines().next().unwrap_or_default();
    assert!(
        line.starts_with("drop  Settling or Closed  opens"),
        "{line}"
    );
    assert!(line.ends_with("unpaid orders unknown"), "{line}");
}

#[tokio::test]
async fn migrating_twice_is_harmless_and_order_ids_are_widened_when_asked_for() {
    let market = Market::of_one(1).await;
    market.buy("p", 1).await;
    market.settle("p").await;
    for (flags, expected) in [
        (&["migrate"][..], "the schema is up to date\n"),
        (
            &["migrate", "--widen-orders"],
            "the schema is up to date\norder ids and prices have 64 bits, 1 orders copied\n",
        ),
        (
            &["migrate", "--widen-orders"],
            "the schema is up to date\norder ids and prices had 64 bits already\n",
        ),
    ] {
        let printed = market.run(flags);
        assert_eq!((printed.status, printed.out.as_str()), (Some(0), expected));
    }
}

#[test]
fn a_missing_address_is_asked_for() {
    let output = flashsale().arg("migrate").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--database-url"));
}

#[tokio::test]
async fn a_restock_that_is_repeated_under_its_name_changes_nothing() {
    let market = Market::of_one(1).await;
    let restock = |by: &str| {
        let id = "6f1c2a4e-8f0b-4c43-9a57-0d1f5b6f3a21";
        let of = ["restock", "--sale", SALE, "--product", "p"];
        market.run(&[&of[..], &["--by", by, "--request-id", id]].concat())
    };
    let first = restock("4");
    assert_eq!(first.status, Some(0), "{first:?}");
    assert_eq!(restock("4").out, first.out);
    assert_eq!(known_stock(&market).await, Some(5));
    let another = restock("5");
    assert_eq!(another.status, Some(3), "{another:?}");
    assert!(another.err.contains("was another restock"), "{another:?}");
}

/// A batch is committed and not acknowledged: told now, Redis would count its jobs twice.
#[tokio::test]
async fn a_restock_behind_a_batch_that_is_not_acknowledged_is_told_with_it() {
    let market = Market::of_one(3).await;
    market.buy("p", 2).await;
    let waiting = market.waiting("p").await;
    let jobs: Vec<_> = waiting.iter().map(|(_, job)| job).collect();
    let (sale, product) = (SALE.parse().unwrap(), ProductId::new("p").unwrap());
    let settled = market.ledger.settle_alone(&sale, &product, &jobs).await;
    assert_eq!(settled.unwrap().confirmed, 2);
    let printed = restock(&market, "p", "5");
    assert_eq!(printed.status, Some(0), "{printed:?}");
    let told = "p of drop: +5 units, 6 left now; Redis takes it over with the batch";
    assert!(printed.out.starts_with(told), "{printed:?}");
    assert_eq!(known_stock(&market).await, Some(3));
    market.settle("p").await;
    assert_eq!(known_stock(&market).await, Some(6));
}

#[tokio::test]
async fn a_restock_says_that_redis_keeps_a_figure_of_a_ledger_that_went_back() {
    let market = Market::of_one(1).await;
    let () = redis::cmd("HSET")
        .arg(market.keys.stock())
        .arg(&["p", "0", "p@", "99"])
        .query_async(&mut market.queue.clone())
        .await
        .unwrap();
    let printed = restock(&market, "p", "10");
    assert_eq!(printed.status, Some(1), "{printed:?}");
    let told = "p of drop: +10 units, 11 left now; Redis did NOT take it over: it keeps 0 units";
    assert!(printed.out.starts_with(told), "{printed:?}");
}
