//! Private certificates for TLS: mounted from the Secrets that have the addresses.

use serde_json::{Value, json};

use crate::{
    helm::render,
    manifests::Manifests,
    values::{ADDRESSES, PLAIN, ROLES, parse, with},
};

/// Which Secret each pod gets certificates from, by the variable that names the directory.
fn certificates(manifests: &Manifests, kind: &str, name: &str, variable: &str) -> Option<String> {
    let owner = manifests.named(kind, name);
    let pods = manifests.pods();
    let pod = pods.iter().find(|pod| pod.owner == owner).unwrap();
    let container = &pod.spec["containers"][0];
    let directory = find(&container["env"], "name", variable)?["value"].clone();
    let mount = find(&container["volumeMounts"], "mountPath", directory.as_str()?)?;
    assert_eq!(mount["readOnly"], true);
    let volume = find(&pod.spec["volumes"], "name", mount["name"].as_str()?)?;
    let secret = &volume["secret"];
    assert_eq!(secret["optional"], true, "{secret}");
    assert_eq!(secret["defaultMode"], 0o440, "{secret}");
    assert_eq!(pod.spec["securityContext"]["fsGroup"], 65532);
    let files = ["ca.crt", "tls.crt", "tls.key"].map(|file| json!({"key": file, "path": file}));
    assert_eq!(secret["items"], json!(files));
    Some(secret["secretName"].as_str()?.to_owned())
}

fn find<'a>(list: &'a Value, field: &str, value: &str) -> Option<&'a Value> {
    list.as_array()?.iter().find(|entry| entry[field] == value)
}

#[test]
fn each_pod_gets_the_certificates_beside_its_addresses() {
    let manifests = render(&parse(ROLES), &[]);
    let (redis, database) = ("FLASHSALE_REDIS_TLS", "FLASHSALE_DATABASE_TLS");
    for (kind, name, variable, expected) in [
        ("Deployment", "flashsale-gateway", redis, Some("cache")),
        ("Deployment", "flashsale-gateway", database, Some("reading")),
        ("Job", "flashsale-migrate", database, Some("ledger")),
        ("Job", "flashsale-migrate", redis, None),
        ("Pod", "flashsale-test-redis", redis, Some("cache")),
        ("Pod", "flashsale-test-redis", database, None),
        ("Pod", "flashsale-test-audit", redis, Some("cache")),
        ("Pod", "flashsale-test-audit", database, Some("ledger")),
        ("Pod", "flashsale-test-gateway", redis, None),
    ] {
        let found = certificates(&manifests, kind, name, variable);
        assert_eq!(found.as_deref(), expected, "{kind} {name} {variable}");
    }
}

#[test]
fn the_identity_providers_certificates_are_mounted_where_they_are_given() {
    let of_gateway = |values: &Value| {
        let manifests = render(values, &[]);
        let variable = "FLASHSALE_JWKS_TLS";
        certificates(&manifests, "Deployment", "flashsale-gateway", variable)
    };
    let values = parse(ADDRESSES);
    assert_eq!(of_gateway(&values), None);
    let values = with(values, "auth.jwksTlsSecret", &json!("provider"));
    assert_eq!(of_gateway(&values).as_deref(), Some("provider"));
}

#[test]
fn a_group_that_the_cluster_chooses_can_read_them() {
    let values = with(parse(PLAIN), "runAsGroup", &Value::Null);
    let manifests = render(&values, &[]);
    let gateway = manifests.named("Deployment", "flashsale-gateway");
    let pod = &gateway["spec"]["template"]["spec"];
    assert_eq!(pod["securityContext"]["fsGroup"], Value::Null);
    let volumes = pod["volumes"].as_array().unwrap();
    for volume in volumes {
        assert_eq!(volume["secret"]["defaultMode"], 0o444, "{volume}");
    }
}
