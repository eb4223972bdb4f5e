use std::fs;

use crate::{Printed, run};

/// Validates `text` as a file of its own; answers the lines without the file's name.
fn validate(text: &str) -> (Printed, Vec<String>) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sale.yaml");
    fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap();
    let printed = run(&["validate", path]);
    let lines = printed
        .out
        .lines()
        .map(|line| line.replace(&format!("{path}:"), ""));
    let lines = lines.collect();
    (printed, lines)
}

#[test]
fn the_examples_are_valid() {
    let printed = run(&[
        "validate",
        "examples/sneaker-drop.yaml",
        "examples/winter-market.yaml",
        "examples/paid-drop.yaml",
    ]);
    assert_eq!(printed.status, Some(0), "{printed:?}");
    assert!(
        printed
            .out
            .contains("sale sneaker-drop is valid: 1 product, 500 units"),
        "{printed:?}"
    );
    assert!(
        printed
            .out
            .contains("sale winter-market is valid: 5 products"),
        "{printed:?}"
    );
    assert!(
        printed
            .out
            .contains("sale paid-drop is valid: 1 product, 500 units"),
        "{printed:?}"
    );
}

#[test]
fn every_mistake_is_told_at_once_with_its_place_and_what_to_write() {
    let (printed, lines) = validate(
        r#"apiVersion: flashsale.dev/v1
kind: FlashSale
metadata: {}
spec:
  opensAt: tomorrow
  producs: []
  redisSecretRef: {key: a}
  products:
    - id: a a
      name: ""
      price: 1.5
      stock: 3000000000
    - id: b
      name: B
      price: -1
      maxperuser: 0
    - 17
    - id: b
      name: B
      price: 9
      stock: 10
      maxPerUser: 0
  worker:
    minReplicas: 5
    maxReplicas: 2
    resources:
      limits: {cpu: 0.5}
"#,
    );
    assert_eq!(printed.status, Some(1));
    let expected = [
        "1:13: apiVersion: is \"flashsale.dev/v1\"; write \"flashsale.dev/v1alpha1\"",
        "3:11: metadata.name: is missing; add `name: …`",
        "5:12: spec.opensAt: is \"tomorrow\", which is no time; write e.g. 2026-",
        "6:12: spec.producs: is no field here; did you mean `products`?",
        "7:19: spec.redisSecretRef.name: is missing; add `name: …`",
        "9:11: spec.products[0].id: has a character that is not allowed",
        "10:13: spec.products[0].name: write a name of 1 to 255 characters",
        "11:14: spec.products[0].price: is 1.5; write a whole number",
        "12:14: spec.products[0].stock: is 3000000000; write a whole number of at most 2147483647",
        "13:7: spec.products[1].stock: is missing; add `stock: …`",
        "15:14: spec.products[1].price: is -1; write minor units, 0 to 9007199254740991",
        "16:19: spec.products[1].maxperuser: is no field here; did you mean `maxPerUser`?",
        "17:7: spec.products[2]: is 17; write a mapping",
        "18:11: spec.products[3].id: \"b\" stands here a second time",
        "22:19: spec.products[3].maxPerUser: write 1 or more, or leave it out for no limit",
        "24:18: spec.worker.minReplicas: is 5, more than maxReplicas (2)",
        "27:21: spec.worker.resources.limits.cpu: is 0.5; write",
        "17 mistakes",
    ];
    assert_eq!(lines.len(), expected.len(), "{lines:#?}");
    for (line, expected) in lines.iter().zip(expected) {
        assert!(
            line.starts_with(expected),
            "{line:?} should begin with {expected:?}"
        );
    }
}

#[test]
fn text_that_is_not_yaml_is_told_with_line_and_column() {
    for (text, expected) in [
        ("spec:\n  a: [1, 2\nb: 3\n", "3:2: is not YAML: "),
        (
            "kind: FlashSale\nkind: FlashSale\n",
            "2:1: `kind` stands here a second time",
        ),
        ("a: b: c\n", "1:5: is not YAML: "),
    ] {
        let (printed, lines) = validate(text);
        assert_eq!(printed.status, Some(1));
        assert!(lines[0].starts_with(expected), "{text:?}: {lines:?}");
    }
}

#[test]
fn what_is_no_sale_gets_one_sentence() {
    for (text, expected) in [
        ("", " holds no object"),
        ("# only a comment\n", " holds no object"),
        ("- a\n- b\n", "1:1: is a list; write a FlashSale"),
        (
            "kind: Secret\napiVersion: v1\ndata: {}\n",
            "1:7: kind: is \"Secret\"; write \"FlashSale\"",
        ),
    ] {
        let (printed, lines) = validate(text);
        assert_eq!(
            (printed.status, lines.len()),
            (Some(1), 2),
            "{text:?}: {lines:?}"
        );
        assert!(lines[0].starts_with(expected), "{text:?}: {lines:?}");
    }
}

fn sale(name: &str, product: &str) -> String {
    format!(
        "apiVersion: flashsale.dev/v1alpha1\nkind: FlashSale\nmetadata: {{name: {name}}}\n\
         spec: {{products: [{{id: {product}, name: P, price: 1, stock: 1}}]}}\n"
    )
}

#[test]
fn sales_of_one_file_must_not_claim_each_others_names_and_products() {
    let (printed, lines) = validate(&format!("{}---\n{}", sale("a", "p"), sale("b", "q")));
    assert_eq!((printed.status, lines.len()), (Some(0), 2), "{lines:?}");

    let (printed, lines) = validate(&format!("{}---\n{}", sale("a", "p"), sale("b", "p")));
    assert_eq!(printed.status, Some(1));
    assert!(
        lines[2].contains("6:1: spec.products[0].id: \"p\" is offered by the sale at"),
        "{lines:?}"
    );

    let (_, lines) = validate(&format!("{}---\n{}", sale("a", "p"), sale("a", "q")));
    assert!(
        lines[2].contains("metadata.name: \"a\" names the sale at"),
        "{lines:?}"
    );
}

#[test]
fn a_file_that_cannot_be_read_is_no_mistake_in_it() {
    let printed = run(&["validate", "no-such-file.yaml"]);
    assert_eq!(printed.status, Some(3));
    assert!(
        printed.err.contains("could not read `no-such-file.yaml`"),
        "{printed:?}"
    );
}

#[test]
fn mistakes_about_scaling_are_told_each_in_one_line() {
    let (printed, lines) = validate(
        r"apiVersion: flashsale.dev/v1alpha1
kind: FlashSale
metadata: {name: drop}
spec:
  products: [{id: p, name: P, price: 1, stock: 1}]
  worker:
    behavior:
      scaleUp: {selectPolicy: Most, tolerance: 10}
      scaleDown:
        policies:
          - {type: Pod, value: 1, periodSeconds: 60}
          - {type: Percent, value: 0, periodSeconds: 60}
    fallback: {replicas: 2, behavior: none}
    tolerations:
      - {key: dedicated, operator: Exists, effect: Never}
    nodeSelector: {kubernetes.io/arch: a b}
",
    );
    assert_eq!(printed.status, Some(1));
    let up = "spec.worker.behavior.scaleUp";
    let down = "spec.worker.behavior.scaleDown.policies";
    let expected = [
        format!("8:31: {up}.selectPolicy: is \"Most\"; write Max, Min or Disabled"),
        format!("8:48: {up}.tolerance: is 10; write a part of the workers from 0 to 1"),
        format!("11:20: {down}[0].type: is \"Pod\"; write Pods or Percent"),
        format!("12:36: {down}[1].value: is 0; write "),
        "13:15: spec.worker.fallback.failureThreshold: is missing; add".to_owned(),
        "13:39: spec.worker.fallback.behavior: is \"none\"; write static, currentReplicas, \
         currentReplicasIfHigher or currentReplicasIfLower"
            .to_owned(),
        "15:52: spec.worker.tolerations[0].effect: is \"Never\"; write NoSchedule, \
         PreferNoSchedule or NoExecute"
            .to_owned(),
        "16:19: spec.worker.nodeSelector.kubernetes.io/arch: is \"a b\"; write up to 63".to_owned(),
    ];
    // The last line counts them.
    assert_eq!(lines.len(), expected.len() + 1, "{lines:#?}");
    for (line, expected) in lines.iter().zip(&expected) {
        assert!(line.starts_with(expected), "{line}\nis not: {expected}");
    }
}

#[test]
fn the_schema_is_json_and_knows_the_fields() {
    let printed = run(&["schema"]);
    let schema: serde_json::Value = serde_json::from_str(&printed.out).unwrap();
    let product = &schema["$defs"]["ProductSpec"];
    assert_eq!(product["additionalProperties"], false);
    assert_eq!(product["properties"]["maxPerUser"]["minimum"], 1);
}
