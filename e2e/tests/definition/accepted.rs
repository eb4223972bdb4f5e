//! The server takes the definition, in each form that the chart has for older ones, without a word
//! against it; and what is written by it comes back as it was written.

use std::fs;

use flashsale_e2e::{
    cluster::ControlPlane,
    definition::{committed, without},
};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api,
    api::{ListParams, Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::{create, patch, patch_status, refusal, sales, server, spec};

fn file(path: &str) -> Value {
    let path = format!("{}/../{path}", env!("CARGO_MANIFEST_DIR"));
    serde_saphyr::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// `definition` for another group, so that one server can have it beside the committed one.
fn renamed(definition: &Value, group: &str) -> Value {
    let mut definition = definition.clone();
    definition["metadata"]["name"] = json!(format!("flashsales.{group}"));
    definition["spec"]["group"] = json!(group);
    definition
}

/// Applies a definition as `helm`; answers the warnings.
async fn apply(server: &ControlPlane, definition: &Value) -> Vec<String> {
    let name = definition["metadata"]["name"].as_str().unwrap();
    let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let uri = format!("{definitions}/{name}?fieldManager=helm&fieldValidation=Strict");
    let request = http::Request::patch(uri)
        .header("content-type", "application/apply-patch+yaml")
        .body(definition.to_string().into_bytes().into())
        .unwrap();
    let answer = server.client().send(request).await.unwrap();
    let status = answer.status();
    let warnings = answer.headers().get_all("warning").iter();
    let warnings = warnings.map(|value| value.to_str().unwrap().to_owned());
    let warnings = warnings.collect();
    assert!(status.is_success(), "{name}: {status}, {warnings:?}");
    warnings
}

#[tokio::test]
#[ignore = "run by scripts/crd-test"]
async fn every_form_of_the_definition_is_taken_without_a_warning() {
    let server = server().await;
    let mut form = committed();
    let definitions: Api<CustomResourceDefinition> = Api::all(server.client());
    // What the chart leaves out, one after the other, the older the cluster is.
    let unknown = [
        ("v31", "none"),
        ("v30", "selectableFields"),
        ("v29", "optionalOldSelf"),
        ("v27", "fieldPath"),
        ("v24", "x-kubernetes-validations"),
    ];
    for (release, field) in unknown {
        form = without(&form, field);
        let group = format!("{release}.example.com");
        let definition = renamed(&form, &group);
        let warnings = apply(server, &definition).await;
        assert_eq!(warnings, Vec::<String>::new(), "{group}");
        let name = format!("flashsales.{group}");
        let is_established = kube::runtime::conditions::is_crd_established();
        kube::runtime::wait::await_condition(definitions.clone(), &name, is_established)
            .await
            .unwrap();
        let stored = definitions.get(&name).await.unwrap();
        for condition in stored.status.unwrap().conditions.unwrap() {
            let good = ["Established", "NamesAccepted"].contains(&&*condition.type_);
            assert_eq!(good, condition.status == "True", "{group}: {condition:?}");
        }
    }
}

#[tokio::test]
#[ignore = "run by scripts/crd-test"]
async fn examples_come_back_as_they_were_written() {
    let sales = sales(server().await, "examples");
    for example in ["sneaker-drop", "winter-market", "paid-drop"] {
        let mut object = file(&format!("examples/{example}.yaml"));
        object["spec"]["worker"]["tolerations"] = json!([{"key": "dedicated", "value": "shop"}]);
        let parameters = PatchParams::apply("kubectl");
        let patch = Patch::Apply(&object);
        let apply = || sales.patch(example, &parameters, &patch);
        let first = apply().await.unwrap();
        has_all_of(&object["spec"], &first.data["spec"], "spec");
        let second = apply().await.unwrap();
        assert_eq!(
            first.metadata.resource_version, second.metadata.resource_version,
            "{example}"
        );
    }
}

/// What was written is stored: objects may have got more fields, lists are the same to the letter.
fn has_all_of(written: &Value, stored: &Value, path: &str) {
    match written {
        Value::Object(fields) => {
            for (name, value) in fields {
                has_all_of(value, &stored[name], &format!("{path}.{name}"));
            }
        }
        _ => assert_eq!(written, stored, "{path}"),
    }
}

/// A server that drops `optionalOldSelf`, as those before 1.30 do, has a rule that takes every update.
#[tokio::test]
#[ignore = "run by scripts/crd-test"]
async fn without_optional_old_self_names_are_left_to_the_operator() {
    let server = ControlPlane::start_definitions().await;
    apply(&server, &without(&committed(), "optionalOldSelf")).await;
    let sales = sales(&server, "names");
    let name = "n".repeat(45);
    flashsale_e2e::patience::until("sales can be written", crate::SOON, || async {
        create(&sales, &name, &spec(&json!({}))).await.is_ok()
    })
    .await;
    let edit = json!({"spec": {"attempts": 5}});
    assert_eq!(refusal(patch(&sales, &name, &edit).await), "");
}

#[tokio::test]
#[ignore = "run by scripts/crd-test"]
async fn sales_are_selected_by_their_phase() {
    let sales = sales(server().await, "phases");
    for (name, phase) in [("early", "Scheduled"), ("now", "Open"), ("late", "Closed")] {
        create(&sales, name, &spec(&json!({}))).await.unwrap();
        patch_status(&sales, name, &json!({ "phase": phase }))
            .await
            .unwrap();
    }
    let open = ListParams::default().fields("status.phase=Open");
    let found = sales.list(&open).await.unwrap().items;
    let names: Vec<_> = found.into_iter().map(|sale| sale.metadata.name).collect();
    assert_eq!(names, [Some("now".to_owned())]);
}
