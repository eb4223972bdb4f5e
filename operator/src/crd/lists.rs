//! Lists whose entries have a name: the API server then refuses two of one name, and server-side
//! apply merges them by it.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;

use super::rules::property;

/// Path of a list, and the field that names its entries.
const LISTS: [(&[&str], &str); 2] = [
    (&["spec", "products"], "id"),
    (&["status", "conditions"], "type"),
];

pub(super) fn add(schema: &mut JSONSchemaProps) {
    for (path, key) in LISTS {
        if let Some(list) = property(schema, path) {
            list.x_kubernetes_list_type = Some("map".to_owned());
            list.x_kubernetes_list_map_keys = Some(vec![key.to_owned()]);
        }
    }
}
