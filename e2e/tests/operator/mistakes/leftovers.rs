//! Objects whose stores or Secrets are gone can be deleted: at once where nothing was ever in force,
//! else by an annotation, and what is left behind is told and can be freed later.

use std::process::Output;

use flashsale_e2e::{operator::Stage, patience::until, services::Services};
use flashsale_testbed::binaries;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, api::DeleteParams};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tokio::process::Command;

use super::{
    NOWHERE, SECRET_FRESH, SOON, delete, open, own_secrets, record, until_gone, until_workers,
};

#[tokio::test]
async fn a_sale_that_never_was_in_force_goes_whatever_is_missing() {
    let stage = Stage::set(Services::start().await).await;
    let _operator = stage.operator("operator").await;
    for (store, address) in NOWHERE {
        let name = format!("no-{store}");
        let spec = own_secrets(&stage, &name).await;
        stage
            .write_secret(&format!("{name}-{store}"), address)
            .await;
        stage.create(&name, spec).await;
    }
    let mut spec = own_secrets(&stage, "no-secret").await;
    spec["redisSecretRef"]["name"] = json!("never-made");
    stage.create("no-secret", spec).await;
    let said = stage
        .until_condition("no-database", "Accepted", "Unknown", "Undeclared")
        .await;
    assert!(
        said.contains("refused") && said.contains("127.0.0.1:1"),
        "{said}"
    );
    stage
        .until_condition("no-redis", "QueueReachable", "False", "")
        .await;
    stage
        .until_condition("no-secret", "Accepted", "False", "SecretMissing")
        .await;
    let names = ["no-database", "no-redis", "no-secret"];
    for name in names {
        delete(&stage, name).await;
    }
    for name in names {
        until_gone(&stage, name).await;
    }
    // Its products were declared, and are free again.
    stage.until_event("no-redis", "LeftBehind").await;
    let stock = stage.services.ledger.stock(&stage.id("no-redis")).await;
    assert!(stock.unwrap().is_empty());
}

#[tokio::test]
async fn a_deletion_says_what_it_waits_for_and_can_leave_it_behind() {
    let stage = Stage::set(Services::start().await).await;
    let operator = stage.lone_operator("before").await;
    let names = ["redis-lost", "database-lost", "secrets-lost"];
    for name in names {
        let market = open(&stage, name).await;
        if name != "database-lost" {
            market.fill(&stage.services, 0..1, 1).await;
            until_workers(&stage, name, None).await;
        }
    }
    let [(_, nowhere), (_, no_redis)] = NOWHERE;
    stage.write_secret("redis-lost-redis", no_redis).await;
    stage.write_secret("database-lost-database", nowhere).await;
    let secrets: Api<Secret> = Api::namespaced(stage.cluster.client(), &stage.namespace);
    for store in ["redis", "database"] {
        let name = format!("secrets-lost-{store}");
        secrets
            .delete(&name, &DeleteParams::default())
            .await
            .unwrap();
    }
    // Whoever leads now has seen none of them with its stores.
    operator.kill().await;
    tokio::time::sleep(SECRET_FRESH).await;
    let _operator = stage.lone_operator("after").await;
    for name in names {
        delete(&stage, name).await;
    }
    for name in names {
        let said = stage
            .until_condition(name, "Drained", "False", "DeletionBlocked")
            .await;
        println!("{name}: {said}");
        assert!(said.contains("abandon-queue=true"), "{said}");
        stage.until_event(name, "DeletionBlocked").await;
    }
    // Mended: the stores are those of the Secret of now.
    let address = stage.services.database_url.clone();
    stage.write_secret("database-lost-database", &address).await;
    for name in ["redis-lost", "secrets-lost"] {
        stage
            .annotate(name, "flashsale.dev/abandon-queue", json!("true"))
            .await;
    }
    for name in names {
        until_gone(&stage, name).await;
    }
    for name in ["redis-lost", "secrets-lost"] {
        for reason in ["QueueAbandoned", "LeftBehind"] {
            stage.until_event(name, reason).await;
        }
        assert!(record(&stage, name).await.is_some(), "it was left behind");
    }
    withdrawn_by_hand(&stage).await;
}

/// What was left behind is listed, and freed by hand.
async fn withdrawn_by_hand(stage: &Stage) {
    let arguments = ["get", "flashsales", "-A", "-o", "json"];
    let objects = stage.cluster.kubectl(&arguments).await.stdout;
    let file = stage.services.data_dir.path().join("objects.json");
    std::fs::write(&file, objects).unwrap();
    let file = file.to_str().unwrap();
    let listed = flashsale(stage, &["sales", "--orphans", file]).await;
    let text = String::from_utf8(listed.stdout).unwrap();
    println!("{text}");
    for name in ["redis-lost", "secrets-lost"] {
        let id = stage.id(name);
        assert!(text.contains(id.as_str()), "{text}");
        let kept = flashsale(stage, &["withdraw", id.as_str()]).await;
        assert_eq!(kept.status.code(), Some(1), "a job waits: {kept:?}");
        let freed = flashsale(stage, &["withdraw", id.as_str(), "--abandon-queue"]).await;
        assert!(freed.status.success(), "{freed:?}");
        assert_eq!(record(stage, name).await, None);
        let stock = stage.services.ledger.stock(&id).await.unwrap();
        assert!(stock.is_empty(), "{stock:?}");
    }
    until("no orphan is left", SOON, || async {
        let listed = flashsale(stage, &["sales", "--orphans", file]).await;
        listed.status.success()
    })
    .await;
}

async fn flashsale(stage: &Stage, arguments: &[&str]) -> Output {
    Command::new(binaries::find("flashsale").unwrap())
        .args(arguments)
        .env("FLASHSALE_REDIS_URL", stage.services.redis.url())
        .env("FLASHSALE_DATABASE_URL", &stage.services.database_url)
        .output()
        .await
        .unwrap()
}

/// Somebody took the finalizer off, and the object with it: nobody sells on behalf of nothing.
#[tokio::test]
async fn a_sale_whose_object_vanished_is_closed_and_freed() {
    let stage = Stage::set(Services::start().await).await;
    let operator = stage.operator("operator").await;
    open(&stage, "drop").await;
    operator.process.signal(Signal::SIGSTOP).unwrap();
    delete(&stage, "drop").await;
    let finalizers = json!({"metadata": {"finalizers": Value::Null}});
    let patch = kube::api::Patch::Merge(finalizers);
    stage
        .sales
        .patch("drop", &kube::api::PatchParams::default(), &patch)
        .await
        .unwrap();
    operator.process.signal(Signal::SIGCONT).unwrap();
    until("the sale is withdrawn", SOON, || async {
        record(&stage, "drop").await.is_none()
    })
    .await;
    until("its product is free", SOON, || async {
        let stock = stage.services.ledger.stock(&stage.id("drop")).await;
        stock.unwrap().is_empty()
    })
    .await;
}
