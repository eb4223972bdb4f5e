//! Products of a sale that is over go to the next sale that declares them, and to none before.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed, and says where"
)]

use flashsale_domain::sale::Sale;
use flashsale_ledger::LedgerError;
use flashsale_queue::{
    catalogue, dead_letter,
    keys::SaleKeys,
    lane::{self, Acknowledgement, Dead},
    stock,
};
use flashsale_recovery::retirement;
use flashsale_testbed::fixtures::{
    queue::{job, push},
    sales::{open, sale},
    services::Services,
};
use jiff::{SignedDuration, Timestamp};
use redis::AsyncCommands;

/// Sale `one` of `p` and `q`, which ends `ends` seconds from now, and sale `two` of `p` and `r`.
async fn two_sales(services: &Services, ends: i64) -> (Sale, Sale) {
    let mut one = sale("one", &[("p", 3), ("q", 3)]);
    open(services, &one).await;
    let ends = Timestamp::now() + SignedDuration::from_secs(ends);
    one.schedule.closes_at = Some(ends);
    let mut queue = services.queue.clone();
    catalogue::announce(&mut queue, &one, false).await.unwrap();
    (one, sale("two", &[("p", 8), ("r", 1)]))
}

/// Declares `sale`; whether the ledger took it.
async fn declares(services: &Services, sale: &Sale) -> bool {
    let mut queue = services.queue.clone();
    match retirement::declare(&services.ledger, &mut queue, sale).await {
        Ok(_) => true,
        Err(LedgerError::ProductTaken { .. }) => false,
        Err(error) => panic!("{error}"),
    }
}

async fn holders(services: &Services) -> Vec<(String, i64)> {
    services.ledger.holders().await.unwrap()
}

#[tokio::test]
async fn a_product_of_a_sale_that_is_over_goes_to_the_next_one() {
    let services = Services::start().await;
    let (one, two) = two_sales(&services, -1).await;
    let p = &one.products[0].id;
    let sold = job(&one, "u", p, "k");
    let settled = services.ledger.settle_alone(&one.id, p, &[&sold]).await;
    assert_eq!(settled.unwrap().confirmed, 1);
    assert!(declares(&services, &two).await);
    // What is not asked for stays where it was.
    let expected = [("one".to_owned(), 1), ("two".to_owned(), 2)];
    assert_eq!(holders(&services).await, expected);
    let stock = services.ledger.stock(&two.id).await.unwrap();
    let of_p = stock.iter().find(|level| level.product == *p).unwrap();
    assert_eq!(of_p.stock, 8);
    let mut queue = services.queue.clone();
    let told: Option<i32> = queue
        .hget(SaleKeys::new(&one.id).stock(), "p")
        .await
        .unwrap();
    assert_eq!(told, None, "nobody can buy it in the former sale");
    // The limits of the next sale are its own.
    let again = job(&two, "u", p, "k");
    let settled = services.ledger.settle_alone(&two.id, p, &[&again]).await;
    assert_eq!(settled.unwrap().confirmed, 1);
    let books = services.ledger.oversold(&two.id).await.unwrap();
    assert_eq!(books, 0);
}

#[tokio::test]
async fn a_sale_that_is_not_over_keeps_its_products() {
    let services = Services::start().await;
    let (one, two) = two_sales(&services, 3_600).await;
    let mut queue = services.queue.clone();
    assert!(!declares(&services, &two).await, "it is open");

    // Closed, while a buy waits; then with a dead letter, which may be replayed.
    catalogue::close(&mut queue, &one.id).await.unwrap();
    let keys = SaleKeys::new(&one.id);
    let q = &one.products[1].id;
    let waiting = serde_json::to_vec(&job(&one, "u", q, "k")).unwrap();
    let entry_id = push(&services, &one, 1, &waiting).await;
    assert!(!declares(&services, &two).await, "a buy waits");
    let acknowledgement = Acknowledgement {
        dead: vec![Dead {
            entry_id,
            job: waiting,
            reason: "no reason".to_owned(),
            attempts: 1,
        }],
        ..Acknowledgement::default()
    };
    lane::acknowledge(&mut queue, &keys, q, &acknowledgement)
        .await
        .unwrap();
    assert_eq!(dead_letter::count(&mut queue, &keys).await.unwrap(), 1);
    assert!(!declares(&services, &two).await, "it has a dead letter");
    let known = stock::read(&mut queue, &keys).await.unwrap();
    let of_p = known[&one.products[0].id].stock;
    assert_eq!(of_p, Some(3), "it still has what it had");

    // What cannot be read, or is not there, is not over.
    let record: String = queue.hget(keys.record(), "sale").await.unwrap();
    let () = queue.del(keys.dead()).await.unwrap();
    let newer = record.replacen("\"format\":1", "\"format\":2", 1);
    let () = queue.hset(keys.record(), "sale", newer).await.unwrap();
    assert!(!declares(&services, &two).await, "nobody knows");
    let () = queue.del(keys.record()).await.unwrap();
    assert!(!declares(&services, &two).await, "Redis has lost it");
    let () = queue
        .hset_multiple(
            keys.record(),
            &[("sale", record.as_str()), ("closing", "1")],
        )
        .await
        .unwrap();
    assert!(declares(&services, &two).await);
}
