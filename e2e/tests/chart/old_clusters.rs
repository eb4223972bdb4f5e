//! Kubernetes 1.20, and what it lacks.

use flashsale_e2e::definition::{committed, without};
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

/// What a release of Kubernetes has of `field`, which the definition uses and an older server would
/// refuse.
struct Since {
    field: &'static str,
    minor: u32,
}

const FIELDS: [Since; 4] = [
    Since {
        field: "x-kubernetes-validations",
        minor: 25,
    },
    Since {
        field: "fieldPath",
        minor: 28,
    },
    // Before, these were there for whoever switched them on.
    Since {
        field: "optionalOldSelf",
        minor: 30,
    },
    Since {
        field: "selectableFields",
        minor: 31,
    },
];

#[test]
fn each_cluster_gets_the_definition_that_it_understands() {
    let values = parse(EVERYTHING);
    let committed = committed();
    for Since { field, .. } in FIELDS {
        assert!(count(&committed, field) > 0, "no {field} to leave out");
    }
    let releases = [
        (20, "1.20.2"),
        (24, "1.24.17"),
        (25, "1.25.0"),
        (26, "1.26.15"),
        (27, "1.27.16"),
        (28, "1.28.0"),
        (29, "1.29.14"),
        (30, "1.30.0"),
        (33, "1.33.1-gke.100"),
        (36, "1.36.4"),
    ];
    for (minor, version) in releases {
        let unknown = FIELDS.iter().filter(|since| since.minor > minor);
        let expected = unknown.fold(committed["spec"].clone(), |rest, since| {
            without(&rest, since.field)
        });
        let manifests = render(&values, &["--kube-version", version]);
        let rendered = manifests.of("CustomResourceDefinition").next().unwrap();
        shapes::same(&expected, &rendered["spec"], version);
        shapes::same(&rendered["spec"], &expected, version);
    }
}

#[test]
fn laws_hold_on_every_release() {
    let values = parse(EVERYTHING);
    for version in ["1.26.15", "1.29.14", "1.33.1-gke.100", "1.36.4"] {
        laws::hold(&render(&values, &["--kube-version", version]));
    }
}

#[test]
fn the_definition_outlives_the_release() {
    let manifests = render(&parse(EVERYTHING), &[]);
    let definition = manifests.named("CustomResourceDefinition", "flashsales.flashsale.dev");
    let annotations = &definition["metadata"]["annotations"];
    assert_eq!(annotations["helm.sh/resource-policy"], "keep");
}
