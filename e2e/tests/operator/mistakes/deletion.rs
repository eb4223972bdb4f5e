//! A deleted sale keeps its workers until its lanes are empty.

use std::time::{Duration, Instant};

use flashsale_e2e::{
    operator::Stage, patience::until, processes::Child, services::Services, shopping::orders,
};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams},
};
use serde_json::json;

use super::{open, record, until_gone, until_workers};
use crate::market::Market;

#[tokio::test]
async fn a_deleted_sale_gets_workers_again_until_its_lanes_are_empty() {
    let stage = Stage::set(Services::start().await).await;
    let _operator = stage.operator("operator").await;
    let market = open(&stage, "drop").await;
    market.fill(&stage.services, 0..1, 3).await;
    let first = until_workers(&stage, "drop", None).await;
    // The garbage collector takes the dependents first.
    stage
        .sales
        .delete("drop", &DeleteParams::foreground())
        .await
        .unwrap();
    let second = until_workers(&stage, "drop", Some(&first)).await;
    let parameters = DeleteParams::default();
    stage
        .deployments
        .delete("drop-worker", &parameters)
        .await
        .unwrap();
    until_workers(&stage, "drop", Some(&second)).await;
    // What keeps its pods from running can still be corrected.
    let image = "docker.io/local/flashsale:corrected";
    stage
        .edit("drop", json!({"worker": {"image": image}}))
        .await;
    until("the image is corrected", super::SOON, || async {
        let deployment = stage.workers("drop").await;
        let template = deployment.and_then(|found| found.spec?.template.spec);
        template.is_some_and(|pod| pod.containers[0].image.as_deref() == Some(image))
    })
    .await;
    let _worker = Child::worker(&stage.services, "worker").await;
    until_gone(&stage, "drop").await;
    assert_eq!(orders(&stage.services, &stage.id("drop")).await, 3);
}

/// Nobody had the time to make a Deployment before the deletion.
#[tokio::test]
async fn a_sale_deleted_before_its_first_worker_is_drained_too() {
    let stage = Stage::set(Services::start().await).await;
    let operator = stage.lone_operator("before").await;
    let market = Market::open(&stage, "drop", 1, json!({"minReplicas": 0})).await;
    operator.kill().await;
    market.fill(&stage.services, 0..1, 3).await;
    super::delete(&stage, "drop").await;
    let _operator = stage.lone_operator("after").await;
    until_workers(&stage, "drop", None).await;
    stage.until_phase("drop", "Draining").await;
    let _worker = Child::worker(&stage.services, "worker").await;
    until_gone(&stage, "drop").await;
    assert_eq!(orders(&stage.services, &stage.id("drop")).await, 3);
}

/// What the issue of such an end may take, once the annotation is set.
const PROMISED: Duration = Duration::from_mins(1);

/// Another operator knows nothing of a namespace's sales but what is left of them: the Secrets with
/// the addresses go first.
#[tokio::test]
async fn a_sale_in_a_namespace_that_is_deleted_ends_under_another_operator_too() {
    let stage = Stage::set(Services::start().await).await;
    let operator = stage.lone_operator("before").await;
    let market = open(&stage, "drop").await;
    market.fill(&stage.services, 0..1, 2).await;
    until_workers(&stage, "drop", None).await;
    let namespaces: Api<Namespace> = Api::all(stage.cluster.client());
    let parameters = DeleteParams::default();
    namespaces
        .delete(&stage.namespace, &parameters)
        .await
        .unwrap();
    stage
        .until_condition("drop", "Drained", "False", "DeletionBlocked")
        .await;
    let secrets: Api<Secret> = Api::namespaced(stage.cluster.client(), &stage.namespace);
    until("the Secrets are gone", super::SOON, || async {
        let left = secrets.list(&ListParams::default()).await.unwrap();
        left.items
            .iter()
            .all(|secret| !secret.name_any().starts_with("drop-"))
    })
    .await;
    operator.kill().await;
    let _operator = stage.lone_operator("after").await;
    stage
        .until(
            "drop",
            "the other operator says what is missing",
            |status| {
                let mut told = status.conditions.iter().map(|told| told.message.as_str());
                told.any(|message| {
                    message.starts_with("what the sale holds cannot be freed")
                        && message.contains("flashsale.dev/abandon-queue=true")
                })
            },
        )
        .await;
    let began = Instant::now();
    stage
        .annotate("drop", "flashsale.dev/abandon-queue", json!("true"))
        .await;
    until_gone(&stage, "drop").await;
    println!(
        "the object was gone {:?} after the annotation",
        began.elapsed()
    );
    assert!(began.elapsed() < PROMISED);
    // No operator can know any more where its keys are: `flashsale sales --orphans` lists them.
    assert!(record(&stage, "drop").await.is_some());
}

/// In a namespace that goes no worker can start any more.
#[tokio::test]
async fn a_sale_in_a_namespace_that_is_deleted_says_so_and_can_be_given_up() {
    let stage = Stage::set(Services::start().await).await;
    let _operator = stage.lone_operator("operator").await;
    let market = open(&stage, "drop").await;
    market.fill(&stage.services, 0..1, 1).await;
    until_workers(&stage, "drop", None).await;
    let namespaces: Api<Namespace> = Api::all(stage.cluster.client());
    let parameters = DeleteParams::default();
    namespaces
        .delete(&stage.namespace, &parameters)
        .await
        .unwrap();
    let said = stage
        .until_condition("drop", "Drained", "False", "DeletionBlocked")
        .await;
    assert!(said.contains("is being terminated"), "{said}");
    let give_up = "flashsale.dev/abandon-queue";
    stage.annotate("drop", give_up, json!("true")).await;
    until_gone(&stage, "drop").await;
    // Its Secrets went first; the operator still knew what they said.
    assert_eq!(record(&stage, "drop").await, None);
}
