//! Judges what a spec says of the workers' pods, by the API server's own rules, so that a mistake
//! is told where it was written and not when the pods are refused.

use std::collections::BTreeMap;

use super::{Findings, quantity::quantity};
use crate::sale::spec::{
    Amount, ResourcesSpec, TolerationEffect, TolerationOperator, TolerationSpec, WorkerSpec,
};

/// Label keys that the operator finds and selects its pods by.
const OWN_PREFIXES: [&str; 2] = ["flashsale.dev/", "app.kubernetes.io/"];

/// Most bytes of all annotations of one object.
const ANNOTATION_BYTES: usize = 256 * 1024;

pub(super) fn check(spec: &WorkerSpec, findings: &mut Findings) {
    if let Some(image) = &spec.image
        && (image.is_empty() || image.len() > 512 || image.contains(char::is_whitespace))
    {
        findings.add(
            "spec.worker.image",
            "write an image of 1 to 512 characters without spaces, e.g. registry/name:tag",
        );
    }
    if let Some(class) = &spec.priority_class_name
        && !is_dns_name(class)
    {
        findings.add(
            "spec.worker.priorityClassName",
            format!(
                "is {class:?}; write the name of a PriorityClass: lower-case letters, digits, '-'"
            ),
        );
    }
    findings.in_range::<i64>(
        "spec.worker.terminationGracePeriodSeconds",
        spec.termination_grace_period_seconds,
        1..=3_600,
    );
    check_labels("spec.worker.nodeSelector", &spec.node_selector, findings);
    check_labels("spec.worker.podLabels", &spec.pod_labels, findings);
    check_own_labels(&spec.pod_labels, findings);
    check_annotations(&spec.pod_annotations, findings);
    for (index, toleration) in spec.tolerations.iter().enumerate() {
        check_toleration(
            &format!("spec.worker.tolerations[{index}]"),
            toleration,
            findings,
        );
    }
    if let Some(resources) = &spec.resources {
        check_resources(resources, findings);
    }
}

fn check_labels(path: &str, labels: &BTreeMap<String, String>, findings: &mut Findings) {
    for (key, value) in labels {
        check_key(&format!("{path}.{key}"), key, findings);
        if !is_label_value(value) {
            findings.add(
                format!("{path}.{key}"),
                format!(
                    "is {value:?}; write up to 63 letters, digits, '-', '_' and '.', with a letter \
                     or digit at both ends"
                ),
            );
        }
    }
}

fn check_own_labels(labels: &BTreeMap<String, String>, findings: &mut Findings) {
    for key in labels.keys() {
        if OWN_PREFIXES.iter().any(|prefix| key.starts_with(prefix)) {
            findings.add(
                format!("spec.worker.podLabels.{key}"),
                "is a label of the operator's own; choose another key",
            );
        }
    }
}

fn check_annotations(annotations: &BTreeMap<String, String>, findings: &mut Findings) {
    let path = "spec.worker.podAnnotations";
    for key in annotations.keys() {
        check_key(&format!("{path}.{key}"), key, findings);
    }
    let bytes: usize = annotations
        .iter()
        .map(|(key, value)| key.len() + value.len())
        .sum();
    if bytes > ANNOTATION_BYTES {
        findings.add(
            path,
            format!("has {bytes} bytes; write at most {ANNOTATION_BYTES}"),
        );
    }
}

fn check_key(path: &str, key: &str, findings: &mut Findings) {
    if !is_qualified_name(key) {
        findings.add(
            path,
            "is no key; write up to 63 letters, digits, '-', '_' and '.', with a domain and '/' \
             before them if you like",
        );
    }
}

fn check_toleration(path: &str, spec: &TolerationSpec, findings: &mut Findings) {
    match (&spec.key, spec.operator) {
        (None, TolerationOperator::Equal) => findings.add(
            format!("{path}.key"),
            "is missing; write the taint's key, or operator Exists for every taint",
        ),
        (Some(key), _) => check_key(&format!("{path}.key"), key, findings),
        (None, TolerationOperator::Exists) => {}
    }
    let value = spec.value.as_deref().unwrap_or_default();
    if spec.operator == TolerationOperator::Exists && !value.is_empty() {
        findings.add(
            format!("{path}.value"),
            "is not compared with operator Exists; take it out, or write operator Equal",
        );
    } else if !is_label_value(value) {
        findings.add(
            format!("{path}.value"),
            format!("is {value:?}; write up to 63 letters, digits, '-', '_' and '.'"),
        );
    }
    if spec.toleration_seconds.is_some() && spec.effect != Some(TolerationEffect::NoExecute) {
        findings.add(
            format!("{path}.tolerationSeconds"),
            "counts with effect NoExecute only; write that effect, or take the seconds out",
        );
    }
    if let Some(seconds) = spec.toleration_seconds.filter(|seconds| *seconds < 0) {
        findings.add(
            format!("{path}.tolerationSeconds"),
            format!("is {seconds}; write 0 or more, or leave it out for ever"),
        );
    }
}

fn check_resources(spec: &ResourcesSpec, findings: &mut Findings) {
    for (kind, amounts) in [("requests", &spec.requests), ("limits", &spec.limits)] {
        for (name, amount) in amounts {
            let path = format!("spec.worker.resources.{kind}.{name}");
            if !is_resource(name) {
                findings.add(
                    &path,
                    "is no resource of a container; write cpu, memory, ephemeral-storage or a name \
                     with a domain before it",
                );
            }
            if quantity(&amount.0).is_none() {
                findings.add(
                    path,
                    format!(
                        "is {:?}; write an amount such as 500m, 2, 256Mi or 1Gi",
                        amount.0
                    ),
                );
            }
        }
    }
    for (name, limit) in &spec.limits {
        let Some(request) = spec.requests.get(name) else {
            continue;
        };
        if exceeds(request, limit) {
            findings.add(
                format!("spec.worker.resources.requests.{name}"),
                format!("is {request}, more than the limit ({limit}); write at most that"),
            );
        }
    }
}

/// Whether `amount` is more than `limit`, as far as both are amounts.
pub fn exceeds(amount: &Amount, limit: &Amount) -> bool {
    let limit = quantity(&limit.0);
    limit.is_some() && quantity(&amount.0) > limit
}

/// What a container may ask for: Kubernetes' own resources, and those with a domain.
fn is_resource(name: &str) -> bool {
    let own = ["cpu", "memory", "ephemeral-storage"].contains(&name)
        || name
            .strip_prefix("hugepages-")
            .is_some_and(|size| quantity(size).is_some());
    own || (name.contains('/') && is_qualified_name(name))
}

/// A key of a label, a taint, an annotation or a resource: a name, maybe after a DNS name and '/'.
fn is_qualified_name(key: &str) -> bool {
    let (domain, name) = match key.split_once('/') {
        Some((domain, name)) => (Some(domain), name),
        None => (None, key),
    };
    domain.is_none_or(is_dns_name) && !name.is_empty() && is_label_value(name)
}

fn is_label_value(value: &str) -> bool {
    value.len() <= 63
        && value
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        && [value.bytes().next(), value.bytes().next_back()]
            .into_iter()
            .flatten()
            .all(|byte| byte.is_ascii_alphanumeric())
}

/// A DNS subdomain of RFC 1123: labels of lower-case letters, digits and inner '-'.
pub(super) fn is_dns_name(name: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_are_those_of_containers() {
        for good in ["cpu", "memory", "hugepages-2Mi", "example.com/gpu"] {
            assert!(is_resource(good), "{good}");
        }
        for bad in ["", "memroy", "gpu", "hugepages-", "/gpu", "pods"] {
            assert!(!is_resource(bad), "{bad}");
        }
    }

    #[test]
    fn keys_are_read_as_kubernetes_reads_them() {
        let long = "x".repeat(64);
        for good in [
            "disk",
            "example.com/disk",
            "a_b.c-d",
            "node.kubernetes.io/x",
        ] {
            assert!(is_qualified_name(good), "{good}");
        }
        for bad in [
            "", "/", "a/", "/a", "a/b/c", "-a", "a-", "A.B/c", "ä", &long,
        ] {
            assert!(!is_qualified_name(bad), "{bad}");
        }
    }
}
