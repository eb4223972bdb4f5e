//! Who may do what: compared line by line with `operator-rights.txt`, so that a right more is a
//! change that somebody has to see.

use serde_json::{Value, json};

use crate::{
    helm::{NAMESPACE, render},
    manifests::{Manifests, strings},
    values::{NAMESPACED, PLAIN, parse, with},
};

const OPERATOR: &str = "flashsale-operator";

/// The rights of the operator's service account, a line a resource.
fn rights(manifests: &Manifests) -> Vec<String> {
    let bindings = manifests
        .of("ClusterRoleBinding")
        .chain(manifests.of("RoleBinding"));
    let bindings = bindings.filter(|binding| {
        let account = json!([{"kind": "ServiceAccount", "name": OPERATOR, "namespace": NAMESPACE}]);
        binding["subjects"] == account
    });
    let mut lines: Vec<String> = bindings
        .flat_map(|binding| {
            let namespace = binding["metadata"]["namespace"].as_str();
            let scope = namespace.map_or("everywhere", |_| "its namespace");
            let reference = &binding["roleRef"];
            let (kind, name) = (&reference["kind"], &reference["name"]);
            let role = manifests.named(kind.as_str().unwrap(), name.as_str().unwrap());
            let rules = role["rules"].as_array().unwrap();
            rules.iter().flat_map(move |rule| lines(scope, rule))
        })
        .collect();
    lines.sort();
    lines
}

fn lines(scope: &str, rule: &Value) -> Vec<String> {
    let allowed = strings(&rule["resourceNames"]).join(",");
    let only = match allowed.as_str() {
        "" => String::new(),
        names => format!("[{names}]"),
    };
    let verbs = strings(&rule["verbs"]).join(" ");
    let mut lines = Vec::new();
    for group in strings(&rule["apiGroups"]) {
        let group = if group.is_empty() { "core" } else { group };
        for resource in strings(&rule["resources"]) {
            lines.push(format!("{scope}: {group} {resource}{only}: {verbs}"));
        }
    }
    lines
}

/// The committed list.
fn committed() -> Vec<String> {
    let lines = include_str!("operator-rights.txt").lines();
    let lines = lines.filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.map(str::to_owned).collect()
}

#[test]
fn the_operator_has_the_listed_rights_and_none_more() {
    let rendered = rights(&render(&parse(PLAIN), &[]));
    assert_eq!(rendered.join("\n"), committed().join("\n"));
}

#[test]
fn in_one_namespace_it_has_the_same_there_and_none_outside() {
    let manifests = render(&parse(NAMESPACED), &[]);
    for kind in [
        "ClusterRole",
        "ClusterRoleBinding",
        "CustomResourceDefinition",
    ] {
        assert_eq!(manifests.of(kind).count(), 0, "{kind}");
    }
    let mut expected: Vec<String> = committed()
        .iter()
        // A definition is of the whole cluster.
        .filter(|line| !line.contains("customresourcedefinitions"))
        .map(|line| line.replace("everywhere", "its namespace"))
        .collect();
    expected.sort();
    assert_eq!(rights(&manifests).join("\n"), expected.join("\n"));
    let arguments = manifests.arguments("Deployment", OPERATOR);
    assert!(arguments.contains(&"--namespace=shop"), "{arguments:?}");
}

#[test]
fn in_listed_namespaces_it_has_the_same_there_and_none_outside() {
    let values = with(
        parse(NAMESPACED),
        "operator",
        &json!({"namespaces": ["market", "stall"]}),
    );
    let manifests = render(&values, &[]);
    for kind in ["ClusterRole", "ClusterRoleBinding"] {
        assert_eq!(manifests.of(kind).count(), 0, "{kind}");
    }
    for kind in ["Role", "RoleBinding"] {
        let mut places: Vec<&str> = manifests
            .of(kind)
            .filter(|role| role["metadata"]["name"] == OPERATOR)
            .map(|role| role["metadata"]["namespace"].as_str().unwrap())
            .collect();
        places.sort_unstable();
        assert_eq!(places, ["market", "stall"], "{kind}");
    }
    let arguments = manifests.arguments("Deployment", OPERATOR);
    for namespace in ["--namespace=market", "--namespace=stall"] {
        assert!(arguments.contains(&namespace), "{arguments:?}");
    }
}

#[test]
fn secrets_can_be_narrowed_to_names() {
    let values = with(
        parse(PLAIN),
        "rbac.secretNames",
        &json!(["ledger", "cache"]),
    );
    let rendered = rights(&render(&values, &[]));
    let line = "everywhere: core secrets[ledger,cache]: get".to_owned();
    assert!(rendered.contains(&line), "{rendered:#?}");
}

#[test]
fn people_get_sales_with_the_namespace_and_nothing_else() {
    let manifests = render(&parse(PLAIN), &[]);
    let role = |name: &str| manifests.named("ClusterRole", name);
    let said = |name| {
        let rules = role(name)["rules"].as_array().unwrap();
        rules
            .iter()
            .flat_map(|rule| lines("", rule))
            .collect::<Vec<_>>()
    };
    let edit = [
        ": flashsale.dev flashsales: get list watch create update patch delete",
        ": flashsale.dev flashsales/scale: get update patch",
    ];
    assert_eq!(said("flashsale-edit"), edit);
    let view = [
        ": flashsale.dev flashsales: get list watch",
        ": flashsale.dev flashsales/status: get",
        ": flashsale.dev flashsales/scale: get",
    ];
    assert_eq!(said("flashsale-view"), view);
    let aggregated = |name: &str, to: &str| {
        let label = format!("rbac.authorization.k8s.io/aggregate-to-{to}");
        role(name)["metadata"]["labels"][label] == "true"
    };
    for (name, to, expected) in [
        ("flashsale-edit", "admin", true),
        ("flashsale-edit", "edit", true),
        ("flashsale-edit", "view", false),
        ("flashsale-view", "view", true),
    ] {
        assert_eq!(aggregated(name, to), expected, "{name} to {to}");
    }
}
