//! Server-side apply by several: each may write what it owns, again and again.

use flashsale_e2e::{cluster::ControlPlane, definition::committed};
use flashsale_operator::{
    crd::FIELD_MANAGER,
    definition::{self, Outcome},
};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api,
    api::{Patch, PatchParams, PostParams},
    core::DynamicObject,
};
use serde_json::{Value, json};

use crate::{patch_status, product, refusal, sale, sales, server};

async fn apply(
    sales: &Api<DynamicObject>,
    manager: &str,
    products: &Value,
) -> kube::Result<DynamicObject> {
    let object = sale("drop", &json!({ "products": products }));
    let parameters = PatchParams::apply(manager);
    sales
        .patch("drop", &parameters, &Patch::Apply(&object))
        .await
}

/// Stock by product.
fn stocks(sale: &DynamicObject) -> Vec<(String, i64)> {
    let products = sale.data["spec"]["products"].as_array().unwrap();
    products
        .iter()
        .map(|product| {
            let id = product["id"].as_str().unwrap().to_owned();
            (id, product["stock"].as_i64().unwrap())
        })
        .collect()
}

#[tokio::test]
#[ignore = "run by scripts/crd-test"]
async fn a_release_and_the_operator_never_conflict() {
    let sales = sales(server().await, "release");
    let made = apply(&sales, "helm", &json!([product("shoe", 5)])).await;
    made.unwrap();
    // As the operator writes them.
    let finalizers = json!({"metadata": {"finalizers": ["flashsale.dev/drain"]}});
    let parameters = PatchParams::apply(FIELD_MANAGER);
    sales
        .patch("drop", &parameters, &Patch::Merge(&finalizers))
        .await
        .unwrap();
    for stock in [6, 7] {
        let status = json!({"conditions": [], "sold": stock, "openedAt": "2026-01-01T09:00:00Z"});
        patch_status(&sales, "drop", &status).await.unwrap();
        let products = json!([product("shoe", stock)]);
        let after = apply(&sales, "helm", &products).await.unwrap();
        assert_eq!(stocks(&after), [("shoe".to_owned(), i64::from(stock))]);
        assert_eq!(after.data["status"], status);
        assert_eq!(after.metadata.finalizers.unwrap(), ["flashsale.dev/drain"]);
    }
}

#[tokio::test]
#[ignore = "run by scripts/crd-test"]
async fn products_belong_to_who_applied_them() {
    let sales = sales(server().await, "products");
    apply(&sales, "shoes", &json!([product("shoe", 5)]))
        .await
        .unwrap();
    let both = apply(&sales, "hats", &json!([product("hat", 7)]))
        .await
        .unwrap();
    let both = stocks(&both);
    assert_eq!(both, [("shoe".to_owned(), 5), ("hat".to_owned(), 7)]);
    let foreign = json!([product("hat", 7), product("shoe", 6)]);
    let said = refusal(apply(&sales, "hats", &foreign).await);
    assert!(
        said.contains(r#"conflict with "shoes""#)
            && said.contains(r#".spec.products[id="shoe"].stock"#),
        "{said:?}"
    );
    let bags = json!([product("bag", 9)]);
    let after = apply(&sales, "hats", &bags).await.unwrap();
    assert_eq!(
        stocks(&after),
        [("shoe".to_owned(), 5), ("bag".to_owned(), 9)]
    );
}

#[tokio::test]
#[ignore = "run by scripts/crd-test"]
async fn the_definition_can_be_applied_by_several() {
    let definitions: Api<CustomResourceDefinition> = Api::all(server().await.client());
    let definition = committed();
    let name = definition["metadata"]["name"].as_str().unwrap();
    for manager in ["helm", "kubectl", "helm", "argocd-controller"] {
        let parameters = PatchParams::apply(manager);
        let applied = definitions
            .patch(name, &parameters, &Patch::Apply(&definition))
            .await;
        assert_eq!(refusal(applied), "", "{manager}");
    }
}

/// As `kubectl replace` and an older release leave it, with rules that this server has and 1.20 drops.
#[tokio::test]
#[ignore = "run by scripts/crd-test"]
async fn a_release_takes_the_definition_over_from_anybody() {
    let server = ControlPlane::start_definitions().await;
    server.install_crd().await;
    let definitions: Api<CustomResourceDefinition> = Api::all(server.client());
    let mut present = definitions.get(definition::NAME).await.unwrap();
    present.spec.versions[0].additional_printer_columns = None;
    // The server has too little for kubectl to find its way.
    let parameters = PostParams {
        field_manager: Some("kubectl-replace".to_owned()),
        ..PostParams::default()
    };
    definitions
        .replace(definition::NAME, &parameters, &present)
        .await
        .unwrap();
    let parameters = PatchParams::apply("helm");
    let applied = definitions
        .patch(definition::NAME, &parameters, &Patch::Apply(committed()))
        .await;
    let said = refusal(applied);
    assert!(
        said.contains("conflict") && said.contains(".spec.versions"),
        "{said}"
    );
    for _ in 0..2 {
        let outcome = definition::apply(&server.client()).await.unwrap();
        assert_eq!(outcome, Outcome::Applied);
    }
    let present = definitions.get(definition::NAME).await.unwrap();
    let versions = serde_json::to_value(&present.spec.versions).unwrap();
    assert_eq!(versions, committed()["spec"]["versions"]);
}
