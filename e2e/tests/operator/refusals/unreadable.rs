//! Objects that an API server holds although no FlashSale can look like that: an older definition
//! let them in.

use flashsale_e2e::{
    cluster::ControlPlane,
    operator::{SOON, Stage, one_product, with},
    patience::until,
    services::Services,
};
use flashsale_queue::catalogue;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps,
};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams, PostParams},
    core::{ApiResource, DynamicObject},
};
use serde_json::{Value, json};

/// Name of the definition.
const DEFINITION: &str = "flashsales.flashsale.dev";

#[tokio::test]
async fn objects_that_do_not_parse_are_told_of_and_stop_nobody() {
    // A control plane of its own: its definition changes under everybody's feet. It ends with the
    // test program at the latest.
    let cluster: &'static ControlPlane = Box::leak(Box::new(ControlPlane::start().await));
    if cluster.is_given() {
        println!("not on a cluster that others use");
        return;
    }
    let stage = Stage::set_on(cluster, Services::start().await).await;
    let strict = replace_schema(&stage, lax()).await;
    store(&stage, "text", json!({"products": "none"})).await;
    store(
        &stage,
        "time",
        with(one_product("time", 5), &json!({"opensAt": 5})),
    )
    .await;
    replace_schema(&stage, strict).await;

    let operator = stage.operator("operator").await;
    stage.create("good", one_product("good", 5)).await;
    stage.until_phase("good", "Open").await;
    for name in ["text", "time"] {
        let note = stage.until_event(name, "InvalidSpec").await;
        println!("{name} · {note}");
        assert!(
            note.contains("cannot be read") && note.contains("flashsale validate"),
            "{note}"
        );
    }
    stage.edit("time", json!({"opensAt": null})).await;
    stage.until_phase("time", "Open").await;
    raw(&stage)
        .delete("text", &DeleteParams::default())
        .await
        .unwrap();
    until("the unreadable object is gone", SOON, || async {
        raw(&stage).get_opt("text").await.unwrap().is_none()
    })
    .await;
    a_field_of_the_next_release(&stage).await;
    an_open_sale_that_became_unreadable(&stage).await;
    assert!(!operator.log().contains("panicked"), "{}", operator.log());
    operator.terminate().await;
    cluster.stop();
}

/// The definition of a later release gives every object a field that this operator does not know.
async fn a_field_of_the_next_release(stage: &Stage) {
    let mut schema = serde_json::to_value(schema(stage).await).unwrap();
    schema["properties"]["spec"]["properties"]["worker"]["properties"]["future"] =
        json!({"type": "integer", "default": 1});
    let schema = serde_json::from_value(schema).unwrap();
    replace_schema(stage, schema).await;
    until("objects have the field", SOON, || async {
        stage.edit("good", json!({"worker": {"future": 2}})).await;
        let good = raw(stage).get("good").await.unwrap();
        good.data["spec"]["worker"]["future"] == 2
    })
    .await;
    stage.edit("good", json!({"suspend": true})).await;
    stage.until_phase("good", "Suspended").await;
    stage.edit("good", json!({"suspend": false})).await;
    stage.until_phase("good", "Open").await;
}

/// What is in force goes on, and what of the object can be read counts.
async fn an_open_sale_that_became_unreadable(stage: &Stage) {
    replace_schema(stage, lax()).await;
    let unreadable = json!({"spec": {"products": "none", "suspend": true}});
    until("the lax definition is in force", SOON, || async {
        let patch = Patch::Merge(unreadable.clone());
        let parameters = PatchParams::default();
        raw(stage).patch("good", &parameters, &patch).await.is_ok()
    })
    .await;
    let note = stage.until_event("good", "InvalidSpec").await;
    assert!(note.contains("cannot be read"), "{note}");
    let mut queue = stage.services.queue.clone();
    let id = stage.id("good");
    until("the sale is suspended", SOON, || {
        let mut queue = queue.clone();
        let id = id.clone();
        async move {
            let record = catalogue::read(&mut queue, &id).await.unwrap();
            record.unwrap().sale.suspended
        }
    })
    .await;
    raw(stage)
        .delete("good", &DeleteParams::default())
        .await
        .unwrap();
    until("the unreadable sale is gone", SOON, || async {
        raw(stage).get_opt("good").await.unwrap().is_none()
    })
    .await;
    assert_eq!(catalogue::read(&mut queue, &id).await.unwrap(), None);
}

/// The schema in force.
async fn schema(stage: &Stage) -> JSONSchemaProps {
    let definitions: Api<CustomResourceDefinition> = Api::all(stage.cluster.client());
    let mut definition = definitions.get(DEFINITION).await.unwrap();
    let version = definition.spec.versions.remove(0);
    version.schema.unwrap().open_api_v3_schema.unwrap()
}

/// FlashSales of any shape.
fn raw(stage: &Stage) -> Api<DynamicObject> {
    let resource = ApiResource::erase::<flashsale_operator::crd::FlashSale>(&());
    Api::namespaced_with(stage.cluster.client(), &stage.namespace, &resource)
}

/// A schema that takes every spec.
fn lax() -> JSONSchemaProps {
    let anything = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let schema = json!({"type": "object", "properties": {"spec": anything, "status": anything}});
    serde_json::from_value(schema).unwrap()
}

/// Puts `schema` in force, or soon; answers the one before.
async fn replace_schema(stage: &Stage, schema: JSONSchemaProps) -> JSONSchemaProps {
    let definitions: Api<CustomResourceDefinition> = Api::all(stage.cluster.client());
    let mut definition = definitions.get(DEFINITION).await.unwrap();
    let version = &mut definition.spec.versions[0];
    let place = version.schema.as_mut().unwrap().open_api_v3_schema.as_mut();
    let before = std::mem::replace(place.unwrap(), schema);
    let parameters = PostParams::default();
    definitions
        .replace(DEFINITION, &parameters, &definition)
        .await
        .unwrap();
    before
}

/// Stores a FlashSale once the API server takes it.
async fn store(stage: &Stage, name: &str, spec: Value) {
    let object: DynamicObject = serde_json::from_value(json!({
        "apiVersion": "flashsale.dev/v1alpha1", "kind": "FlashSale",
        "metadata": {"name": name}, "spec": spec,
    }))
    .unwrap();
    until("the lax definition is in force", SOON, || async {
        raw(stage)
            .create(&PostParams::default(), &object)
            .await
            .is_ok()
    })
    .await;
}
