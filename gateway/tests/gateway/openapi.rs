//! The committed OpenAPI document.

use crate::support::World;

#[tokio::test]
async fn the_committed_document_is_the_one_that_the_code_generates_and_serves() {
    let generated = flashsale_gateway::openapi::json().unwrap();
    let committed = include_str!("../../openapi.json");
    assert!(
        generated == committed,
        "gateway/openapi.json is stale: run `cargo run -p flashsale-gateway openapi > gateway/openapi.json`"
    );
    let world = World::new().await;
    let gateway = world.gateway().await;
    assert_eq!(gateway.client.get("/openapi.json").await.text(), committed);
}
