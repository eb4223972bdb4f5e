//! Sales in force on a real Redis: put there whole, and not brought back once they were withdrawn.
#![allow(
    clippy::unwrap_used,
    reason = "tests say by unwrapping what they take for granted"
)]

use flashsale_domain::{sale::Sale, stock::StockLevel};
use flashsale_queue::{
    catalogue,
    keys::{SALES, SaleKeys},
    stock,
};
use flashsale_testbed::fixtures::{
    sales::{open, sale},
    services::Services,
};
use redis::AsyncCommands;

async fn keys(services: &Services) -> Vec<String> {
    let mut queue = services.queue.clone();
    let mut keys: Vec<String> = queue.keys("*").await.unwrap();
    keys.retain(|key| !key.ends_with(":withdrawn"));
    keys
}

async fn is_in_force(services: &Services, sale: &Sale) -> bool {
    let mut queue = services.queue.clone();
    let record = catalogue::read(&mut queue, &sale.id).await.unwrap();
    let is_listed: bool = queue.sismember(SALES, sale.id.as_str()).await.unwrap();
    assert_eq!(record.is_some(), is_listed);
    is_listed
}

#[tokio::test]
async fn a_sale_that_cannot_be_listed_gets_no_record() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 5)]);
    let mut queue = services.queue.clone();
    let _: () = queue.set(SALES, "no set").await.unwrap();
    catalogue::announce(&mut queue, &sale, false)
        .await
        .unwrap_err();
    assert_eq!(keys(&services).await, [SALES]);
}

#[tokio::test]
async fn a_withdrawn_sale_leaves_neither_keys_nor_its_name_in_the_list() {
    let services = Services::start().await;
    let (one, two) = (sale("one", &[("a", 1)]), sale("two", &[("b", 1)]));
    for sale in [&one, &two] {
        open(&services, sale).await;
    }
    let mut queue = services.queue.clone();
    for sale in [&one, &two] {
        catalogue::withdraw(&mut queue, &sale.id).await.unwrap();
    }
    assert_eq!(keys(&services).await, Vec::<String>::new());
    let remembered: i64 = queue
        .pttl(SaleKeys::new(&one.id).withdrawn())
        .await
        .unwrap();
    assert!(
        (3_500_000..=3_600_000).contains(&remembered),
        "{remembered}"
    );
    assert!(!catalogue::close(&mut queue, &one.id).await.unwrap());
    assert_eq!(keys(&services).await, Vec::<String>::new());
}

/// A restock that was under way while the sale was withdrawn.
#[tokio::test]
async fn the_stock_of_a_withdrawn_sale_is_not_told_any_more() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 5)]);
    open(&services, &sale).await;
    let mut queue = services.queue.clone();
    let sale_keys = SaleKeys::new(&sale.id);
    let level = |version| StockLevel {
        product: sale.products[0].id.clone(),
        stock: 8,
        version,
        settled_version: 0,
    };
    let told = stock::update(&mut queue, &sale_keys, &[level(7)]).await;
    assert_eq!(told.unwrap(), 1);
    catalogue::withdraw(&mut queue, &sale.id).await.unwrap();
    let told = stock::update(&mut queue, &sale_keys, &[level(9)]).await;
    assert_eq!(told.unwrap(), 0);
    assert_eq!(keys(&services).await, Vec::<String>::new());
}

/// A control loop that was paused, or whose message was under way, while another withdrew the sale.
#[tokio::test]
async fn a_withdrawn_sale_is_not_brought_back_by_who_kept_it_before() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 5)]);
    let mut queue = services.queue.clone();
    let before = catalogue::generation(&mut queue, &sale.id).await.unwrap();
    let announce = catalogue::announce_unless_withdrawn;
    assert!(announce(&mut queue, &sale, false, before).await.unwrap());
    assert!(
        announce(&mut queue, &sale, true, before).await.unwrap(),
        "changed"
    );
    catalogue::withdraw(&mut queue, &sale.id).await.unwrap();

    // It tells the stock first, as one does with a record that Redis has lost.
    let level = StockLevel {
        product: sale.products[0].id.clone(),
        stock: 5,
        version: 1,
        settled_version: 0,
    };
    stock::publish(&mut queue, &SaleKeys::new(&sale.id), &[level])
        .await
        .unwrap();
    assert!(!announce(&mut queue, &sale, false, before).await.unwrap());
    assert_eq!(keys(&services).await, Vec::<String>::new());

    // Another sale of the same name is put in force at once, and stays.
    let after = catalogue::generation(&mut queue, &sale.id).await.unwrap();
    assert_ne!(before, after);
    open(&services, &sale).await;
    assert!(!announce(&mut queue, &sale, true, before).await.unwrap());
    assert!(is_in_force(&services, &sale).await);
    let stocks = stock::read(&mut queue, &SaleKeys::new(&sale.id))
        .await
        .unwrap();
    assert_eq!(stocks[&sale.products[0].id].stock, Some(5));
    assert!(announce(&mut queue, &sale, false, after).await.unwrap());

    // Each withdrawal counts, even after the clock was set back.
    let ahead = catalogue::clock(&mut queue).await.unwrap() + 60_000_000;
    let key = SaleKeys::new(&sale.id).withdrawn();
    let () = queue.set(key, ahead).await.unwrap();
    let ahead = catalogue::generation(&mut queue, &sale.id).await.unwrap();
    assert!(announce(&mut queue, &sale, false, ahead).await.unwrap());
    catalogue::withdraw(&mut queue, &sale.id).await.unwrap();
    assert!(!announce(&mut queue, &sale, false, ahead).await.unwrap());
    // Nor does a Redis that has lost everything keep a sale away.
    let _: () = redis::cmd("FLUSHALL")
        .query_async(&mut queue)
        .await
        .unwrap();
    assert!(announce(&mut queue, &sale, false, before).await.unwrap());
}
