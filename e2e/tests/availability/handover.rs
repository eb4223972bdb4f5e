//! Two operators, of which the leader dies in mid-sale: nothing is opened or closed twice.

use std::time::{Duration, Instant};

use flashsale_e2e::{
    operator::{Stage, one_product, with},
    patience::until,
    services::Services,
};
use flashsale_queue::catalogue;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use nix::sys::signal::Signal;
use serde_json::json;

/// Lease duration and retry period.
const TAKE_OVER: Duration = Duration::from_secs(17);

#[tokio::test]
async fn a_sale_whose_operator_dies_is_opened_and_closed_once() {
    let stage = Stage::set(Services::start().await).await;
    let one = stage.operator("one").await;
    until("one leads", TAKE_OVER, || async {
        holder(&stage).await == "one"
    })
    .await;
    let _two = stage.operator("two").await;
    let times = |seconds| Timestamp::now() + SignedDuration::from_secs(seconds);
    let times = json!({"opensAt": times(3), "closesAt": times(24), "worker": {"minReplicas": 0}});
    stage
        .create("drop", with(one_product("shoe", 5), &times))
        .await;
    // An event is told after the status that it speaks of was written: the leader dies after both.
    stage.until_phase("drop", "Scheduled").await;
    stage.until_event("drop", "Scheduled").await;
    one.kill().await;
    let killed = Instant::now();
    until("two leads", TAKE_OVER, || async {
        holder(&stage).await == "two"
    })
    .await;
    println!(
        "two leads {:.1} s after one was killed",
        killed.elapsed().as_secs_f64()
    );
    stage.until_phase("drop", "Open").await;
    let status = stage.until_phase("drop", "Closed").await;
    assert!(status.opened_at < status.closed_at, "{status:#?}");
    for reason in ["Scheduled", "Opened", "Drained"] {
        stage.until_event("drop", reason).await;
        let told = stage.events("drop").await;
        let times = told.iter().filter(|(told, _)| told == reason).count();
        assert_eq!(times, 1, "{reason} in {told:#?}");
    }
}

/// A leader that was paused does not put back what it knew before.
#[tokio::test]
async fn a_leader_that_wakes_up_puts_nothing_back() {
    let stage = Stage::set(Services::start().await).await;
    let one = stage.operator("one").await;
    stage.create("drop", one_product("shoe", 5)).await;
    stage.until_phase("drop", "Open").await;
    let _two = stage.operator("two").await;
    one.process.signal(Signal::SIGSTOP).unwrap();
    until("two leads", TAKE_OVER, || async {
        holder(&stage).await == "two"
    })
    .await;
    stage.edit("drop", json!({"suspend": true})).await;
    stage.until_phase("drop", "Suspended").await;
    let id = stage.id("drop");
    let watching = async {
        let mut queue = stage.services.queue.clone();
        loop {
            let record = catalogue::read(&mut queue, &id).await.unwrap();
            assert!(record.unwrap().sale.suspended);
        }
    };
    one.process.signal(Signal::SIGCONT).unwrap();
    tokio::select! {
        () = watching => {}
        ended = one.process.wait(TAKE_OVER) => assert!(!ended.unwrap().success()),
    }
}

/// Who holds the lease; empty while nobody does.
async fn holder(stage: &Stage) -> String {
    let leases: Api<Lease> = Api::namespaced(stage.cluster.client(), &stage.namespace);
    let lease = leases.get_opt("flashsale-operator").await.unwrap();
    lease
        .and_then(|lease| lease.spec?.holder_identity)
        .unwrap_or_default()
}
