use flashsale_core::{id::ProductId, stock, turnstile::Admission};

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
    assert_eq!(printed.out, "p of drop: +2 units, 2 left now\n");
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
        printed.out.starts_with("p of drop: -6 units, 0 left now\n"),
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

#[tokio::test]
async fn migrating_twice_is_harmless() {
    let market = Market::of_one(1).await;
    for _ in 0..2 {
        let printed = market.run(&["migrate"]);
        assert_eq!(printed.status, Some(0), "{printed:?}");
    }
}

#[test]
fn a_missing_address_is_asked_for() {
    let output = flashsale().arg("migrate").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--database-url"));
}
