//! How server-side apply merges lists and objects. Lists whose entries have a name: the API server then
//! refuses two of one name, and merges them by it. References to Secrets as a whole: of two who apply
//! one, neither gets the key of the other.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;

use super::rules::property;

/// Path of a list, and the field that names its entries.
const LISTS: [(&[&str], &str); 2] = [
    (&["spec", "products"], "id"),
    (&["status", "conditions"], "type"),
];

/// Paths of references to a key of a Secret.
const REFERENCES: [&[&str]; 3] = [
    &["spec", "databaseSecretRef"],
    &["spec", "redisSecretRef"],
    &["spec", "worker", "databaseSecretRef"],
];

pub(super) fn add(schema: &mut JSONSchemaProps) {
    for (path, key) in LISTS {
        if let Some(list) = property(schema, path) {
            list.x_kubernetes_list_type = Some("map".to_owned());
            list.x_kubernetes_list_map_keys = Some(vec![key.to_owned()]);
        }
    }
    for path in REFERENCES {
        if let Some(reference) = property(schema, path) {
            reference.x_kubernetes_map_type = Some("atomic".to_owned());
        }
    }
}
