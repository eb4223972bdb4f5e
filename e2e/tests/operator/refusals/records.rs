//! A record in Redis that a later release wrote: after a rollback over more than one release.

use flashsale_e2e::{
    operator::{Stage, one_product},
    services::Services,
};
use flashsale_queue::keys::SaleKeys;
use kube::api::DeleteParams;
use redis::AsyncCommands;
use serde_json::{Value, json};

/// The record of the sale, as JSON.
async fn read(stage: &Stage, name: &str) -> Option<Value> {
    let mut queue = stage.services.queue.clone();
    let key = SaleKeys::new(&stage.id(name));
    let json: Option<String> = queue.hget(key.record(), "sale").await.unwrap();
    json.map(|json| serde_json::from_str(&json).unwrap())
}

async fn write(stage: &Stage, name: &str, record: &Value) {
    write_text(stage, name, &record.to_string()).await;
}

async fn write_text(stage: &Stage, name: &str, text: &str) {
    let mut queue = stage.services.queue.clone();
    let key = SaleKeys::new(&stage.id(name));
    let () = queue.hset(key.record(), "sale", text).await.unwrap();
}

#[tokio::test]
async fn a_record_that_no_release_writes_is_told_of_and_kept_until_it_is_removed() {
    let stage = Stage::set(Services::start().await).await;
    let _operator = stage.operator("operator").await;
    stage.create("drop", one_product("p", 5)).await;
    stage.until_phase("drop", "Open").await;
    write_text(&stage, "drop", "no JSON").await;
    let told = stage
        .until_condition("drop", "QueueReachable", "False", "")
        .await;
    assert!(told.contains("is not readable"), "{told}");
    stage.edit("drop", json!({"attempts": 7})).await;
    let generation = stage.sales.get("drop").await.unwrap().metadata.generation;
    stage
        .until("drop", "the edit is judged", |status| {
            status.observed_generation == generation
        })
        .await;
    let mut queue = stage.services.queue.clone();
    let key = SaleKeys::new(&stage.id("drop"));
    let kept: String = queue.hget(key.record(), "sale").await.unwrap();
    assert_eq!(kept, "no JSON");

    let () = queue.hdel(key.record(), "sale").await.unwrap();
    stage
        .until_condition("drop", "QueueReachable", "True", "")
        .await;
    let record = read(&stage, "drop").await.unwrap();
    assert_eq!(record["retry"]["attempts"], 7, "{record}");
}

#[tokio::test]
async fn a_record_of_a_later_release_is_told_of_and_kept() {
    let stage = Stage::set(Services::start().await).await;
    let _operator = stage.operator("operator").await;
    stage.create("drop", one_product("p", 5)).await;
    stage.until_phase("drop", "Open").await;
    let record = read(&stage, "drop").await.unwrap();
    assert_eq!(record["format"], 1, "{record}");

    let mut later = record.clone();
    later["format"] = json!(2);
    write(&stage, "drop", &later).await;
    let told = stage
        .until_condition("drop", "QueueReachable", "False", "")
        .await;
    assert!(
        told.contains("has format 2") && told.contains("later release"),
        "{told}"
    );
    // An edit does not overwrite it, and neither does a deletion take it away.
    stage.edit("drop", json!({"attempts": 7})).await;
    let parameters = DeleteParams::default();
    stage.sales.delete("drop", &parameters).await.unwrap();
    let told = stage
        .until_condition("drop", "Drained", "False", "DeletionBlocked")
        .await;
    assert!(told.contains("has format 2"), "{told}");
    assert_eq!(read(&stage, "drop").await, Some(later));

    write(&stage, "drop", &record).await;
    flashsale_e2e::patience::until(
        "the sale is gone",
        flashsale_e2e::operator::SOON,
        || async { stage.sales.get_opt("drop").await.unwrap().is_none() },
    )
    .await;
    assert_eq!(read(&stage, "drop").await, None);
}
