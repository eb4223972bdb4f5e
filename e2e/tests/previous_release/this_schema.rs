//! The previous release on the schema of this one: after a rollback, and while workers are replaced.

use flashsale_e2e::{
    crowd::Crowd,
    laws::assert_audit_holds,
    patience::until,
    processes::{Child, get},
    sales::{open, sale},
    schema::applied,
    services::Services,
};

use crate::programs::{LONGEST, Release, fenced, orders, told, unfenced, until_more_orders};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the programs of the previous release: make compat-schema"]
async fn its_gateway_and_worker_sell_on_this_schema_and_every_buy_ends() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 1_000_000)]);
    open(&services, &sale).await;
    let gateway = Release::Previous.gateway(&services, "gateway").await;
    let worker = Release::Previous.worker(&services, "worker").await;
    let crowd = Crowd::start(&[gateway.url()], 16);
    crowd.bought_at_least(1_000).await;
    until_more_orders(&services, 100).await;
    let acknowledged = crowd.leave().await;
    assert_audit_holds(&services, &sale, &acknowledged).await;
    assert_eq!(
        orders(&services).await,
        i64::try_from(acknowledged.len()).unwrap()
    );
    assert!(unfenced(&services).await > 0);
    // Its own audit of what this release keeps in both stores.
    let audit = Release::Previous
        .flashsale(&services, &["audit", "--sale", "drop"])
        .await;
    assert!(audit.status.success(), "{}", told(&audit));
    gateway.terminate().await;
    worker.terminate().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the programs of the previous release: make compat-schema"]
async fn workers_of_both_releases_settle_one_sale_at_once() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 1_000_000)]);
    open(&services, &sale).await;
    let gateways = [
        Release::Previous
            .gateway(&services, "gateway-previous")
            .await,
        Release::This.gateway(&services, "gateway-this").await,
    ];
    let urls = gateways.each_ref().map(Child::url);
    let mut previous = Release::Previous.worker(&services, "worker-previous").await;
    let crowd = Crowd::start(&urls, 16);
    until_more_orders(&services, 100).await;
    let mut this = Release::This.worker(&services, "worker-this").await;
    // The lease of the lane goes to and fro between the two releases.
    for round in 0..2 {
        previous.0.kill().await.unwrap();
        // PostgreSQL still ends a batch whose worker was killed; the lease is taken over later.
        let settled = fenced(&services).await;
        until("this release settles", LONGEST, async || {
            fenced(&services).await > settled
        })
        .await;
        let before = unfenced(&services).await;
        until_more_orders(&services, 300).await;
        assert_eq!(unfenced(&services).await, before, "round {round}");
        previous.kill_and_restart().await;
        this.0.kill().await.unwrap();
        until("the previous release settles", LONGEST, async || {
            unfenced(&services).await > before
        })
        .await;
        this.kill_and_restart().await;
    }
    let acknowledged = crowd.leave().await;
    assert_audit_holds(&services, &sale, &acknowledged).await;
    assert_eq!(
        orders(&services).await,
        i64::try_from(acknowledged.len()).unwrap()
    );
    // Either gateway tells what the workers of either release decided.
    for job in acknowledged.iter().step_by(acknowledged.len() / 40) {
        for url in &urls {
            let (status, body) = get(&format!("{url}/orders/{job}")).await.unwrap();
            assert!(
                status == 200 && body.contains("confirmed"),
                "{status} {body}"
            );
        }
    }
    previous.terminate().await;
    this.terminate().await;
}

/// A fact about that release, which cannot be changed any more: docs/install.md tells how to roll
/// back to it all the same. From this release on, `migrate` goes on with a warning.
#[tokio::test]
#[ignore = "needs the programs of the previous release: make compat-schema"]
async fn its_migrate_refuses_this_schema_and_changes_nothing() {
    let services = Services::start().await;
    let before = applied(&services).await;
    let refused = Release::Previous.flashsale(&services, &["migrate"]).await;
    assert_eq!(refused.status.code(), Some(3), "{}", told(&refused));
    assert!(
        told(&refused).contains("was previously applied but is missing"),
        "{}",
        told(&refused)
    );
    assert_eq!(applied(&services).await, before);
    let migrated = Release::This.flashsale(&services, &["migrate"]).await;
    assert_eq!(migrated.status.code(), Some(0), "{}", told(&migrated));
}
