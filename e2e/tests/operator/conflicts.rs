//! Others reach for what a sale has: another sale for its product, an autoscaler or a person for its
//! workers, somebody for all of Redis. Each is told of or put right, and shoppers notice nothing.

mod autoscaler;
mod by_hand;

use std::time::{Duration, Instant};

use flashsale_e2e::{
    operator::{SOON, Stage, one_product},
    patience::until,
    processes::Child,
    services::Services,
    shopping::{buy, orders, press},
};
use kube::api::DeleteParams;
use serde_json::json;

/// How soon a flushed Redis sells again.
const REPUBLISHED: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_product_belongs_to_one_sale_until_that_lets_go() {
    let stage = Stage::set(Services::start().await).await;
    let _operator = stage.operator("operator").await;
    stage.create("first", one_product("shoe", 5)).await;
    stage.until_phase("first", "Open").await;
    let product = |id: &str| json!({"id": id, "name": id, "price": 100, "stock": 5});
    let both = json!({"products": [product("hat"), product("shoe")]});
    stage.create("second", both.clone()).await;
    let said = taken(&stage).await;
    stage.until_phase("second", "Failed").await;
    assert_eq!(stage.until_event("second", "ProductTaken").await, said);

    // The first sells what it has; of the second nothing is for sale.
    let gateway = Child::gateway(&stage.services, "gateway").await;
    let worker = Child::worker(&stage.services, "worker").await;
    buy(&gateway, "shoe", "somebody").await;
    assert_eq!(press(&gateway, "hat", "somebody").await.0, 404);
    let status = stage
        .until("first", "one is sold", |status| status.sold == Some(1))
        .await;
    assert_eq!(
        (status.phase.as_deref(), status.remaining),
        (Some("Open"), Some(4))
    );

    // Without the product it opens, and an edit that asks for it again leaves it open.
    stage
        .edit("second", json!({"products": [product("hat")]}))
        .await;
    stage
        .until_condition("second", "Accepted", "True", "Accepted")
        .await;
    stage.until_phase("second", "Open").await;
    buy(&gateway, "hat", "somebody").await;
    stage.edit("second", both).await;
    taken(&stage).await;
    assert_eq!(stage.status("second").await.phase.as_deref(), Some("Open"));
    buy(&gateway, "hat", "another").await;

    let began = Instant::now();
    stage
        .sales
        .delete("first", &DeleteParams::default())
        .await
        .unwrap();
    stage
        .until_condition("second", "Accepted", "True", "Accepted")
        .await;
    println!(
        "the second sale had the product {:?} after the first was deleted",
        began.elapsed()
    );
    until("the shoe is for sale again", SOON, || async {
        press(&gateway, "shoe", "another").await.0 == 200
    })
    .await;
    let id = stage.id("second");
    until("three orders of the second sale", SOON, || async {
        orders(&stage.services, &id).await == 3
    })
    .await;
    worker.terminate().await;
}

/// Waits until the second sale is told who has the product; answers what it is told.
async fn taken(stage: &Stage) -> String {
    let said = stage
        .until_condition("second", "Accepted", "False", "ProductTaken")
        .await;
    println!("{said}");
    let holder = stage.id("first");
    assert!(
        said.contains("product shoe") && said.contains(holder.as_str()),
        "{said}"
    );
    said
}

/// Law 4: Redis only admits.
#[tokio::test]
async fn a_flushed_redis_gets_the_sale_and_its_stock_back_and_oversells_nothing() {
    let stage = Stage::set(Services::start().await).await;
    let _operator = stage.operator("operator").await;
    stage.create("drop", one_product("shoe", 5)).await;
    stage.until_phase("drop", "Open").await;
    let gateway = Child::gateway(&stage.services, "gateway").await;
    let _worker = Child::worker(&stage.services, "worker").await;
    let id = stage.id("drop");
    for shopper in 0..3 {
        buy(&gateway, "shoe", &format!("early-{shopper}")).await;
    }
    until("three orders", SOON, || async {
        orders(&stage.services, &id).await == 3
    })
    .await;
    let mut queue = stage.services.queue.clone();
    let () = redis::cmd("FLUSHALL")
        .query_async(&mut queue)
        .await
        .unwrap();
    let flushed = Instant::now();
    let mut sold = 0;
    for shopper in 0.. {
        let (status, body) = press(&gateway, "shoe", &format!("late-{shopper}")).await;
        match status {
            200 => sold += 1,
            // Everything is sold again; before, the sale was only unknown for a moment.
            409 => break,
            403 | 404 | 503 => {}
            other => panic!("{other} {body}"),
        }
        if sold == 1 && status == 200 {
            println!(
                "the first buy passed {:?} after the flush",
                flushed.elapsed()
            );
        }
        assert!(
            flushed.elapsed() < REPUBLISHED,
            "{sold} sold; last answer {status} {body}"
        );
    }
    assert_eq!(sold, 2, "three of five were sold before");
    let status = stage.until_phase("drop", "SoldOut").await;
    assert_eq!((status.sold, status.remaining), (Some(5), Some(0)));
    assert_eq!(stage.services.ledger.oversold(&id).await.unwrap(), 0);
    assert_eq!(orders(&stage.services, &id).await, 5);
}
