//! A field that may be left out need not be nullable as well: without it the API server prunes a
//! null, so that "left out" has one spelling and `has()` in the rules means what it says.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;

use super::rules::below;

pub(super) fn refuse(schema: &mut JSONSchemaProps) {
    schema.nullable = None;
    if schema.x_kubernetes_int_or_string == Some(true) {
        // It says all by itself, and of the alternatives without their types nothing is left.
        schema.any_of = None;
    }
    if let Some(choices) = &mut schema.enum_ {
        choices.retain(|choice| !choice.0.is_null());
    }
    below(schema).for_each(refuse);
}
