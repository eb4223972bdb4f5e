//! PostgreSQL is away.

use std::time::{Duration, Instant};

use flashsale_e2e::services::Services;
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
