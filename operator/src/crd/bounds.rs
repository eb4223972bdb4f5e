//! What an API server would store although the types cannot hold it. Such an object could not even
//! be told what is wrong with it, so it is refused before.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray,
};

/// Bounds every number below `schema` that has no bound of its own.
pub(super) fn add(schema: &mut JSONSchemaProps) {
    // API servers take a format of a number for a remark.
    if schema.format.as_deref() == Some("int32") && schema.maximum.is_none() {
        schema.maximum = Some(f64::from(i32::MAX));
    }
    for property in schema
        .properties
        .iter_mut()
        .flat_map(|all| all.values_mut())
    {
        add(property);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(entry)) = &mut schema.items {
        add(entry);
    }
}
