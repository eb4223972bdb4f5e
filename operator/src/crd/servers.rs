//! What API servers of each release understand of the definition.

use serde_json::Value;

/// Fields of definitions that a release of Kubernetes began to know: its minor version, and the field.
/// Server-side apply refuses what the server does not know.
const FIELDS: [(u32, &str); 4] = [
    (25, "x-kubernetes-validations"),
    (28, "fieldPath"),
    // Alpha and off before.
    (30, "optionalOldSelf"),
    (31, "selectableFields"),
];

/// [`definition`](super::definition) without what Kubernetes 1.`minor` does not know.
///
/// # Errors
/// When it cannot be written as JSON, which does not happen to a definition that the tests have seen.
pub fn definition_for(minor: u32) -> Result<Value, serde_json::Error> {
    let mut definition = serde_json::to_value(super::definition())?;
    for (since, field) in FIELDS {
        if minor < since {
            remove(&mut definition, field);
        }
    }
    Ok(definition)
}

/// Removes the field called `name` from `value`, at any depth.
fn remove(value: &mut Value, name: &str) {
    match value {
        Value::Object(fields) => {
            fields.remove(name);
            fields.values_mut().for_each(|value| remove(value, name));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| remove(item, name)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(value: &Value, name: &str) -> bool {
        match value {
            Value::Object(fields) => {
                fields.contains_key(name) || fields.values().any(|value| has(value, name))
            }
            Value::Array(items) => items.iter().any(|item| has(item, name)),
            _ => false,
        }
    }

    #[test]
    fn each_release_gets_the_fields_that_it_knows_and_all_of_them() {
        let whole = serde_json::to_value(crate::crd::definition()).unwrap();
        assert_eq!(definition_for(36).unwrap(), whole);
        for minor in 20..=36 {
            let definition = definition_for(minor).unwrap();
            for (since, field) in FIELDS {
                assert_eq!(has(&definition, field), minor >= since, "1.{minor} {field}");
            }
            // Structure stays.
            assert_eq!(definition["spec"]["names"], whole["spec"]["names"]);
        }
    }
}
