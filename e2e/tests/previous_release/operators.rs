//! Operators of both releases over the same sales, with the definition of this release: an upgrade in
//! mid-sale, and the way back.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use flashsale_e2e::{
    crowd::Crowd,
    laws::assert_audit_holds,
    operator::{Operator, SOON, Stage, with},
    patience::until,
    processes::Child,
    readiness::make_ready,
    sales::sale,
    services::Services,
};
use flashsale_queue::catalogue;
use k8s_openapi::api::core::v1::PodTemplateSpec;
use kube::api::DeleteParams;
use serde_json::{Value, json};

use crate::programs::{LONGEST, Release, orders, until_more_orders};

/// Units of the sale, of which none is ever sold out.
const STOCK: i32 = 1_000_000;

impl Release {
    async fn operator(self, stage: &Stage, name: &str) -> Operator {
        let program = self.program("flashsale-operator");
        stage.operator_of(&program, name).await
    }
}

/// A spec without a field that the previous release does not know.
fn spec() -> Value {
    json!({
        "products": [{"id": "p", "name": "P", "price": 9900, "stock": STOCK, "maxPerUser": STOCK}],
        "closesAt": "2099-01-01T00:00:00+01:00",
        "turnstile": {
            "maxQueueDepth": 1_000_000,
            "rateLimit": {"requests": 1_000_000, "windowSeconds": 1},
        },
        "worker": {"minReplicas": 1, "maxReplicas": 2, "resources": {"limits": {"memory": "256Mi"}}},
        "attempts": 5,
        "drainTimeoutSeconds": 60,
    })
}

async fn template(stage: &Stage) -> PodTemplateSpec {
    let deployment = stage.workers("drop").await.unwrap();
    deployment.spec.unwrap().template
}

/// Edits the sale and waits until the operator that leads has put it in force and says so.
async fn edit(stage: &Stage, attempts: u32) {
    stage.edit("drop", json!({ "attempts": attempts })).await;
    let id = stage.id("drop");
    until("Redis has the edit", LONGEST, || async {
        let mut queue = stage.services.queue.clone();
        let record = catalogue::read(&mut queue, &id).await.unwrap();
        record.is_some_and(|record| record.sale.retry.attempts == attempts)
    })
    .await;
    let generation = stage.sales.get("drop").await.unwrap().metadata.generation;
    stage
        .until("drop", "the edit is judged", |status| {
            status.observed_generation == generation
        })
        .await;
    // The summary of this release, and the verdict of the previous one.
    stage.until_condition("drop", "Ready", "True", "").await;
}

/// Notes each phase that the sale has from now on, until it is aborted. The previous release tells
/// `Pending` while Redis still holds the sale as it was before an edit, so its word is left out then.
fn phases(stage: &Arc<Stage>) -> (Arc<Mutex<BTreeSet<String>>>, tokio::task::JoinHandle<()>) {
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let (stage, noted) = (Arc::clone(stage), Arc::clone(&seen));
    let noting = tokio::spawn(async move {
        loop {
            let status = stage.status("drop").await;
            let is_of_this = status.conditions.iter().any(|one| one.type_ == "Accepted");
            let phase = status.phase.unwrap_or_default();
            if is_of_this || phase != "Pending" {
                noted.lock().unwrap().insert(phase);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    (seen, noting)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the programs of the previous release: make compat-schema"]
async fn an_open_sale_goes_to_this_operator_and_back() {
    let stage = Arc::new(Stage::set(Services::start().await).await);
    let services = &stage.services;
    let sale = sale(stage.id("drop").as_str(), &[("p", STOCK)]);
    let previous = Release::Previous.operator(&stage, "previous").await;
    stage.create("drop", spec()).await;
    stage.until_phase("drop", "Open").await;
    stage.until_replicas("drop", 1).await;
    make_ready(&stage, "drop").await;
    let gateway = Child::gateway(services, "gateway").await;
    let worker = Child::worker(services, "worker").await;
    let crowd = Crowd::start(&[gateway.url()], 4);
    until_more_orders(services, 100).await;
    edit(&stage, 6).await;
    let pods = template(&stage).await;
    let (seen, noting) = phases(&stage);

    // Side by side, and then without the one that led.
    let this = Release::This.operator(&stage, "this").await;
    until_more_orders(services, 100).await;
    previous.terminate().await;
    edit(&stage, 7).await;
    stage
        .until_condition("drop", "Accepted", "True", "Accepted")
        .await;
    until_more_orders(services, 100).await;
    assert_eq!(template(&stage).await, pods, "workers of an open sale stay");

    // Back, the same way.
    let previous = Release::Previous.operator(&stage, "previous-again").await;
    until_more_orders(services, 100).await;
    this.terminate().await;
    edit(&stage, 8).await;
    let more = json!({"products": [{"id": "p", "name": "P", "price": 9900, "stock": STOCK + 5, "maxPerUser": STOCK}]});
    stage.edit("drop", more).await;
    until_more_orders(services, 100).await;
    assert_eq!(template(&stage).await, pods, "workers of an open sale stay");

    noting.abort();
    let seen = seen.lock().unwrap().clone();
    assert_eq!(seen, BTreeSet::from(["Open".to_owned()]));
    let acknowledged = crowd.leave().await;
    assert_audit_holds(services, &sale, &acknowledged).await;
    assert_eq!(
        orders(services).await,
        i64::try_from(acknowledged.len()).unwrap()
    );
    let initial: i32 = sqlx::query_scalar("SELECT initial_stock FROM products WHERE id = 'p'")
        .fetch_one(services.ledger.pool())
        .await
        .unwrap();
    assert_eq!(initial, STOCK + 5, "each operator declared differences");

    stage
        .sales
        .delete("drop", &DeleteParams::default())
        .await
        .unwrap();
    until("the sale is gone", LONGEST, || async {
        stage.sales.get_opt("drop").await.unwrap().is_none()
    })
    .await;
    gateway.terminate().await;
    worker.terminate().await;
    previous.terminate().await;
}

/// What the previous release cannot read it says, and puts nothing of it in force.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the programs of the previous release: make compat-schema"]
async fn a_local_time_is_not_misread_by_the_previous_operator() {
    let stage = Stage::set(Services::start().await).await;
    let previous = Release::Previous.operator(&stage, "previous").await;
    let local = json!({"opensAt": "2020-01-01T10:00:00", "timeZone": "Europe/Berlin"});
    stage.create("drop", with(spec(), &local)).await;
    let said = stage.until_event("drop", "InvalidSpec").await;
    assert!(said.contains("offset"), "{said}");
    let mut queue = stage.services.queue.clone();
    let id = stage.id("drop");
    assert_eq!(catalogue::read(&mut queue, &id).await.unwrap(), None);
    previous.kill().await;

    // This one reads it, and lets it go.
    let this = Release::This.operator(&stage, "this").await;
    stage.until_phase("drop", "Open").await;
    stage
        .sales
        .delete("drop", &DeleteParams::default())
        .await
        .unwrap();
    until("the sale is gone", SOON, || async {
        stage.sales.get_opt("drop").await.unwrap().is_none()
    })
    .await;
    this.terminate().await;
}
