//! A Secret changes while its sale is open.

use std::time::{Duration, Instant};

use flashsale_e2e::{
    operator::{SOON, Stage, one_product},
    patience::until,
    processes::Child,
    services::Services,
    shopping::{buy, orders, press},
};
use flashsale_queue::{catalogue, connect};
use flashsale_testbed::{
    data_dir::DataDir,
    redis::{AppendFsync, Redis},
};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, api::DeleteParams};
use serde_json::json;

/// A Secret is read again with a sale's next visit, and a reading counts for a moment.
const PICKED_UP: Duration = Duration::from_secs(45);

/// The annotation of the pods that says which addresses they were started with.
const FINGERPRINT: &str = "flashsale.dev/addresses";

#[tokio::test]
async fn a_changed_address_moves_the_sale_and_its_workers() {
    let mut stage = Stage::set(Services::start().await).await;
    let operator = stage.operator("operator").await;
    stage.create("drop", one_product("shoe", 5)).await;
    stage.until_replicas("drop", 1).await;
    let id = stage.id("drop");
    {
        let gateway = Child::gateway(&stage.services, "gateway").await;
        let worker = Child::worker(&stage.services, "worker").await;
        for shopper in ["one", "two"] {
            buy(&gateway, "shoe", shopper).await;
        }
        until("two orders", SOON, || async {
            orders(&stage.services, &id).await == 2
        })
        .await;
        worker.terminate().await;
    }
    let before = fingerprint(&stage).await;
    assert!(before.is_some());

    let directory = DataDir::temporary().unwrap();
    let redis = Redis::start(&directory, AppendFsync::EverySecond)
        .await
        .unwrap();
    let _old = std::mem::replace(&mut stage.services.redis, redis);
    let address = stage.services.redis.url();
    let changed = Instant::now();
    stage.write_secret("flashsale-redis", &address).await;
    let queue = connect::shared(&connect::redis_client(&address).unwrap()).unwrap();
    until(
        "the sale is announced where the Secret says",
        PICKED_UP,
        || {
            let mut queue = queue.clone();
            let id = &id;
            async move { catalogue::read(&mut queue, id).await.unwrap().is_some() }
        },
    )
    .await;
    until("the workers are started anew", PICKED_UP, || async {
        fingerprint(&stage).await != before
    })
    .await;
    println!("moved {:?} after the Secret was changed", changed.elapsed());
    assert!(changed.elapsed() < PICKED_UP);
    assert!(!operator.log().contains(&address), "an address is a secret");

    // What was sold is sold.
    let gateway = Child::gateway(&stage.services, "gateway-moved").await;
    let _worker = Child::worker(&stage.services, "worker-moved").await;
    for shopper in ["three", "four", "five"] {
        buy(&gateway, "shoe", shopper).await;
    }
    assert_eq!(press(&gateway, "shoe", "six").await.0, 409);
    stage.until_phase("drop", "SoldOut").await;
    until("five orders", SOON, || async {
        orders(&stage.services, &id).await == 5
    })
    .await;
}

#[tokio::test]
async fn an_open_sale_outlives_its_secret() {
    let stage = Stage::set(Services::start().await).await;
    let _operator = stage.operator("operator").await;
    stage.create("drop", one_product("shoe", 50)).await;
    stage.until_replicas("drop", 1).await;
    let gateway = Child::gateway(&stage.services, "gateway").await;
    let secrets: Api<Secret> = Api::namespaced(stage.cluster.client(), &stage.namespace);
    let parameters = DeleteParams::default();
    secrets
        .delete("flashsale-redis", &parameters)
        .await
        .unwrap();
    // Whatever is changed about the object makes the operator look at it.
    let looks = std::cell::Cell::new(0);
    let gone = Instant::now();
    until("the operator misses the Secret", PICKED_UP, || async {
        looks.set(looks.get() + 1);
        stage
            .annotate("drop", "test/look", json!(looks.get().to_string()))
            .await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        let status = stage.status("drop").await;
        status
            .conditions
            .iter()
            .any(|condition| condition.reason == "SecretMissing")
    })
    .await;
    println!("missed {:?} after it was deleted", gone.elapsed());
    assert_eq!(stage.status("drop").await.phase.as_deref(), Some("Open"));
    buy(&gateway, "shoe", "somebody").await;
    stage.until_event("drop", "SecretMissing").await;
    let address = stage.services.redis.url();
    stage.write_secret("flashsale-redis", &address).await;
    stage
        .until_condition("drop", "Accepted", "True", "Accepted")
        .await;
}

async fn fingerprint(stage: &Stage) -> Option<String> {
    let pods = stage.workers("drop").await?.spec?.template.metadata?;
    pods.annotations?.remove(FINGERPRINT)
}
