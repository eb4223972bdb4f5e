//! Objects that were stored before the rules existed, by a cluster that was older than 1.25: the
//! operator must be able to write their status and to let them go, whatever is wrong with them.

use flashsale_e2e::{
    cluster::ControlPlane,
    definition::{committed, without},
    patience::until,
};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api,
    api::{DeleteParams, PostParams},
};
use serde_json::{Value, json};

use crate::{SOON, create, patch, patch_status, refusal, sales, spec};

const DEFINITION: &str = "flashsales.flashsale.dev";

/// Puts `definition` in the place of the one that is there.
async fn replace(server: &ControlPlane, definition: &Value) {
    let definitions: Api<CustomResourceDefinition> = Api::all(server.client());
    let next: CustomResourceDefinition = serde_json::from_value(definition.clone()).unwrap();
    until("the definition is replaced", SOON, || async {
        let mut next = next.clone();
        let present = definitions.get(DEFINITION).await.unwrap();
        next.metadata.resource_version = present.metadata.resource_version;
        let replaced = definitions
            .replace(DEFINITION, &PostParams::default(), &next)
            .await;
        // Not when the server wrote its status meanwhile.
        let said = refusal(replaced);
        assert!(
            said.is_empty() || said.contains("has been modified"),
            "{said}"
        );
        said.is_empty()
    })
    .await;
}

/// What each rule of one version of the object refuses: a name and a spec.
fn wrong() -> Vec<(String, Value)> {
    let reference = json!({"name": "stores", "key": "url"});
    let fallback = json!({"replicas": 3, "failureThreshold": 1});
    vec![
        ("n".repeat(45), spec(&json!({}))),
        (
            "schedule".to_owned(),
            spec(&json!({
                "opensAt": "2030-12-01T09:00:00Z", "closesAt": "2030-12-01T08:00:00Z",
            })),
        ),
        (
            "workers".to_owned(),
            spec(&json!({"worker": {"minReplicas": 3, "maxReplicas": 2}})),
        ),
        (
            "fallback".to_owned(),
            spec(&json!({"worker": {"maxReplicas": 2, "fallback": fallback}})),
        ),
        (
            "secret".to_owned(),
            spec(&json!({"databaseSecretRef": reference, "redisSecretRef": reference})),
        ),
    ]
}

#[tokio::test]
#[ignore = "run by scripts/crd-test"]
async fn what_was_stored_before_the_rules_can_still_be_written_and_deleted() {
    let server = ControlPlane::start_definitions().await;
    server.install_crd().await;
    let sales = sales(&server, "stored");
    replace(&server, &without(&committed(), "x-kubernetes-validations")).await;
    for (name, spec) in wrong() {
        until("the definition without rules is in force", SOON, || async {
            refusal(create(&sales, &name, &spec).await).is_empty()
        })
        .await;
    }
    replace(&server, &committed()).await;
    for (name, spec) in wrong() {
        until("the rules are in force", SOON, || async {
            let again = format!("again-{name}");
            refusal(create(&sales, &again, &spec).await).contains("Invalid value")
        })
        .await;
    }
    for (name, _) in wrong() {
        let finalizers = json!({"metadata": {"finalizers": ["flashsale.dev/drain"]}});
        let labels = json!({"metadata": {"labels": {"team": "shoes"}}});
        let none = json!({"metadata": {"finalizers": []}});
        assert_eq!(
            refusal(patch(&sales, &name, &finalizers).await),
            "",
            "{name}"
        );
        assert_eq!(refusal(patch(&sales, &name, &labels).await), "", "{name}");
        let status = json!({"phase": "Failed", "openedAt": "2026-01-01T09:00:00Z"});
        assert_eq!(
            refusal(patch_status(&sales, &name, &status).await),
            "",
            "{name}"
        );
        sales.delete(&name, &DeleteParams::default()).await.unwrap();
        let status = json!({"phase": "Draining"});
        assert_eq!(
            refusal(patch_status(&sales, &name, &status).await),
            "",
            "{name}"
        );
        assert_eq!(refusal(patch(&sales, &name, &none).await), "", "{name}");
        let left = sales.get_opt(&name).await.unwrap();
        assert!(left.is_none(), "{name} is still there");
    }
}
