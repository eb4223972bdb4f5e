//! The operations token: where gateways read it, and what people are told.

use serde_json::{Value, json};

use crate::{
    helm::{notes, render},
    manifests::Manifests,
    values::{DEV, PLAIN, parse, with},
};

const GIVEN: &str = "gateway.operations.existingSecret.name";
const TOKEN: &str = "gateway.operations.token";

/// Where the gateway reads its token.
fn source(manifests: &Manifests) -> Option<Value> {
    let gateway = manifests.named("Deployment", "flashsale-gateway");
    let container = &gateway["spec"]["template"]["spec"]["containers"][0];
    let variables = container["env"].as_array().unwrap();
    let found = variables
        .iter()
        .find(|entry| entry["name"] == "FLASHSALE_OPERATIONS_TOKEN");
    found.map(|entry| entry["valueFrom"]["secretKeyRef"].clone())
}

fn checksum(token: &str) -> Value {
    let manifests = render(&with(parse(PLAIN), TOKEN, &json!(token)), &[]);
    let gateway = manifests.named("Deployment", "flashsale-gateway");
    gateway["spec"]["template"]["metadata"]["annotations"]["checksum/operations"].clone()
}

#[test]
fn without_a_token_operations_are_off() {
    for values in [PLAIN, DEV] {
        assert_eq!(source(&render(&parse(values), &[])), None);
    }
}

#[test]
fn a_given_secret_is_read_and_none_is_made() {
    let values = with(parse(PLAIN), GIVEN, &json!("opens"));
    let manifests = render(&values, &[]);
    let expected = json!({"name": "opens", "key": "token"});
    assert_eq!(source(&manifests), Some(expected));
    assert_eq!(manifests.of("Secret").count(), 0);
    let values = with(
        values,
        "gateway.operations.existingSecret.key",
        &json!("ops"),
    );
    let expected = json!({"name": "opens", "key": "ops"});
    assert_eq!(source(&render(&values, &[])), Some(expected));
}

#[test]
fn a_token_by_value_stands_in_a_secret_alone() {
    let token = "0123456789abcdef";
    let values = with(parse(PLAIN), TOKEN, &json!(token));
    // The key is for given Secrets.
    let values = with(
        values,
        "gateway.operations.existingSecret.key",
        &json!("ops"),
    );
    let manifests = render(&values, &[]);
    let secret = manifests.named("Secret", "flashsale-operations");
    assert_eq!(secret["stringData"], json!({"token": token}));
    let expected = json!({"name": "flashsale-operations", "key": "token"});
    assert_eq!(source(&manifests), Some(expected));
    let shown = manifests
        .0
        .iter()
        .filter(|object| object["kind"] != "Secret");
    for object in shown {
        assert!(!object.to_string().contains(token), "{object}");
    }
}

#[test]
fn a_new_token_makes_new_gateways() {
    let checksums = ["0123456789abcdef", "0123456789abcdef", "fedcba9876543210"].map(checksum);
    assert!(checksums[0].is_string());
    assert_eq!(checksums[0], checksums[1]);
    assert_ne!(checksums[0], checksums[2]);
}

#[test]
fn notes_say_where_the_pages_are_and_how_the_token_is_read() {
    let off = notes(&parse(DEV));
    assert!(off.contains("http://127.0.0.1:8080/ "), "{off}");
    assert!(!off.contains("8080/ops"), "{off}");
    assert!(off.contains(GIVEN), "{off}");

    let values = with(parse(DEV), TOKEN, &json!("0123456789abcdef"));
    let values = with(values, "gateway.ingress.enabled", &json!(true));
    let values = with(
        values,
        "gateway.ingress.hosts",
        &json!(["shop.example.com"]),
    );
    let on = notes(&values);
    assert!(on.contains("http://127.0.0.1:8080/ops "), "{on}");
    assert!(on.contains("http://shop.example.com/"), "{on}");
    let read = "kubectl get secret flashsale-operations -n shop \
                --template='{{ index .data \"token\" | base64decode }}'";
    assert!(on.contains(read), "{on}");
    assert!(!on.contains("0123456789abcdef"), "{on}");
}
