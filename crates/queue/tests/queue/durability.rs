//! What a real Redis tells about how it keeps its data.
#![allow(
    clippy::unwrap_used,
    reason = "tests say by unwrapping what they take for granted"
)]

use std::time::Duration;

use flashsale_domain::durability::judge_redis;
use flashsale_queue::{durability::read_redis, keys::SaleKeys};
use flashsale_testbed::{
    data_dir::DataDir,
    fixtures::{patience::until, sales::sale, services::Services},
    redis::Redis,
};

const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn redis_tells_of_its_replicas() {
    let services = Services::start().await;
    let keys = SaleKeys::new(&sale("drop", &[("p", 5)]).id);
    let judged = async |wanted| {
        let mut queue = services.queue.clone();
        let settings = read_redis(&mut queue, &keys).await.unwrap();
        let found = judge_redis(&settings, wanted);
        (found.holds, found.reason.as_str())
    };
    assert_eq!(judged(0).await, (Some(true), "SingleCopy"));
    assert_eq!(judged(1).await, (Some(false), "TooFewReplicas"));
    let data_dir = DataDir::temporary().unwrap();
    let mut replica = Redis::start_replica(&data_dir, &services.redis)
        .await
        .unwrap();
    until("the replica follows", PATIENCE, || async {
        judged(1).await == (Some(true), "ReplicaAcknowledged")
    })
    .await;
    assert_eq!(judged(0).await, (Some(false), "AsyncReplicas"));
    assert_eq!(judged(2).await, (Some(false), "TooFewReplicas"));
    let mut set = redis::cmd("CONFIG");
    set.arg(&["SET", "min-replicas-to-write", "1"]);
    set.exec_async(&mut services.queue.clone()).await.unwrap();
    assert_eq!(judged(0).await, (Some(true), "AsyncReplicas"));
    replica.kill().await.unwrap();
    until("the replica is missed", PATIENCE, || async {
        judged(1).await == (Some(false), "TooFewReplicas")
    })
    .await;
}
