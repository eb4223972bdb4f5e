//! Watches that the API server refuses for a while, as an overloaded one does.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use flashsale_e2e::{
    operator::{Stage, one_product},
    patience::until,
    services::Services,
};
use kube::api::DeleteParams;
use serde_json::json;

use super::api_proxy::{ApiProxy, Handling};

/// Long enough for delays that double to grow.
const REFUSED_FOR: Duration = Duration::from_secs(15);

/// Within which the operator is back at work. Delays that grew to the length of the outage would take
/// longer.
const BACK: Duration = Duration::from_secs(8);

/// Less than the half minute after which a sale is visited anyway.
const MADE_AGAIN: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_right_after_watches_were_refused_is_noticed_soon() {
    let stage = Stage::set(Services::start().await).await;
    let refuses = Arc::new(AtomicBool::new(false));
    let proxy = ApiProxy::start(&stage, {
        let refuses = Arc::clone(&refuses);
        move |request| {
            let lists = ["/flashsales?", "/deployments?"];
            let is_list = lists.iter().any(|list| request.contains(list));
            if is_list && refuses.load(Ordering::Relaxed) {
                Handling::Refused
            } else {
                Handling::Passed
            }
        }
    });
    let proxy = proxy.await;
    let _operator = stage.operator_through("operator", proxy.kubeconfig()).await;
    stage.create("drop", one_product("p", 5)).await;
    stage.until_phase("drop", "Open").await;

    refuses.store(true, Ordering::Relaxed);
    proxy.cut();
    tokio::time::sleep(REFUSED_FOR).await;
    refuses.store(false, Ordering::Relaxed);
    let healed = Instant::now();
    stage.edit("drop", json!({"suspend": true})).await;
    stage.until_phase("drop", "Suspended").await;
    let noticed = healed.elapsed();
    println!("noticed after {noticed:?}");
    assert!(noticed < BACK, "{noticed:?}");
}

/// A watch that begins anew with a list does not say what was deleted before.
#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_that_was_deleted_unseen_is_made_again_soon() {
    let stage = Stage::set(Services::start().await).await;
    let is_away = Arc::new(AtomicBool::new(false));
    let is_expired = Arc::new(AtomicBool::new(false));
    let proxy = ApiProxy::start(&stage, {
        let (is_away, is_expired) = (Arc::clone(&is_away), Arc::clone(&is_expired));
        move |request| {
            if !request.contains("/deployments?") {
                Handling::Passed
            } else if is_away.load(Ordering::Relaxed) {
                Handling::Refused
            } else if request.contains("watch=true") && is_expired.swap(false, Ordering::Relaxed) {
                Handling::Expired
            } else {
                Handling::Passed
            }
        }
    });
    let proxy = proxy.await;
    let _operator = stage.operator_through("operator", proxy.kubeconfig()).await;
    stage.create("drop", one_product("p", 5)).await;
    stage.until_replicas("drop", 1).await;
    stage
        .until_condition("drop", "Accepted", "True", "Accepted")
        .await;
    let first = stage.workers("drop").await.unwrap().metadata.uid;

    is_away.store(true, Ordering::Relaxed);
    proxy.cut();
    let parameters = DeleteParams::default();
    stage
        .deployments
        .delete("drop-worker", &parameters)
        .await
        .unwrap();
    is_expired.store(true, Ordering::Relaxed);
    is_away.store(false, Ordering::Relaxed);
    let healed = Instant::now();
    until("there is another Deployment", MADE_AGAIN, || async {
        let now = stage.workers("drop").await;
        now.is_some_and(|now| now.metadata.uid != first)
    })
    .await;
    println!("made again after {:?}", healed.elapsed());
    assert!(!is_expired.load(Ordering::Relaxed), "the watch began anew");
}
