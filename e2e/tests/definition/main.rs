//! The definition of FlashSales on the API server of a current Kubernetes, which has CEL rules and
//! skips those of what did not change. `scripts/crd-test` runs these tests.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests say by unwrapping what they take for granted"
)]

mod accepted;
mod managers;
mod rules;
mod stored;

use std::time::Duration;

use flashsale_e2e::cluster::ControlPlane;
use kube::{
    Api,
    api::{Patch, PatchParams, PostParams},
    core::{ApiResource, DynamicObject},
};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

/// A change of a definition is in force well below a second later.
const SOON: Duration = Duration::from_secs(30);

/// A server with the committed definition, for all tests that leave it as it is.
async fn server() -> &'static ControlPlane {
    static SERVER: OnceCell<ControlPlane> = OnceCell::const_new();
    SERVER
        .get_or_init(|| async {
            let server = ControlPlane::start_definitions().await;
            server.install_crd().await;
            server
        })
        .await
}

/// FlashSales of any shape, in a namespace of the caller's own.
fn sales(server: &ControlPlane, namespace: &str) -> Api<DynamicObject> {
    let resource = ApiResource::erase::<flashsale_operator::crd::FlashSale>(&());
    Api::namespaced_with(server.client(), namespace, &resource)
}

fn sale(name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "flashsale.dev/v1alpha1", "kind": "FlashSale",
        "metadata": {"name": name}, "spec": spec,
    })
}

fn product(id: &str, stock: i32) -> Value {
    json!({"id": id, "name": "Shoe", "price": 1, "stock": stock})
}

/// A spec with one product and `fields`.
fn spec(fields: &Value) -> Value {
    let mut spec = json!({"products": [product("shoe", 5)]});
    for (name, value) in fields.as_object().unwrap() {
        spec[name] = value.clone();
    }
    spec
}

async fn create(sales: &Api<DynamicObject>, name: &str, spec: &Value) -> kube::Result<()> {
    let object = serde_json::from_value(sale(name, spec)).unwrap();
    sales.create(&PostParams::default(), &object).await?;
    Ok(())
}

async fn patch(sales: &Api<DynamicObject>, name: &str, patch: &Value) -> kube::Result<()> {
    let parameters = PatchParams::default();
    sales.patch(name, &parameters, &Patch::Merge(patch)).await?;
    Ok(())
}

async fn patch_status(sales: &Api<DynamicObject>, name: &str, status: &Value) -> kube::Result<()> {
    let parameters = PatchParams::apply(flashsale_operator::crd::FIELD_MANAGER);
    let patch = Patch::Merge(json!({ "status": status }));
    sales.patch_status(name, &parameters, &patch).await?;
    Ok(())
}

/// What the server says against a write; empty when it took it.
fn refusal<T>(result: kube::Result<T>) -> String {
    match result {
        Ok(_) => String::new(),
        Err(kube::Error::Api(status)) => status.message.clone(),
        Err(error) => panic!("the server does not answer: {error}"),
    }
}
