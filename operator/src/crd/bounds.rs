//! What an API server would store although the types cannot hold it. Such an object could not even
//! be told what is wrong with it, so it is refused before.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;

use super::rules::below;

/// Bounds every number below `schema` that has no bound of its own.
pub(super) fn add(schema: &mut JSONSchemaProps) {
    // API servers take a format of a number for a remark.
    if schema.format.as_deref() == Some("int32") && schema.maximum.is_none() {
        schema.maximum = Some(f64::from(i32::MAX));
    }
    below(schema).for_each(add);
}
