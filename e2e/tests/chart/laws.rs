//! What holds of everything that the chart renders, whatever the values.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    helm::render,
    manifests::{Manifests, Pod, strings, title},
    shapes,
    values::{INSTALLATIONS, PLAIN, parse, with},
};

/// Kinds that belong to no namespace.
const CLUSTER_KINDS: [&str; 3] = [
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
];

/// Every law at once.
pub(crate) fn hold(manifests: &Manifests) {
    objects_are_whole_and_once(manifests);
    shapes::known(manifests);
    for pod in manifests.pods() {
        restricted(&pod);
        bounded(&pod);
        only_who_asks_the_api_server_has_a_token(&pod);
        mounts_have_volumes(&pod);
    }
    ports_name_their_protocol(manifests);
    selectors_select(manifests);
    no_wildcards(manifests);
}

#[test]
fn they_hold_for_each_way_to_install() {
    for values in INSTALLATIONS {
        hold(&render(&parse(values), &[]));
    }
}

fn objects_are_whole_and_once(manifests: &Manifests) {
    let mut seen = BTreeSet::new();
    for object in &manifests.0 {
        let title = title(object);
        let kind = object["kind"].as_str().unwrap_or_default();
        assert!(object["apiVersion"].is_string(), "{title}: {object}");
        assert!(object["metadata"]["name"].is_string(), "{title}");
        let spaced = object["metadata"]["namespace"].is_string();
        assert_eq!(spaced, !CLUSTER_KINDS.contains(&kind), "{title}");
        let labels = &object["metadata"]["labels"];
        assert_eq!(labels["app.kubernetes.io/managed-by"], "Helm", "{title}");
        assert!(seen.insert(title.clone()), "{title} is there twice");
    }
}

/// Pod Security "restricted" (kubernetes.io/docs/concepts/security/pod-security-standards), and a
/// root that cannot be written.
fn restricted(pod: &Pod<'_>) {
    let name = pod.name();
    let security = &pod.spec["securityContext"];
    assert_eq!(security["runAsNonRoot"], true, "{name}");
    assert_ne!(security["runAsUser"], 0, "{name}");
    assert_eq!(
        security["seccompProfile"]["type"], "RuntimeDefault",
        "{name}"
    );
    for host in ["hostNetwork", "hostPID", "hostIPC"] {
        assert!(pod.spec.get(host).is_none(), "{name} has {host}");
    }
    let volumes = pod.spec["volumes"].as_array();
    for volume in volumes.into_iter().flatten() {
        let harmless = ["emptyDir", "secret", "configMap"];
        assert!(
            harmless.iter().any(|kind| volume.get(kind).is_some()),
            "{name}: {volume}"
        );
    }
    for container in pod.containers() {
        let expected = json!({
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]},
        });
        assert_eq!(container["securityContext"], expected, "{name}");
        for port in container["ports"].as_array().into_iter().flatten() {
            assert!(port.get("hostPort").is_none(), "{name}");
        }
    }
}

/// The scheduler knows what a container needs, and no container takes a node's memory.
fn bounded(pod: &Pod<'_>) {
    for container in pod.containers() {
        let resources = &container["resources"];
        for (kind, of) in [
            ("requests", "cpu"),
            ("requests", "memory"),
            ("limits", "memory"),
        ] {
            assert!(
                !resources[kind][of].is_null(),
                "{}: {kind} of {of}",
                pod.name()
            );
        }
    }
}

fn only_who_asks_the_api_server_has_a_token(pod: &Pod<'_>) {
    let component = &pod.metadata["labels"]["app.kubernetes.io/component"];
    let asks = component == "operator" || component == "definition";
    assert_eq!(
        pod.spec["automountServiceAccountToken"],
        asks,
        "{}",
        pod.name()
    );
    assert_eq!(
        pod.spec.get("serviceAccountName").is_some(),
        asks,
        "{}",
        pod.name()
    );
}

fn mounts_have_volumes(pod: &Pod<'_>) {
    let names = |list: &Value| -> BTreeSet<String> {
        let items = list.as_array().into_iter().flatten();
        items
            .map(|item| item["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let mut volumes = names(&pod.spec["volumes"]);
    let claims = pod.owner["spec"]["volumeClaimTemplates"].as_array();
    for claim in claims.into_iter().flatten() {
        volumes.insert(claim["metadata"]["name"].as_str().unwrap().to_owned());
    }
    let mounts: BTreeSet<String> = pod
        .containers()
        .flat_map(|container| names(&container["volumeMounts"]))
        .collect();
    assert_eq!(mounts, volumes, "{}", pod.name());
}

/// The protocol is part of a port's key in server-side apply, and old API servers have no default for
/// it there: Helm 4 could not install.
fn ports_name_their_protocol(manifests: &Manifests) {
    let services = manifests
        .of("Service")
        .map(|service| &service["spec"]["ports"]);
    let pods = manifests.pods();
    let containers = pods.iter().flat_map(Pod::containers);
    for ports in services.chain(containers.map(|container| &container["ports"])) {
        for port in ports.as_array().into_iter().flatten() {
            assert_eq!(port["protocol"], "TCP", "{port}");
        }
    }
}

/// Whatever selects pods of the release selects some.
fn selectors_select(manifests: &Manifests) {
    let pods = manifests.pods();
    for object in &manifests.0 {
        let selector = match object["kind"].as_str().unwrap() {
            "Deployment" | "StatefulSet" | "PodDisruptionBudget" | "PodMonitor" => {
                &object["spec"]["selector"]["matchLabels"]
            }
            "Service" => &object["spec"]["selector"],
            "NetworkPolicy" => &object["spec"]["podSelector"]["matchLabels"],
            _ => continue,
        };
        // The operator makes workers, and this chart makes the operator.
        let workers = selector["app.kubernetes.io/name"] == "flashsale-worker";
        let selects = |pod: &Pod<'_>| matches(selector, &pod.metadata["labels"]);
        assert!(
            workers || pods.iter().any(selects),
            "{} selects nothing",
            title(object)
        );
    }
}

/// Whether pods with `labels` are selected.
pub(crate) fn matches(selector: &Value, labels: &Value) -> bool {
    let wanted = selector.as_object().unwrap();
    wanted.iter().all(|(label, value)| &labels[label] == value)
}

fn no_wildcards(manifests: &Manifests) {
    for role in manifests.of("Role").chain(manifests.of("ClusterRole")) {
        for rule in role["rules"].as_array().unwrap() {
            for field in ["apiGroups", "resources", "verbs"] {
                let items = strings(&rule[field]);
                assert!(!items.is_empty(), "{}: {field}", title(role));
                assert!(
                    items.iter().all(|item| !item.contains('*')),
                    "{}",
                    title(role)
                );
            }
        }
    }
}

#[test]
fn workers_run_as_the_same_user_as_the_release() {
    let flags = |value: &Value| {
        let values = with(parse(PLAIN), "runAsUser", value);
        let manifests = render(&with(values, "runAsGroup", value), &[]);
        let arguments = manifests.arguments("Deployment", "flashsale-operator");
        let of_pods = arguments.into_iter().filter(|flag| flag.contains("run-as"));
        of_pods.map(ToOwned::to_owned).collect::<Vec<_>>()
    };
    let expected = |id: &str| {
        [
            format!("--worker-run-as-user={id}"),
            format!("--worker-run-as-group={id}"),
        ]
    };
    assert_eq!(flags(&json!(1_000_700_000)), expected("1000700000"));
    // OpenShift.
    assert_eq!(flags(&Value::Null), expected(""));
}
