//! Kubernetes 1.20, and what it lacks.

use serde_json::Value;

use crate::{
    helm::render,
    laws,
    manifests::Manifests,
    shapes,
    values::{EVERYTHING, INSTALLATIONS, parse},
};

const OLD: [&str; 2] = ["--kube-version", "1.20.2"];

fn version<'a>(manifests: &'a Manifests, kind: &str) -> &'a str {
    manifests.of(kind).next().unwrap()["apiVersion"]
        .as_str()
        .unwrap()
}

/// How many of the keys, at any depth, are `name`.
fn count(value: &Value, name: &str) -> usize {
    match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| usize::from(key == name) + count(value, name))
            .sum(),
        Value::Array(items) => items.iter().map(|item| count(item, name)).sum(),
        _ => 0,
    }
}

#[test]
fn laws_hold_there_too() {
    for values in INSTALLATIONS {
        laws::hold(&render(&parse(values), &OLD));
    }
}

#[test]
fn each_cluster_gets_the_versions_that_it_knows() {
    let values = parse(EVERYTHING);
    let (old, new) = (render(&values, &OLD), render(&values, &[]));
    assert_eq!(version(&old, "PodDisruptionBudget"), "policy/v1beta1");
    assert_eq!(version(&new, "PodDisruptionBudget"), "policy/v1");
    let scaler = "HorizontalPodAutoscaler";
    assert_eq!(version(&old, scaler), "autoscaling/v2beta2");
    assert_eq!(version(&new, scaler), "autoscaling/v2");
}

#[test]
fn rules_in_cel_go_to_clusters_that_know_them() {
    let values = parse(EVERYTHING);
    let definition = |arguments: &[&str]| {
        let manifests = render(&values, arguments);
        manifests
            .of("CustomResourceDefinition")
            .next()
            .unwrap()
            .clone()
    };
    let rules = "x-kubernetes-validations";
    assert_eq!(count(&definition(&OLD), rules), 0);
    assert_eq!(count(&definition(&["--kube-version", "1.24.17"]), rules), 0);
    let committed = crate::generated::definition();
    assert!(
        count(&committed, rules) > 0,
        "there is nothing to leave out"
    );
    for version in ["1.25.0", "1.33.1-gke.100"] {
        let rendered = definition(&["--kube-version", version]);
        shapes::same(&committed["spec"], &rendered["spec"], version);
        shapes::same(&rendered["spec"], &committed["spec"], version);
    }
}

#[test]
fn the_definition_outlives_the_release() {
    let manifests = render(&parse(EVERYTHING), &[]);
    let definition = manifests.named("CustomResourceDefinition", "flashsales.flashsale.dev");
    let annotations = &definition["metadata"]["annotations"];
    assert_eq!(annotations["helm.sh/resource-policy"], "keep");
}
