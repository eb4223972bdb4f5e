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
    services::Services,
};
use serde_json::json;

use super::api_proxy::{ApiProxy, Handling};

/// Long enough for delays that double to grow.
const REFUSED_FOR: Duration = Duration::from_secs(15);

/// Within which the operator is back at work. Delays that grew to the length of the outage would take
/// longer.
const BACK: Duration = Duration::from_secs(8);

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
