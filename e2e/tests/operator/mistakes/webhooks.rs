//! A Deployment that the API server does not take for a while: an admission webhook does not answer.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use flashsale_e2e::{
    operator::{Stage, one_product},
    services::Services,
};

use super::api_proxy::{ApiProxy, Handling};

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_that_cannot_be_written_is_told_at_the_sale_until_it_can() {
    let stage = Stage::set(Services::start().await).await;
    let refuses = Arc::new(AtomicBool::new(true));
    let proxy = ApiProxy::start(&stage, {
        let refuses = Arc::clone(&refuses);
        move |request| {
            let is_apply = request.starts_with("PATCH") && request.contains("/deployments/");
            if is_apply && refuses.load(Ordering::Relaxed) {
                Handling::Refused
            } else {
                Handling::Passed
            }
        }
    });
    let proxy = proxy.await;
    let _operator = stage.operator_through("operator", proxy.kubeconfig()).await;
    stage.create("drop", one_product("p", 5)).await;
    let said = stage
        .until_condition("drop", "Accepted", "False", "ReconcileFailed")
        .await;
    assert!(said.contains("Deployment could not be applied"), "{said}");
    stage.until_event("drop", "ReconcileFailed").await;
    stage.until_condition("drop", "Ready", "False", "").await;
    refuses.store(false, Ordering::Relaxed);
    stage.until_replicas("drop", 1).await;
    stage
        .until_condition("drop", "Accepted", "True", "Accepted")
        .await;
}
