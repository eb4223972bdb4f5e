//! The committed definition of FlashSales, as data.

use std::fs;

use serde_json::Value;

/// The committed definition.
pub fn committed() -> Value {
    let path = "../crds/flashsales.flashsale.dev.yaml";
    let path = format!("{}/{path}", env!("CARGO_MANIFEST_DIR"));
    serde_saphyr::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// `value` without the fields called `field`, at any depth.
pub fn without(value: &Value, field: &str) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .filter(|(key, _)| *key != field)
            .map(|(key, value)| (key.clone(), without(value, field)))
            .collect(),
        Value::Array(items) => items.iter().map(|item| without(item, field)).collect(),
        _ => value.clone(),
    }
}
