mod admission_policy;

use std::{fs, path::Path};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray,
};
use kube_cel::Validator;
use serde_json::{Value, json};

use super::*;

/// The schema of the whole object.
fn schema() -> JSONSchemaProps {
    let version = definition().spec.versions.remove(0);
    version.schema.unwrap().open_api_v3_schema.unwrap()
}

/// Calls `visit` with the path and schema of every property below `schema`.
fn walk(path: &str, schema: &JSONSchemaProps, visit: &mut impl FnMut(&str, &JSONSchemaProps)) {
    for (name, property) in schema.properties.iter().flatten() {
        let path = format!("{path}.{name}");
        visit(&path, property);
        walk(&path, property, visit);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(entry)) = &schema.items {
        walk(&format!("{path}[]"), entry, visit);
    }
}

#[test]
fn the_committed_definition_is_the_one_of_the_types() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crds/flashsales.flashsale.dev.yaml");
    let committed = fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == definition_yaml().unwrap(),
        "crds/flashsales.flashsale.dev.yaml is not what the types say; run `make generate`"
    );
}

#[test]
fn every_field_says_what_it_is_and_no_number_is_unsigned() {
    let mut fields = 0;
    walk("", &schema(), &mut |path, property| {
        fields += 1;
        // These come from Kubernetes itself.
        let foreign = [".apiVersion", ".kind", ".metadata", ".metadata.name"];
        if !foreign.contains(&path) {
            let description = property.description.as_deref().unwrap_or_default();
            assert!(description.len() > 10, "{path} has no description");
        }
        let format = property.format.as_deref().unwrap_or_default();
        assert!(!format.starts_with("uint"), "{path} is {format}");
        assert_eq!(property.nullable, None, "{path} is nullable");
        // API servers before 1.21 refuse a definition with such a choice.
        let choices = property.enum_.iter().flatten();
        assert!(
            choices.clone().all(|choice| !choice.0.is_null()),
            "{path} may be null"
        );
    });
    assert!(fields > 40, "{fields} fields were seen");
}

#[test]
fn every_number_has_a_range_and_every_text_a_length() {
    walk(
        "",
        &schema().properties.unwrap()["spec"],
        &mut |path, property| {
            let kind = property.type_.as_deref();
            let text =
                kind == Some("string") && property.format.is_none() && property.enum_.is_none();
            assert!(
                kind != Some("integer") || property.minimum.is_some(),
                "{path}"
            );
            let narrow = property.format.as_deref() == Some("int32");
            assert!(!narrow || property.maximum.is_some(), "{path}");
            assert!(!text || property.max_length.is_some(), "{path}");
        },
    );
}

#[test]
fn references_to_secrets_are_applied_as_a_whole() {
    let mut references = 0;
    walk("", &schema(), &mut |path, property| {
        if path.ends_with("SecretRef") {
            references += 1;
            assert_eq!(
                property.x_kubernetes_map_type.as_deref(),
                Some("atomic"),
                "{path}"
            );
        }
    });
    assert_eq!(references, 3);
}

#[test]
fn no_entry_of_a_list_has_a_default() {
    // What an API server adds to an entry differs for ever from what was applied, since whoever
    // compares takes lists as a whole (Argo CD, `kubectl apply`).
    walk("", &schema(), &mut |path, property| {
        let in_a_list = path.contains("[]");
        assert!(!in_a_list || property.default.is_none(), "{path}");
    });
}

/// What an API server adds to every object, by path: the fields of `schema` with a default, and those
/// within.
fn added(path: &str, schema: &JSONSchemaProps) -> Vec<String> {
    let properties = schema.properties.iter().flatten();
    let with_default = properties.filter(|(_, property)| property.default.is_some());
    with_default
        .flat_map(|(name, property)| {
            let path = format!("{path}{name}");
            let mut paths = added(&format!("{path}."), property);
            paths.insert(0, path);
            paths
        })
        .collect()
}

/// The first release reads no object with a field that it does not know, and an API server adds fields
/// with a default to all of them. A field that is added to the spec must have none.
#[test]
fn only_fields_of_the_first_release_are_added_by_an_api_server() {
    assert_eq!(
        added("", &schema().properties.unwrap()["spec"]),
        [
            "attempts",
            "backoffMillis",
            "databaseTransactionPooler",
            "drainTimeoutSeconds",
            "suspend",
            "turnstile",
            "turnstile.maxQueueDepth",
            "turnstile.rateLimit",
            "turnstile.rateLimit.requests",
            "turnstile.rateLimit.windowSeconds",
            "worker",
            "worker.batchSize",
            "worker.lanesPerWorker",
            "worker.maxReplicas",
            "worker.minReplicas",
            "worker.prewarmSeconds",
            "worker.scaleDownStabilizationSeconds",
            "worker.targetQueueDepth",
            "worker.terminationGracePeriodSeconds",
        ]
    );
}

#[test]
fn rules_point_at_fields_that_are_there() {
    let whole = schema();
    let mut objects = vec![whole.clone()];
    walk("", &whole, &mut |_, property| {
        objects.push(property.clone());
    });
    let mut seen = 0;
    for mut object in objects {
        for rule in object
            .x_kubernetes_validations
            .clone()
            .into_iter()
            .flatten()
        {
            let field = rule.field_path.unwrap();
            let path: Vec<&str> = field.split('.').skip(1).collect();
            assert!(
                rules::property(&mut object, &path).is_some(),
                "{field} of {}",
                rule.rule
            );
            seen += 1;
        }
    }
    assert_eq!(seen, 14);
}

/// A sale with a name, written as `spec`.
fn sale(spec: &Value) -> Value {
    json!({
        "apiVersion": "flashsale.dev/v1alpha1", "kind": "FlashSale",
        "metadata": {"name": "drop", "namespace": "shop"}, "spec": spec,
    })
}

fn products(ids: &[&str]) -> Value {
    ids.iter()
        .map(|id| json!({"id": id, "name": "Shoe", "price": 1, "stock": 5}))
        .collect()
}

/// What the rules say of an update from `old` to `new`, or of creating `new`.
fn judge(new: &Value, old: Option<&Value>) -> Vec<String> {
    let mut schema = schema();
    // In this validator `oldSelf` is null, not an optional: this rule is for a real API server to
    // judge (`e2e/tests/definition`).
    let rules = schema.x_kubernetes_validations.as_mut().unwrap();
    rules.retain(|rule| rule.optional_old_self.is_none());
    let schema = serde_json::to_value(schema).unwrap();
    let judgement = Validator::new().validate(&schema, new, old);
    let errors = judgement.err().map(|errors| errors.to_string());
    errors.into_iter().collect()
}

#[test]
fn a_good_sale_passes_every_rule() {
    let good = sale(&json!({
        "opensAt": "2026-11-27T09:00:00Z", "closesAt": "2026-11-27T10:00:00Z",
        "products": products(&["shoe"]),
        "worker": {"minReplicas": 1, "maxReplicas": 1},
    }));
    assert_eq!(judge(&good, None), Vec::<String>::new());
    let local = sale(&json!({
        "opensAt": "2026-11-27T09:00:00", "closesAt": "2026-11-27T10:00:00",
        "timeZone": "Europe/Berlin", "products": products(&["shoe"]),
    }));
    assert_eq!(judge(&local, None), Vec::<String>::new());
    assert_eq!(
        judge(&sale(&json!({"products": products(&["shoe"])})), None),
        Vec::<String>::new()
    );
}

#[test]
fn what_spans_fields_is_refused_with_a_sentence() {
    let products = products(&["shoe"]);
    let cases = [
        (
            json!({"products": products, "opensAt": "2026-11-27T09:00:00Z", "closesAt": "2026-11-27T09:00:00Z"}),
            "write a closesAt later than opensAt",
        ),
        (
            json!({"products": products, "opensAt": "2026-11-27T09:00:00"}),
            "opensAt has no offset",
        ),
        (
            json!({"products": products, "opensAt": "2026-11-27T09:00:00", "closesAt": "2026-11-27T10:00:00"}),
            "closesAt has no offset",
        ),
        (
            json!({"products": products, "worker": {"minReplicas": 3, "maxReplicas": 2}}),
            "write a smaller minReplicas",
        ),
        (
            json!({"products": products, "worker": {"maxReplicas": 2, "fallback": {"replicas": 3, "failureThreshold": 1}}}),
            "write at most maxReplicas",
        ),
        (
            json!({"products": products, "databaseSecretRef": {"name": "a", "key": "url"}, "redisSecretRef": {"name": "a", "key": "url"}}),
            "write the key of each address",
        ),
    ];
    for (spec, sentence) in cases {
        let said = judge(&sale(&spec), None).join("\n");
        assert!(said.contains(sentence), "{spec}: {said:?}");
    }
}

/// A change of a spec, and what is said of it once the sale has opened, if it is refused.
type Edit<'a> = (&'a dyn Fn(&mut Value), Option<&'a str>);

#[test]
fn once_open_some_fields_stay() {
    let old_spec = json!({
        "opensAt": "2026-11-27T09:00:00Z", "products": products(&["shoe", "hat"]),
        "redisSecretRef": {"name": "redis", "key": "url"},
    });
    let edits: [Edit<'_>; 11] = [
        (
            &|spec| spec["payment"] = json!({"windowSeconds": 60}),
            Some("whether its orders have to be paid stays"),
        ),
        (
            &|spec| spec["currency"] = json!("EUR"),
            Some("its currency stays"),
        ),
        (&|spec| spec["currency"] = json!("USD"), None),
        (
            &|spec| spec["opensAt"] = json!("2026-11-27T08:00:00Z"),
            Some("opensAt stays"),
        ),
        (
            &|spec| spec["products"] = products(&["shoe"]),
            Some("its products stay"),
        ),
        (
            &|spec| spec["redisSecretRef"]["name"] = json!("other"),
            Some("redisSecretRef stays"),
        ),
        (
            &|spec| spec["databaseSecretRef"] = json!({"name": "other", "key": "url"}),
            Some("databaseSecretRef stays"),
        ),
        (
            &|spec| spec["closesAt"] = json!("2026-11-27T12:00:00Z"),
            None,
        ),
        (&|spec| spec["products"][0]["stock"] = json!(50), None),
        (
            &|spec| spec["products"] = products(&["shoe", "hat", "scarf"]),
            None,
        ),
        (
            &|spec| spec["turnstile"] = json!({"rateLimit": {"requests": 1}}),
            None,
        ),
    ];
    for (edit, sentence) in edits {
        let mut new_spec = old_spec.clone();
        edit(&mut new_spec);
        let (mut old, new) = (sale(&old_spec), sale(&new_spec));
        assert_eq!(
            judge(&new, Some(&old)),
            Vec::<String>::new(),
            "not open: {new_spec}"
        );
        old["status"] = json!({"openedAt": "2026-11-27T09:00:00Z"});
        let said = judge(&new, Some(&old)).join("\n");
        match sentence {
            Some(sentence) => assert!(said.contains(sentence), "{new_spec}: {said:?}"),
            None => assert_eq!(said, "", "{new_spec}"),
        }
    }
}

#[test]
fn once_open_the_provider_of_payments_stays() {
    let of = |payment: Value| {
        let mut sale = sale(&json!({"products": products(&["shoe"]), "payment": payment}));
        sale["status"] = json!({"openedAt": "2026-11-27T09:00:00Z"});
        sale
    };
    let (plain, till) = (json!({}), json!({"provider": "till"}));
    let refund = json!({"provider": "till", "onLate": "Refund", "windowSeconds": 60});
    for (old, new, stays) in [
        (&plain, &till, true),
        (&till, &plain, true),
        (&till, &json!({"provider": "other"}), true),
        (&till, &refund, false),
    ] {
        let said = judge(&of(new.clone()), Some(&of(old.clone()))).join("\n");
        let is_refused = said.contains("the provider of its payments stays");
        assert_eq!(is_refused, stays, "{old} to {new}: {said:?}");
    }
}
