//! Workers whose role in PostgreSQL is not the operator's.

use flashsale_e2e::{
    operator::{SOON, Stage, one_product, with},
    patience::until,
    services::Services,
};
use flashsale_testbed::fixtures::roles::Logins;
use serde_json::{Value, json};

/// Name and key of the Secret that the workers' address of PostgreSQL comes from.
async fn secret_of_workers(stage: &Stage, name: &str) -> Option<(String, String)> {
    let deployment = serde_json::to_value(stage.workers(name).await?).unwrap();
    let variables = &deployment["spec"]["template"]["spec"]["containers"][0]["env"];
    let is_address = |variable: &&Value| variable["name"] == "FLASHSALE_DATABASE_URL";
    let found = variables
        .as_array()
        .unwrap()
        .iter()
        .find(is_address)
        .unwrap();
    let reference = &found["valueFrom"]["secretKeyRef"];
    let text = |field: &str| reference[field].as_str().unwrap().to_owned();
    Some((text("name"), text("key")))
}

#[tokio::test]
async fn workers_get_their_own_secret_and_the_operator_keeps_the_owners() {
    let stage = Stage::set(Services::start().await).await;
    let operator = stage
        .operator_with("operator", &["--worker-database-secret", "settling"])
        .await;
    let own = json!({"worker": {"databaseSecretRef": {"name": "mine", "key": "uri"}}});
    stage.create("shared", one_product("shoe", 5)).await;
    stage.create("own", with(one_product("hat", 5), &own)).await;
    // Said by the sale, not by pods that do not start.
    for name in ["shared", "own"] {
        stage
            .until_condition(name, "Accepted", "False", "SecretMissing")
            .await;
    }
    let workers = "postgres://shop_worker:a-password@127.0.0.1:1/shop";
    stage.write_secret("settling", workers).await;
    stage
        .write_secret_key("mine", "uri", workers.as_bytes().to_vec())
        .await;
    // The operator declares the products, which it could not do at that address.
    for (name, expected) in [("shared", ("settling", "url")), ("own", ("mine", "uri"))] {
        stage.until_phase(name, "Open").await;
        let expected = Some((expected.0.to_owned(), expected.1.to_owned()));
        until("its workers have the Secret", SOON, || async {
            secret_of_workers(&stage, name).await == expected
        })
        .await;
    }
    assert!(!operator.log().contains("a-password"), "{}", operator.log());
}

#[tokio::test]
async fn an_operator_with_the_role_of_workers_is_told_so_by_the_sale() {
    let services = Services::start().await;
    let logins = Logins::create(&services.ledger, &services.database_url).await;
    let stage = Stage::set(services).await;
    stage
        .write_secret("flashsale-database", &logins.worker)
        .await;
    let _operator = stage.operator("operator").await;
    stage.create("drop", one_product("shoe", 5)).await;
    let message = stage
        .until_condition("drop", "Accepted", "False", "RightMissing")
        .await;
    assert!(message.contains("permission denied"), "{message}");
    stage
        .write_secret("flashsale-database", &logins.owner)
        .await;
    stage.until_phase("drop", "Open").await;
}
