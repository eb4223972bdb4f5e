//! An object that cannot be read as a FlashSale: another release's definition let it in. What of it
//! can be read is enough to look after the sale in force, and to let the object go.

use kube::{
    Api,
    core::{ApiResource, DynamicObject},
};
use serde_json::{Map, Value, json};

use super::refusal::Refusal;
use crate::{
    context::Context,
    crd::{FlashSale, Spec},
    events::Reason,
};

/// Fields without which an object can be told of and deleted. Each counts if it can be read.
const FIELDS: [&str; 9] = [
    "operatorClass",
    "suspend",
    "timeZone",
    "closesAt",
    "databaseSecretRef",
    "databaseTransactionPooler",
    "redisSecretRef",
    "drainTimeoutSeconds",
    "worker",
];

/// Asks the API server for the object as it is stored; none when it is gone.
pub(super) async fn fetch(
    context: &Context,
    metadata: &kube::core::ObjectMeta,
) -> Result<Option<FlashSale>, kube::Error> {
    let namespace = metadata.namespace.as_deref().unwrap_or_default();
    let resource = ApiResource::erase::<FlashSale>(&());
    let api: Api<DynamicObject> =
        Api::namespaced_with(context.client.clone(), namespace, &resource);
    let name = metadata.name.as_deref().unwrap_or_default();
    Ok(api.get_opt(name).await?.and_then(|raw| readable(&raw)))
}

/// `raw` with what of its spec and its status can be read.
fn readable(raw: &DynamicObject) -> Option<FlashSale> {
    let mut fields = Map::from_iter([("products".to_owned(), json!([]))]);
    let mut spec = parse(&fields)?;
    for field in FIELDS {
        let Some(value) = raw.data.pointer(&format!("/spec/{field}")) else {
            continue;
        };
        fields.insert(field.to_owned(), value.clone());
        match parse(&fields) {
            Some(more) => spec = more,
            None => drop(fields.remove(field)),
        }
    }
    let status = raw.data.get("status").cloned();
    let mut object = FlashSale::new("", spec);
    object.metadata = raw.metadata.clone();
    object.status = status.and_then(|status| serde_json::from_value(status).ok());
    Some(object)
}

fn parse(fields: &Map<String, Value>) -> Option<Spec> {
    serde_json::from_value(Value::Object(fields.clone())).ok()
}

/// What people are told of it.
pub(super) fn refusal(error: &str) -> Refusal {
    Refusal::new(
        Reason::InvalidSpec,
        format!(
            "the object cannot be read, so nothing of it is put in force: {error}; edit or delete \
             it, `flashsale validate` tells what is wrong and where"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_read_counts() {
        let raw: DynamicObject = serde_json::from_value(json!({
            "apiVersion": "flashsale.dev/v1alpha1", "kind": "FlashSale",
            "metadata": {"name": "drop", "namespace": "shop", "uid": "u"},
            "spec": {
                "products": "none", "suspend": true, "closesAt": "soon",
                "redisSecretRef": {"name": "cache"}, "worker": {"tolerations": 5},
            },
            "status": {"lastAccepted": "{}", "future": 1},
        }))
        .unwrap();
        let object = readable(&raw).unwrap();
        assert_eq!(object.metadata.uid.as_deref(), Some("u"));
        assert!(object.spec.suspend && object.spec.closing().is_none());
        assert_eq!(object.spec.redis_secret_ref.as_ref().unwrap().name, "cache");
        let status = object.status.unwrap();
        assert_eq!(status.last_accepted.as_deref(), Some("{}"));
    }
}
