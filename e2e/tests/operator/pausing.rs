//! What the operator leaves alone when it is asked to, and what it takes up by itself when a Secret
//! changes.

mod secrets;

use std::time::Duration;

use flashsale_domain::lifecycle::Announced;
use flashsale_e2e::{
    operator::{SOON, Stage, one_product, with},
    patience::until,
    processes::Child,
    services::Services,
    shopping::{buy, press},
};
use flashsale_operator::crd::PAUSED;
use flashsale_queue::catalogue;
use kube::{
    ResourceExt,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::{Value, json};

/// For how long nothing may be written; the operator looks at an open sale every second.
const UNTOUCHED: Duration = Duration::from_secs(4);

#[tokio::test]
async fn a_paused_sale_stays_as_it_is_until_it_goes_on() {
    let stage = Stage::set(Services::start().await).await;
    let operator = stage.lone_operator("operator").await;
    // A new operator takes those who are there for needed until the window is over.
    let quick = json!({"worker": {"scaleDownStabilizationSeconds": 1}});
    stage
        .create("drop", with(one_product("shoe", 5), &quick))
        .await;
    stage.until_replicas("drop", 1).await;
    let gateway = Child::gateway(&stage.services, "gateway").await;
    stage.annotate("drop", PAUSED, json!("true")).await;
    stage
        .until_condition("drop", "Paused", "True", "Annotated")
        .await;
    stage
        .until_condition("drop", "Scaling", "False", "Paused")
        .await;
    stage.until_event("drop", "Paused").await;

    let mut edited = one_product("shoe", 50);
    edited["suspend"] = json!(true);
    stage.edit("drop", edited).await;
    stage
        .deployments
        .patch_scale(
            "drop-worker",
            &PatchParams::default(),
            &Patch::Merge(replicas(4)),
        )
        .await
        .unwrap();
    let before = world(&stage).await;
    stays(&stage, &before).await;
    buy(&gateway, "shoe", "somebody").await;
    // Another operator keeps its hands off, too.
    operator.kill().await;
    let operator = stage.lone_operator("successor").await;
    stays(&stage, &before).await;
    assert_eq!(stage.status("drop").await.phase.as_deref(), Some("Open"));

    stage.annotate("drop", PAUSED, Value::Null).await;
    let took = until("the edits are in force", SOON, || async {
        press(&gateway, "shoe", "another").await.0 == 403
    })
    .await;
    println!("in force {took:?} after the annotation was removed");
    stage
        .until_condition("drop", "Paused", "False", "NotAnnotated")
        .await;
    stage.until_event("drop", "Unpaused").await;
    stage.until_phase("drop", "Suspended").await;
    stage.until_replicas("drop", 1).await;
    let status = stage
        .until("drop", "the restock", |status| status.remaining == Some(50))
        .await;
    assert_eq!(status.sold, Some(0), "nobody settles here");
    operator.terminate().await;
}

#[tokio::test]
async fn a_sale_that_is_created_paused_waits_and_may_go() {
    let stage = Stage::set(Services::start().await).await;
    let _operator = stage.operator("operator").await;
    for (name, product) in [("waits", "shoe"), ("goes", "hat")] {
        let mut object = json!({
            "apiVersion": "flashsale.dev/v1alpha1", "kind": "FlashSale",
            "metadata": {"name": name, "namespace": stage.namespace},
            "spec": one_product(product, 5),
        });
        object["metadata"]["annotations"] = json!({ PAUSED: "true" });
        let created = serde_json::from_value(object).unwrap();
        stage
            .sales
            .create(&kube::api::PostParams::default(), &created)
            .await
            .unwrap();
        stage
            .until_condition(name, "Paused", "True", "Annotated")
            .await;
        assert!(stage.sales.get(name).await.unwrap().finalizers().is_empty());
        assert_eq!(in_force(&stage, name).await, None);
    }
    stage
        .sales
        .delete("goes", &DeleteParams::default())
        .await
        .unwrap();
    until("the paused sale is gone", SOON, || async {
        stage.sales.get_opt("goes").await.unwrap().is_none()
    })
    .await;
    stage.annotate("waits", PAUSED, json!("false")).await;
    stage.until_phase("waits", "Open").await;
}

/// What the operator could write.
#[derive(Debug, PartialEq)]
struct World {
    announced: Option<Announced>,
    stock: Vec<flashsale_domain::stock::StockLevel>,
    deployment_generation: Option<i64>,
    replicas: i32,
}

async fn world(stage: &Stage) -> World {
    let workers = stage.workers("drop").await.unwrap();
    World {
        announced: in_force(stage, "drop").await,
        stock: stage
            .services
            .ledger
            .stock(&stage.id("drop"))
            .await
            .unwrap(),
        deployment_generation: workers.metadata.generation,
        replicas: stage.replicas("drop").await,
    }
}

async fn in_force(stage: &Stage, name: &str) -> Option<Announced> {
    let mut queue = stage.services.queue.clone();
    catalogue::read(&mut queue, &stage.id(name)).await.unwrap()
}

async fn stays(stage: &Stage, before: &World) {
    tokio::time::sleep(UNTOUCHED).await;
    assert_eq!(world(stage).await, *before);
}

fn replicas(count: i32) -> Value {
    json!({"spec": {"replicas": count}})
}
