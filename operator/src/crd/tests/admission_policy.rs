//! The example of an admission policy, evaluated as an API server does it.

use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
};
use kube_cel::{AdmissionRequest, VapEvaluator, VapExpression};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const EXAMPLE: &str = include_str!("../../../../examples/validating-admission-policy.yaml");

/// A document of the example, which has no field that Kubernetes does not know.
fn document<T: DeserializeOwned + serde::Serialize>(index: usize) -> T {
    let text = EXAMPLE.split("\n---\n").nth(index).unwrap();
    let written: Value = serde_saphyr::from_str(text).unwrap();
    let read: T = serde_json::from_value(written.clone()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), written);
    read
}

/// The messages of what the policy refuses.
fn refusals(spec: &Value, old: Option<&Value>) -> Vec<String> {
    let policy: ValidatingAdmissionPolicy = document(0);
    let validations = policy.spec.unwrap().validations.unwrap();
    let expressions: Vec<VapExpression> = validations
        .into_iter()
        .map(|validation| VapExpression {
            expression: validation.expression,
            message: validation.message,
            message_expression: None,
        })
        .collect();
    let object = |spec: &Value| json!({"metadata": {"name": "drop"}, "spec": spec});
    let mut evaluator = VapEvaluator::builder()
        .object(object(spec))
        .request(AdmissionRequest::default());
    if let Some(old) = old {
        evaluator = evaluator.old_object(object(old));
    }
    let results = evaluator.build().evaluate(&expressions);
    let refused = results.into_iter().filter(|result| !result.passed);
    refused.map(|result| result.message.unwrap()).collect()
}

#[test]
fn the_example_of_a_policy_refuses_what_it_says() {
    let binding: ValidatingAdmissionPolicyBinding = document(1);
    let policy: ValidatingAdmissionPolicy = document(0);
    assert_eq!(binding.spec.unwrap().policy_name, policy.metadata.name);

    let mine = json!({"name": "shop-database", "key": "url"});
    let hers = json!({"name": "theirs", "key": "url"});
    for (spec, refused) in [
        (json!({"products": []}), None),
        (
            json!({"databaseSecretRef": mine, "worker": {"databaseSecretRef": mine}}),
            None,
        ),
        (json!({"worker": {"image": "a"}}), Some("spec.worker.image")),
        (json!({"databaseSecretRef": hers}), Some("Secrets")),
        (json!({"redisSecretRef": hers}), Some("Secrets")),
        (
            json!({"worker": {"databaseSecretRef": hers}}),
            Some("Secrets"),
        ),
        (
            json!({"worker": {"podAnnotations": {"linkerd.io/inject": "enabled"}}}),
            Some("annotations"),
        ),
        (json!({"worker": {"podTemplate": {}}}), Some("podTemplate")),
    ] {
        let found = refusals(&spec, None);
        match refused {
            None => assert_eq!(found, Vec::<String>::new(), "{spec}"),
            Some(words) => assert!(
                found.len() == 1 && found[0].contains(words),
                "{spec}: {found:?}"
            ),
        }
    }
    // What is there already stays.
    let old = json!({"worker": {"image": "a"}});
    assert!(
        refusals(
            &json!({"suspend": true, "worker": {"image": "a"}}),
            Some(&old)
        )
        .is_empty()
    );
    assert_eq!(
        refusals(&json!({"worker": {"image": "b"}}), Some(&old)).len(),
        1
    );
}
