//! Several operators over one namespace: each sale is looked after by one of them.

use std::time::Duration;

use flashsale_e2e::{
    operator::{Operator, SOON, Stage, one_product, with},
    patience::until,
    services::Services,
};
use serde_json::json;

/// How long nothing may happen to workers over which two operators could fight.
const WATCHED: Duration = Duration::from_secs(5);

/// An operator of an installation of its own: neither its lease nor its image is that of others.
async fn installation(stage: &Stage, name: &str, arguments: &[&str]) -> Operator {
    let image = format!("docker.io/local/{name}:test");
    let own = ["--lease-name", name, "--worker-image", &image];
    let arguments: Vec<&str> = own.iter().chain(arguments).copied().collect();
    stage.operator_with(name, &arguments).await
}

async fn image(stage: &Stage, sale: &str) -> Option<String> {
    let deployment = stage.workers(sale).await?;
    deployment.spec?.template.spec?.containers[0].image.clone()
}

async fn generation(stage: &Stage, sale: &str) -> Option<i64> {
    stage.workers(sale).await?.metadata.generation
}

async fn until_image(stage: &Stage, sale: &str, name: &str) {
    let wanted = format!("docker.io/local/{name}:test");
    until(
        &format!("{sale} has the workers of {name}"),
        2 * SOON,
        || async { image(stage, sale).await.as_ref() == Some(&wanted) },
    )
    .await;
}

#[tokio::test]
async fn of_two_installations_one_writes_and_the_other_says_why_it_does_not() {
    let stage = Stage::set(Services::start().await).await;
    let first = installation(&stage, "first", &[]).await;
    stage.create("drop", one_product("shoe", 5)).await;
    stage.until_replicas("drop", 1).await;
    until_image(&stage, "drop", "first").await;
    let before = generation(&stage, "drop").await;
    let second = installation(&stage, "second", &[]).await;
    let said = stage.until_event("drop", "OperatorConflict").await;
    let lease = format!("{}/first", stage.namespace);
    assert!(said.contains(&lease), "{said}");
    tokio::time::sleep(WATCHED).await;
    assert_eq!(generation(&stage, "drop").await, before);
    assert_eq!(stage.status("drop").await.operator, Some(lease));

    // A sale that both see for the first time has one of them.
    stage.create("both", one_product("hat", 5)).await;
    stage.until_replicas("both", 1).await;
    let before = generation(&stage, "both").await;
    tokio::time::sleep(WATCHED).await;
    assert_eq!(generation(&stage, "both").await, before);

    // Whoever is left takes over, also from one that could not say goodbye.
    first.kill().await;
    let changed = json!({"worker": {"podLabels": {"team": "shop"}}});
    stage.edit("drop", changed).await;
    until_image(&stage, "drop", "second").await;
    drop(second);
}

#[tokio::test]
async fn operators_of_two_classes_leave_each_others_sales_alone() {
    let stage = Stage::set(Services::start().await).await;
    let _plain = installation(&stage, "plain", &[]).await;
    let _blue = installation(&stage, "blue", &["--operator-class", "blue"]).await;
    stage.create("one", one_product("shoe", 5)).await;
    let of_blue = json!({"operatorClass": "blue"});
    stage
        .create("two", with(one_product("hat", 5), &of_blue))
        .await;
    for (sale, name) in [("one", "plain"), ("two", "blue")] {
        stage.until_replicas(sale, 1).await;
        until_image(&stage, sale, name).await;
        let events = stage.events(sale).await;
        let told = events
            .iter()
            .any(|(reason, _)| reason == "OperatorConflict");
        assert!(!told, "{events:?}");
    }
    // Given to the other one, with its workers.
    let changed = json!({"operatorClass": "blue", "worker": {"podLabels": {"team": "shop"}}});
    stage.edit("one", changed).await;
    until_image(&stage, "one", "blue").await;
    let before = generation(&stage, "one").await;
    tokio::time::sleep(WATCHED).await;
    assert_eq!(generation(&stage, "one").await, before);
}

#[tokio::test]
async fn one_operator_watches_several_namespaces_and_no_other() {
    let services = Services::start().await;
    let [here, there, elsewhere] = [
        Stage::set(services).await,
        Stage::set(Services::start().await).await,
        Stage::set(Services::start().await).await,
    ];
    let operator = here
        .operator_with("operator", &["--namespace", &there.namespace])
        .await;
    elsewhere.create("drop", one_product("shoe", 5)).await;
    for stage in [&here, &there] {
        stage.create("drop", one_product("shoe", 5)).await;
        stage.until_phase("drop", "Open").await;
        stage.until_replicas("drop", 1).await;
    }
    assert_eq!(elsewhere.status("drop").await.phase, None);
    let both = "flashsale_operator_sales{phase=\"Open\"} 2";
    until("both are counted", SOON, || async {
        operator.metrics().await.contains(both)
    })
    .await;
}
