//! What a sale may name: images, Secrets and annotations that the operator's configuration allows. What it
//! was accepted with stays in force, whatever the configuration says later.

use flashsale_e2e::{
    operator::{Stage, one_product, with},
    services::Services,
};
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Secret};
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};

/// An image that no operator of these tests allows by itself.
const FOREIGN: &str = "elsewhere.example.com/worker:1";

/// Sets or removes (by null) the label by which sales may name a Secret.
async fn label(stage: &Stage, secret: &str, value: Value) {
    let secrets: Api<Secret> = Api::namespaced(stage.cluster.client(), &stage.namespace);
    let patch = json!({"metadata": {"labels": {"flashsale.dev/allowed": value}}});
    let patch = Patch::Merge(patch);
    secrets
        .patch(secret, &PatchParams::default(), &patch)
        .await
        .unwrap();
}

async fn refused(stage: &Stage, name: &str) -> String {
    let said = stage
        .until_condition(name, "Accepted", "False", "NotAllowed")
        .await;
    stage.until_event(name, "NotAllowed").await;
    said
}

async fn accepted(stage: &Stage, name: &str) {
    stage
        .until_condition(name, "Accepted", "True", "Accepted")
        .await;
}

fn image(deployment: &Deployment) -> Option<&str> {
    let template = &deployment.spec.as_ref()?.template;
    template.spec.as_ref()?.containers[0].image.as_deref()
}

#[tokio::test]
async fn a_sale_names_what_is_allowed_and_nothing_else() {
    let stage = Stage::set(Services::start().await).await;
    let _operator = stage.operator("operator").await;
    let worker = |worker: Value| with(one_product("shoe", 5), &json!({ "worker": worker }));
    let vault = "vault.hashicorp.com/agent-inject";

    stage
        .create("drop", worker(json!({ "image": FOREIGN })))
        .await;
    let said = refused(&stage, "drop").await;
    assert!(said.contains("--allow-worker-image"), "{said}");
    stage
        .edit(
            "drop",
            json!({"worker": {"image": null, "podAnnotations": {vault: "true"}}}),
        )
        .await;
    stage
        .until("drop", "the annotation is told", |status| {
            let mut conditions = status.conditions.iter();
            conditions.any(|told| told.message.contains("--allow-pod-annotation"))
        })
        .await;
    let harmless = json!({vault: null, "prometheus.io/scrape": "true", "team": "shop"});
    stage
        .edit("drop", json!({"worker": {"podAnnotations": harmless}}))
        .await;
    accepted(&stage, "drop").await;
    stage.until_replicas("drop", 1).await;
    // An edit of a sale in force takes nothing from it.
    stage
        .edit("drop", json!({"worker": {"image": FOREIGN}}))
        .await;
    let said = refused(&stage, "drop").await;
    assert!(said.contains("still is"), "{said}");
    let deployment = stage.workers("drop").await.unwrap();
    assert_ne!(image(&deployment), Some(FOREIGN));

    // The address is that of a store, but nobody said that sales may have it.
    let address = stage.services.redis.url();
    stage.write_secret("hidden", &address).await;
    label(&stage, "hidden", Value::Null).await;
    let named = json!({"redisSecretRef": {"name": "hidden", "key": "url"}});
    stage
        .create("other", with(one_product("hat", 5), &named))
        .await;
    let said = refused(&stage, "other").await;
    let advice = format!("kubectl -n {} label secret hidden", stage.namespace);
    assert!(said.contains(&advice), "{said}");
    label(&stage, "hidden", json!("true")).await;
    accepted(&stage, "other").await;
}

#[tokio::test]
async fn a_stricter_configuration_stops_no_sale() {
    let stage = Stage::set(Services::start().await).await;
    let lax = ["--allow-worker-image=*", "--allow-secret=*"];
    let operator = stage.operator_with("lax", &lax).await;
    let address = stage.services.redis.url();
    stage.write_secret("own", &address).await;
    label(&stage, "own", Value::Null).await;
    let spec = json!({
        "redisSecretRef": {"name": "own", "key": "url"}, "worker": {"image": FOREIGN},
    });
    let spec = with(one_product("shoe", 5), &spec);
    stage.create("drop", spec.clone()).await;
    accepted(&stage, "drop").await;
    stage.until_replicas("drop", 1).await;
    let before = stage.workers("drop").await.unwrap();
    operator.terminate().await;

    let _strict = stage.operator("strict").await;
    let said = stage
        .until_condition("drop", "Accepted", "True", "AcceptedWithWarning")
        .await;
    assert!(said.contains(FOREIGN) && said.contains("own"), "{said}");
    assert_eq!(stage.until_event("drop", "NotAllowed").await, said);
    stage
        .until_condition("drop", "Ready", "False", "Starting")
        .await;
    // What else is written of it counts, and it keeps its workers as they are.
    stage.edit("drop", json!({"suspend": true})).await;
    stage.until_phase("drop", "Suspended").await;
    let now = stage.workers("drop").await.unwrap();
    assert_eq!(now.metadata.generation, before.metadata.generation);
    assert_eq!(image(&now), Some(FOREIGN));

    // The same is refused anew.
    let mut spec = spec;
    spec["products"][0]["id"] = json!("hat");
    stage.create("other", spec).await;
    let said = refused(&stage, "other").await;
    assert!(said.contains(FOREIGN), "{said}");
}

#[tokio::test]
async fn a_label_of_a_secret_replaces_no_worker() {
    let stage = Stage::set(Services::start().await).await;
    let operator = stage.operator("operator").await;
    stage.create("drop", one_product("shoe", 5)).await;
    stage.until_replicas("drop", 1).await;
    let mark = async || {
        let deployment = stage.workers("drop").await.unwrap();
        let template = deployment.spec.unwrap().template.metadata.unwrap();
        template.annotations.unwrap()["flashsale.dev/addresses"].clone()
    };
    let before = mark().await;
    let generation = stage.workers("drop").await.unwrap().metadata.generation;
    operator.terminate().await;
    // While nobody looks, as when a chart writes its Secrets anew.
    label(&stage, "flashsale-redis", json!("false")).await;
    let _next = stage.operator("next").await;
    stage.edit("drop", json!({"suspend": true})).await;
    stage.until_phase("drop", "Suspended").await;
    assert_eq!(mark().await, before);
    let now = stage.workers("drop").await.unwrap().metadata.generation;
    assert_eq!(now, generation);
}
