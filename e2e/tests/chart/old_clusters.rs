//! Kubernetes 1.20, and what it lacks.

use crate::{
    helm::render,
    laws,
    manifests::Manifests,
    values::{EVERYTHING, INSTALLATIONS, parse},
};

const OLD: [&str; 2] = ["--kube-version", "1.20.2"];

fn version<'a>(manifests: &'a Manifests, kind: &str) -> &'a str {
    manifests.of(kind).next().unwrap()["apiVersion"]
        .as_str()
        .unwrap()
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
fn laws_hold_on_every_release() {
    let values = parse(EVERYTHING);
    for version in ["1.26.15", "1.29.14", "1.33.1-gke.100", "1.36.4"] {
        laws::hold(&render(&values, &["--kube-version", version]));
    }
}
