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
use jiff::{SignedDuration, Timestamp};
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

/// Next week's sale of the same product, while the FlashSale of this week is still there.
#[tokio::test]
async fn a_product_of_a_sale_that_is_over_goes_to_the_next_one() {
    let stage = Stage::set(Services::start().await).await;
    let operator = stage.lone_operator("operator").await;
    let gateway = Child::gateway(&stage.services, "gateway").await;
    let worker = Child::worker(&stage.services, "worker").await;
    stage.create("first", one_product("shoe", 5)).await;
    stage.until_phase("first", "Open").await;
    until("the shoe is for sale", SOON, || async {
        press(&gateway, "shoe", "somebody").await.0 == 200
    })
    .await;
    let limited = json!({"products": [
        {"id": "shoe", "name": "Shoe", "price": 100, "stock": 2, "maxPerUser": 1},
    ]});
    stage.create("second", limited).await;
    taken(&stage).await;

    let closes = Timestamp::now() + SignedDuration::from_secs(1);
    stage.edit("first", json!({ "closesAt": closes })).await;
    stage.until_phase("first", "Closed").await;
    let began = Instant::now();
    stage.until_phase("second", "Open").await;
    println!("the second sale was open {:?} later", began.elapsed());
    until("the shoe is for sale again", SOON, || async {
        press(&gateway, "shoe", "somebody").await.0 == 200
    })
    .await;
    let (first, second) = (stage.id("first"), stage.id("second"));
    until("an order of the second sale", SOON, || async {
        orders(&stage.services, &second).await == 1
    })
    .await;
    assert_eq!(orders(&stage.services, &first).await, 1);

    // The next operator does not miss what the first sale has let go, nor what it sold.
    operator.terminate().await;
    let _operator = stage.lone_operator("next").await;
    stage.edit("first", json!({"attempts": 7})).await;
    let edited = stage.sales.get("first").await.unwrap().metadata.generation;
    let status = stage
        .until("first", "the edit is judged", |status| {
            status.observed_generation == edited
        })
        .await;
    assert_eq!(
        (status.phase.as_deref(), status.sold),
        (Some("Closed"), Some(1))
    );
    stage
        .until_condition("first", "Accepted", "True", "Accepted")
        .await;

    // It cannot go on without its product, and then stays closed.
    stage.edit("first", json!({"closesAt": null})).await;
    let said = stage
        .until_condition("first", "Accepted", "False", "ProductTaken")
        .await;
    assert!(said.contains(second.as_str()), "{said}");
    assert_eq!(stage.status("first").await.phase.as_deref(), Some("Closed"));
    buy(&gateway, "shoe", "another").await;
    until("the second sale is sold out", SOON, || async {
        stage.status("second").await.phase.as_deref() == Some("SoldOut")
    })
    .await;
    assert_eq!(orders(&stage.services, &second).await, 2);
    for sale in [&first, &second] {
        let mut queue = stage.services.queue.clone();
        let report = flashsale_audit::audit(&stage.services.ledger, &mut queue, sale).await;
        let report = report.unwrap();
        assert!(report.holds(), "{report:#?}");
    }
    worker.terminate().await;
}

/// Before the opening a product may be taken out: it is free then, and the sale does not wait for it.
#[tokio::test]
async fn a_product_taken_out_before_the_opening_is_free_and_not_counted() {
    let stage = Stage::set(Services::start().await).await;
    let _operator = stage.operator("operator").await;
    let product = |id: &str| json!({"id": id, "name": id, "price": 100, "stock": 5});
    let both = json!({
        "opensAt": "2099-01-01T00:00:00Z", "products": [product("shoe"), product("hat")],
    });
    stage.create("first", both).await;
    stage
        .until("first", "both count", |status| status.remaining == Some(10))
        .await;
    stage
        .edit("first", json!({"products": [product("shoe")]}))
        .await;
    stage
        .until("first", "one counts", |status| status.remaining == Some(5))
        .await;
    stage.create("second", one_product("hat", 3)).await;
    stage.until_phase("second", "Open").await;
}

/// A FlashSale that is deleted and made again is another sale: limits begin anew.
#[tokio::test]
async fn a_name_that_is_used_again_has_limits_of_its_own() {
    let stage = Stage::set(Services::start().await).await;
    let _operator = stage.operator("operator").await;
    let gateway = Child::gateway(&stage.services, "gateway").await;
    let worker = Child::worker(&stage.services, "worker").await;
    let limited = json!({"products": [
        {"id": "shoe", "name": "Shoe", "price": 100, "stock": 5, "maxPerUser": 1},
    ]});
    let id = stage.id("weekly");
    for week in 1..=2 {
        stage.create("weekly", limited.clone()).await;
        stage.until_phase("weekly", "Open").await;
        until("the shoe is for sale", SOON, || async {
            press(&gateway, "shoe", "bob").await.0 == 200
        })
        .await;
        until("an order of this week", SOON, || async {
            orders(&stage.services, &id).await == week
        })
        .await;
        stage
            .sales
            .delete("weekly", &DeleteParams::default())
            .await
            .unwrap();
        until("the sale is gone", SOON, || async {
            stage.sales.get_opt("weekly").await.unwrap().is_none()
        })
        .await;
    }
    worker.terminate().await;
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
