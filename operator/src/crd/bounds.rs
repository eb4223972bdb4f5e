//! What an API server would store although the types cannot hold it. Such an object could not even
//! be told what is wrong with it, so it is refused before.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray,
};

/// Years and offsets that an instant can have; format `date-time` alone lets through an offset of
/// 99 hours, and the last day of the year 9999.
const INSTANT: &str = r"^2[0-9]{3}-.*([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$";

/// Bounds every number and instant below `schema` that has no bound of its own.
pub(super) fn add(schema: &mut JSONSchemaProps) {
    match schema.format.as_deref() {
        // API servers take a format of a number for a remark.
        Some("int32") if schema.maximum.is_none() => schema.maximum = Some(f64::from(i32::MAX)),
        Some("date-time") => schema.pattern = Some(INSTANT.to_owned()),
        _ => {}
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
