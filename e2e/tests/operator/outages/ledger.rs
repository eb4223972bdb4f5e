//! PostgreSQL is away.

use std::time::{Duration, Instant};

use flashsale_domain::id::ProductId;
use flashsale_e2e::{
    operator::{SOON, Stage, one_product},
    patience::until,
    services::Services,
};
use flashsale_queue::{keys::SaleKeys, stock};
use redis::AsyncCommands as _;
use serde_json::Value;

use super::scene::{LANES, Scene, WORKERS};
use crate::{
    figures::{random_phase, sample},
    replicas::Replicas,
};

/// Buys are still taken, and wait; the workers that will settle them stay, and more come.
#[tokio::test(flavor = "multi_thread")]
async fn a_postgres_that_died_takes_no_worker_away() {
    let mut scene = Scene::set(Services::start_own().await, Value::Null).await;
    let start = Instant::now();
    let postgres = scene.stage.services.postgres.as_mut().unwrap();
    postgres.kill().await.unwrap();
    scene.told(start, "DatabaseReachable", "False").await;
    scene.stage.until_event("hit", "DatabaseUnreachable").await;
    let metrics = scene.operator.metrics().await;
    let up = |what| {
        let sale = scene.stage.id("hit");
        sample(
            &metrics,
            &format!("flashsale_operator_{what}_up{{sale=\"{sale}\"}}"),
        )
    };
    assert_eq!((up("queue"), up("ledger")), (Some(1.0), Some(0.0)));
    tokio::join!(scene.endure(start), spike(&scene));
    for about in ["QueueReachable", "Open"] {
        scene.stage.until_condition("hit", about, "True", "").await;
    }
    let postgres = scene.stage.services.postgres.as_mut().unwrap();
    postgres.restart().await.unwrap();
    let back = Instant::now();
    scene.told(back, "DatabaseReachable", "True").await;
    scene.goes_on().await;
}

/// The queue of the sale that is hit grows in the middle of the outage.
async fn spike(scene: &Scene) {
    let mut replicas = Replicas::watch(&scene.stage, "hit");
    replicas.until(WORKERS, Duration::from_secs(5)).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    for lane in LANES..LANES + 2 {
        let start = Instant::now();
        let services = &scene.stage.services;
        scene.hit.fill(services, lane..lane + 1, 10).await;
        let wanted = i32::try_from(lane + 1).unwrap();
        let answered = replicas.until(wanted, Duration::from_secs(10)).await;
        let took = answered - start;
        println!("a spike without PostgreSQL was answered after {took:?}");
        assert!(took <= Duration::from_secs(2), "{took:?}");
        tokio::time::sleep(Duration::from_secs(2) + random_phase()).await;
    }
}

/// PostgreSQL has forgotten what it told: Redis follows it again, and people are told until it is
/// repaired.
#[tokio::test(flavor = "multi_thread")]
async fn a_postgres_that_went_back_is_followed_and_told_until_it_is_repaired() {
    let stage = Stage::set(Services::start().await).await;
    let operator = stage.operator("operator").await;
    stage.create("drop", one_product("shoe", 5)).await;
    stage.until_phase("drop", "Open").await;
    stage
        .until_condition("drop", "LedgerIntact", "True", "NothingMissing")
        .await;
    let sale = stage.id("drop");
    let (keys, shoe) = (SaleKeys::new(&sale), ProductId::new("shoe").unwrap());
    let mut queue = stage.services.queue.clone();
    // What the lost commits had told: sold out, at a version that the ledger does not know.
    let lost = [("shoe", 0), ("shoe@", 50), ("$", 4_711)];
    let () = queue.hset_multiple(keys.stock(), &lost).await.unwrap();
    stage
        .until_condition("drop", "LedgerIntact", "False", "LedgerWentBack")
        .await;
    stage.until_event("drop", "LedgerWentBack").await;
    let series = format!("flashsale_operator_ledger_went_back{{sale=\"{sale}\"}}");
    assert_eq!(sample(&operator.metrics().await, &series), Some(1.0));
    let known = stock::read(&mut queue, &keys).await.unwrap()[&shoe];
    assert_eq!(known.stock, Some(5));
    assert!(known.version > 50, "{known:?}");
    let next: i64 = sqlx::query_scalar("SELECT nextval('orders_id_seq')")
        .fetch_one(stage.services.ledger.pool())
        .await
        .unwrap();
    assert_eq!(next, 4_712);
    flashsale_recovery::clear_mark(&mut queue, &sale)
        .await
        .unwrap();
    stage
        .until_condition("drop", "LedgerIntact", "True", "NothingMissing")
        .await;
    stage.until_event("drop", "Recovered").await;
    operator.terminate().await;
}

/// A worker of the previous release that was left over from an upgrade shows.
#[tokio::test(flavor = "multi_thread")]
async fn batches_of_workers_of_the_previous_release_are_counted() {
    let stage = Stage::set(Services::start().await).await;
    let operator = stage.operator("operator").await;
    stage.create("drop", one_product("shoe", 5)).await;
    stage.until_phase("drop", "Open").await;
    let sale = stage.id("drop");
    let series = format!("flashsale_operator_unfenced_batches{{sale=\"{sale}\"}}");
    let counted = async || sample(&operator.metrics().await, &series);
    assert_eq!(counted().await, Some(0.0));
    sqlx::query(
        "SELECT settle_batch($1, 'shoe', ARRAY[gen_random_uuid()], ARRAY['ann'], ARRAY['k'])",
    )
    .bind(sale.as_str())
    .execute(stage.services.ledger.pool())
    .await
    .unwrap();
    until("the batch is counted", SOON, async || {
        counted().await == Some(1.0)
    })
    .await;
    operator.terminate().await;
}
