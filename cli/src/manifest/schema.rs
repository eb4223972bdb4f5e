//! The JSON schema of a manifest, generated from the types that manifests are read into.

use flashsale_domain::sale::manifest::Manifest;
use serde_json::Value;

/// The schema (draft 2020-12).
pub fn json_schema() -> Value {
    schemars::schema_for!(Manifest).to_value()
}

/// The schema as text to read and to give to an editor.
pub fn pretty() -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(&json_schema())
}

/// The fields that the object schema at `pointer` knows, in alphabetical order.
pub(super) fn fields<'a>(schema: &'a Value, pointer: &str) -> Vec<&'a str> {
    schema
        .pointer(pointer)
        .and_then(|object| object.get("properties"))
        .and_then(Value::as_object)
        .map(|fields| fields.keys().map(String::as_str).collect())
        .unwrap_or_default()
}

/// The first sentence of what the schema says about `field` of the object schema at `pointer`, in
/// one line.
pub(super) fn description(schema: &Value, pointer: &str, field: &str) -> Option<String> {
    let text = schema
        .pointer(pointer)?
        .get("properties")?
        .get(field)?
        .get("description")?
        .as_str()?
        .replace('\n', " ");
    let first = text.split_once(". ").map_or(&*text, |(first, _)| first);
    Some(first.trim_end_matches('.').to_owned())
}
