//! A sale from its schedule to its end.

use std::time::Duration;

use flashsale_e2e::{
    operator::{SOON, Stage, one_product, with},
    patience::until,
    processes::Child,
    services::Services,
};
use flashsale_queue::{catalogue, keys::SaleKeys};
use jiff::{SignedDuration, Timestamp};
use kube::api::DeleteParams;
use redis::AsyncCommands as _;
use serde_json::json;

fn seconds_from_now(seconds: i64) -> Timestamp {
    Timestamp::now() + SignedDuration::from_secs(seconds)
}

/// The story of the issue: Scheduled → Open → SoldOut → Draining/Closed by itself, told in
/// conditions and events, with workers before the opening and none after the end.
#[tokio::test]
async fn a_sale_opens_sells_out_and_closes_by_itself() {
    let stage = Stage::set(Services::start().await).await;
    let _operator = stage.operator("operator").await;
    let (opens, closes) = (seconds_from_now(8), seconds_from_now(22));
    let spec = with(
        one_product("shoe", 3),
        &json!({
            "opensAt": opens, "closesAt": closes,
            "worker": {"prewarmSeconds": 4, "scaleDownStabilizationSeconds": 1},
        }),
    );
    stage.create("drop", spec).await;
    let status = stage.until_phase("drop", "Scheduled").await;
    assert_eq!(status.conditions.len(), 15, "{:#?}", status.conditions);
    assert!(
        stage.workers("drop").await.is_none(),
        "nobody is needed yet"
    );
    stage.until_replicas("drop", 1).await;
    assert!(
        Timestamp::now() < opens,
        "the workers are there before the opening"
    );
    stage.until_phase("drop", "Open").await;
    let gateway = Child::gateway(&stage.services, "gateway").await;
    let _worker = Child::worker(&stage.services, "worker").await;
    for shopper in 0..3 {
        flashsale_e2e::shopping::buy(&gateway, "shoe", &format!("shopper-{shopper}")).await;
    }
    let status = stage.until_phase("drop", "SoldOut").await;
    assert_eq!((status.sold, status.remaining), (Some(3), Some(0)));
    let status = stage.until_phase("drop", "Closed").await;
    assert!(
        status.opened_at.is_some() && status.drained_at.is_some(),
        "{status:#?}"
    );
    stage.until_replicas("drop", 0).await;
    for reason in ["Scheduled", "Opened", "SoldOut", "Scaled"] {
        stage.until_event("drop", reason).await;
    }
}

/// A sale that was over goes on with a later closing, and with `ttlSecondsAfterFinished` the object goes
/// when it is over again; not before its dead letters are dealt with.
#[tokio::test]
async fn a_sale_that_is_over_goes_when_its_time_to_live_ends() {
    let stage = Stage::set(Services::start().await).await;
    let _operator = stage.operator("operator").await;
    stage.create("drop", one_product("shoe", 3)).await;
    stage.until_phase("drop", "Open").await;
    stage
        .edit("drop", json!({"closesAt": seconds_from_now(0)}))
        .await;
    let ended = stage.until_phase("drop", "Closed").await;
    assert!(ended.drained_at.is_some(), "{ended:#?}");

    stage
        .edit("drop", json!({"closesAt": seconds_from_now(600)}))
        .await;
    let open = stage.until_phase("drop", "Open").await;
    assert_eq!((open.closed_at, open.drained_at), (None, None));

    let dead = SaleKeys::new(&stage.id("drop")).dead();
    let mut queue = stage.services.queue.clone();
    let _: String = queue.xadd(&dead, "*", &[("job", "no job")]).await.unwrap();
    let edit = json!({"closesAt": seconds_from_now(0), "ttlSecondsAfterFinished": 1});
    stage.edit("drop", edit).await;
    let ended = stage
        .until("drop", "a dead letter is left", |status| {
            status.phase.as_deref() == Some("Closed") && status.dead_letters == Some(1)
        })
        .await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert!(ended.drained_at.unwrap() + SignedDuration::from_secs(1) < Timestamp::now());
    assert_eq!(stage.status("drop").await.phase.as_deref(), Some("Closed"));

    let _: u64 = queue.del(&dead).await.unwrap();
    until("the object is gone", SOON, || async {
        stage.sales.get_opt("drop").await.unwrap().is_none()
    })
    .await;
    stage.until_event("drop", "Expired").await;
    // Another sale may have the product.
    stage.create("next", one_product("shoe", 3)).await;
    stage.until_phase("next", "Open").await;
}

#[tokio::test]
async fn a_sale_whose_closing_is_over_does_not_begin() {
    let stage = Stage::set(Services::start().await).await;
    let _operator = stage.operator("operator").await;
    let spec = with(
        one_product("shoe", 3),
        &json!({"closesAt": seconds_from_now(-60)}),
    );
    stage.create("drop", spec).await;
    let said = stage
        .until_condition("drop", "Accepted", "False", "InvalidSpec")
        .await;
    assert!(said.contains("spec.closesAt:"), "{said}");
    let later = json!({"closesAt": seconds_from_now(600)});
    stage.edit("drop", later).await;
    stage.until_phase("drop", "Open").await;
    // What has begun may be closed at once.
    let now = json!({"closesAt": seconds_from_now(-60)});
    stage.edit("drop", now).await;
    stage.until_phase("drop", "Closed").await;
}

/// Nobody settles what waits, until a worker comes.
#[tokio::test]
async fn a_closing_that_takes_too_long_to_drain_is_told_and_ends_all_the_same() {
    let stage = Stage::set(Services::start().await).await;
    let _operator = stage.operator("operator").await;
    stage.create("drop", one_product("shoe", 5)).await;
    stage.until_phase("drop", "Open").await;
    let gateway = Child::gateway(&stage.services, "gateway").await;
    flashsale_e2e::shopping::buy(&gateway, "shoe", "somebody").await;
    let times = json!({"closesAt": seconds_from_now(1), "drainTimeoutSeconds": 8});
    stage.edit("drop", times).await;
    stage
        .until_condition("drop", "Drained", "False", "Draining")
        .await;
    let said = stage
        .until_condition("drop", "Drained", "False", "DrainTimedOut")
        .await;
    assert!(said.starts_with("1 job is not settled"), "{said}");
    stage.until_event("drop", "DrainTimedOut").await;
    stage.until_condition("drop", "Stalled", "True", "").await;
    let _worker = Child::worker(&stage.services, "worker").await;
    stage.until_phase("drop", "Closed").await;
}

/// Law 7.
#[tokio::test]
async fn a_deleted_sale_is_drained_and_leaves_orders_alone() {
    let stage = Stage::set(Services::start().await).await;
    let _operator = stage.operator("operator").await;
    stage.create("drop", one_product("shoe", 50)).await;
    stage.until_phase("drop", "Open").await;
    let gateway = Child::gateway(&stage.services, "gateway").await;
    for shopper in 0..20 {
        flashsale_e2e::shopping::buy(&gateway, "shoe", &format!("shopper-{shopper}")).await;
    }
    let id = stage.id("drop");
    let mut queue = stage.services.queue.clone();
    let lane = SaleKeys::new(&id).lane(&"shoe".parse().unwrap());
    let _: String = queue.xadd(lane, "*", &[("job", "no job")]).await.unwrap();
    stage
        .sales
        .delete("drop", &DeleteParams::default())
        .await
        .unwrap();
    stage.until_phase("drop", "Draining").await;
    let _worker = Child::worker(&stage.services, "worker").await;
    until("the object is gone", SOON, || async {
        stage.sales.get_opt("drop").await.unwrap().is_none()
    })
    .await;
    // What was no job had become a dead letter, which does not go without a word.
    let told = stage.until_event("drop", "DeadLettersDropped").await;
    assert!(told.starts_with("1 dead letter goes"), "{told}");
    let stopped = "workers 1 → 0: the sale is deleted, and every job has its outcome";
    let events = stage.events("drop").await;
    assert!(
        events.iter().any(|(_, note)| note.starts_with(stopped)),
        "{events:#?}"
    );
    assert_eq!(catalogue::read(&mut queue, &id).await.unwrap(), None);
    let keys: Vec<String> = redis::cmd("KEYS")
        .arg("*")
        .query_async(&mut queue)
        .await
        .unwrap();
    let mut left = keys.iter().filter(|key| key.contains(id.as_str()));
    assert_eq!(left.next(), Some(&SaleKeys::new(&id).withdrawn()));
    assert_eq!(left.next(), None);
    assert_eq!(
        flashsale_e2e::shopping::orders(&stage.services, &id).await,
        20
    );
}

/// Law 7 counts orders that wait for their payment: they keep the worker, the product and the object.
#[tokio::test]
async fn a_sale_whose_orders_wait_for_their_payment_is_settling_until_none_does() {
    let stage = Stage::set(Services::start().await).await;
    let _operator = stage.operator("operator").await;
    let spec = with(
        one_product("shoe", 3),
        &json!({
            "payment": {"windowSeconds": 20, "graceSeconds": 0},
            "worker": {"minReplicas": 0, "scaleDownStabilizationSeconds": 1},
        }),
    );
    stage.create("drop", spec).await;
    stage.until_phase("drop", "Open").await;
    let gateway = Child::gateway(&stage.services, "gateway").await;
    let _worker = Child::worker(&stage.services, "worker").await;
    for shopper in ["pays", "forgets"] {
        flashsale_e2e::shopping::buy(&gateway, "shoe", shopper).await;
    }
    let ledger = stage.services.ledger.pool();
    until("both are settled", SOON, || async {
        let pending = sqlx::query_scalar("SELECT count(*) FROM orders WHERE status = 'PENDING'");
        let pending: i64 = pending.fetch_one(ledger).await.unwrap();
        pending == 2
    })
    .await;
    stage
        .edit("drop", json!({"closesAt": seconds_from_now(0)}))
        .await;
    let settling = stage.until_phase("drop", "Settling").await;
    assert!(settling.closed_at.is_some() && settling.drained_at.is_none());
    assert_eq!(settling.pending_orders, Some(2));
    // Gateways and `flashsale sales` are told, too.
    let keys = SaleKeys::new(&stage.id("drop"));
    let mut queue = stage.services.queue.clone();
    let told: Option<u64> = queue.get(keys.pending()).await.unwrap();
    assert_eq!(told, Some(2));
    let said = stage
        .until_condition("drop", "Drained", "False", "Settling")
        .await;
    assert!(said.contains("2 orders wait for payment"), "{said}");
    stage.until_replicas("drop", 1).await;

    stage
        .sales
        .delete("drop", &DeleteParams::default())
        .await
        .unwrap();
    sqlx::query("UPDATE orders SET status = 'COMPLETED' WHERE user_id = 'pays'")
        .execute(ledger)
        .await
        .unwrap();
    until("the object is gone", SOON, || async {
        stage.sales.get_opt("drop").await.unwrap().is_none()
    })
    .await;
    let orders: Vec<(String, String)> = sqlx::query_as(
        "SELECT user_id, concat_ws(' ', status, end_reason) FROM orders ORDER BY user_id",
    )
    .fetch_all(ledger)
    .await
    .unwrap();
    let ended = |(user, status): (&str, &str)| (user.to_owned(), status.to_owned());
    let expected = [("forgets", "CANCELLED expired"), ("pays", "COMPLETED")];
    assert_eq!(orders, expected.map(ended));
}
