//! Redis is away.

use std::time::{Duration, Instant};

use flashsale_e2e::services::Services;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::{Value, json};

use super::scene::{OUTAGE, Scene, WORKERS};

/// Both at the same time, since an outage takes its minute.
#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_hangs_or_died_takes_no_worker_away() {
    tokio::join!(hangs(), died());
}

/// It takes connections and says nothing: the worst kind of outage. A fallback raises the workers.
async fn hangs() {
    let fallback = json!({"failureThreshold": 5, "replicas": 8});
    let scene = Scene::set(Services::start().await, fallback).await;
    let redis = Pid::from_raw(scene.stage.services.redis.pid().unwrap());
    let start = Instant::now();
    kill(redis, Signal::SIGSTOP).unwrap();
    unreachable(&scene, start).await;
    let fallback = async {
        scene.stage.until_replicas("hit", 8).await;
        println!("the fallback came after {:?}", start.elapsed());
        // Five failed looks, a second apart.
        assert!(start.elapsed() >= Duration::from_secs(4), "too soon");
        scene
            .stage
            .until_condition("hit", "Scaling", "False", "Fallback")
            .await;
    };
    tokio::join!(scene.endure(start), fallback);
    kill(redis, Signal::SIGCONT).unwrap();
    reachable(&scene).await;
    // The queue is known again, and asks for fewer than the fallback did.
    scene.stage.until_replicas("hit", WORKERS).await;
    scene.goes_on().await;
}

/// It refuses connections, and comes back with what it had.
async fn died() {
    let mut scene = Scene::set(Services::start().await, Value::Null).await;
    let start = Instant::now();
    scene.stage.services.redis.kill().await.unwrap();
    unreachable(&scene, start).await;
    scene
        .stage
        .until_condition("hit", "Scaling", "False", "Unreadable")
        .await;
    scene.endure(start).await;
    assert!(start.elapsed() >= OUTAGE);
    assert_eq!(scene.stage.replicas("hit").await, WORKERS);
    scene.stage.services.redis.restart().await.unwrap();
    reachable(&scene).await;
    assert_eq!(scene.stage.replicas("hit").await, WORKERS);
    scene.goes_on().await;
}

async fn unreachable(scene: &Scene, start: Instant) {
    scene.told(start, "QueueReachable", "False").await;
    scene.told(start, "Open", "Unknown").await;
    scene.stage.until_event("hit", "QueueUnreachable").await;
    // The ledger is another matter.
    scene
        .stage
        .until_condition("hit", "DatabaseReachable", "True", "")
        .await;
    let status = scene.stage.status("hit").await;
    assert_eq!(status.queue_depth, Some(60), "the last that was known");
}

async fn reachable(scene: &Scene) {
    let back = Instant::now();
    scene.told(back, "QueueReachable", "True").await;
    scene.told(back, "Open", "True").await;
    scene.told(back, "Scaling", "True").await;
}
