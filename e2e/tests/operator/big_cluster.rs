//! A thousand FlashSales in twenty namespaces: what one operator costs in a big cluster, and whether it
//! is as fast there. `make big-cluster` runs it; the figures count for an operator that is built for
//! release.

mod scene;

use std::time::{Duration, Instant};

use flashsale_e2e::services::Services;
use jiff::Timestamp;

use self::scene::{NAMESPACES, OPEN, SALES, Scene, Secrets};
use crate::{
    figures::load,
    many::usage::{Requests, Usage},
};

/// What follows the creation: events, first looks, disruption budgets.
const CALM: Duration = Duration::from_secs(45);

/// How long is measured.
const MEASURED: Duration = Duration::from_mins(1);

/// How long the requests of everybody else are measured, once the operator is gone.
const WITHOUT: Duration = Duration::from_secs(20);

/// What is promised in steady state.
const MOST_MEMORY: f64 = 256.0;
const MOST_CPU: f64 = 40.0;
const MOST_REQUESTS: f64 = 10.0;

/// How long a spike in one sale may take to be answered, and an opening to be told.
const ANSWERED: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: run by scripts/big-cluster"]
async fn a_thousand_sales_that_share_their_secrets() {
    measure(Secrets::Shared).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: run by scripts/big-cluster"]
async fn a_thousand_sales_with_secrets_of_their_own() {
    measure(Secrets::Distinct).await;
}

async fn measure(secrets: Secrets) {
    let scene = Scene::set(Services::start().await, secrets).await;
    let operator = scene.stage.operator_of_all_namespaces("operator").await;
    let idle = Usage::read(&operator, &scene.stage.services).await;
    let start = Instant::now();
    scene.create_all().await;
    let created = start.elapsed();
    scene.all_there().await;
    println!(
        "{SALES} sales in {NAMESPACES} namespaces, {OPEN} of them open, Secrets {secrets:?}: created \
         in {created:.1?}, all looked after {:.1?} after the first (load {})",
        start.elapsed(),
        load()
    );
    let used = Usage::read(&operator, &scene.stage.services).await;
    println!("until then: {}", used.since(&idle));
    scene.make_workers_ready().await;
    let workers = scene.start_worker().await;
    scene.buy_each_second(CALM).await;

    let before = Usage::read(&operator, &scene.stage.services).await;
    let requests = Requests::read(scene.stage.cluster).await;
    let bought = scene.buy_each_second(MEASURED).await;
    let used = Usage::read(&operator, &scene.stage.services).await;
    let with = Requests::read(scene.stage.cluster).await;
    let used = used.since(&before);
    println!(
        "steady for {MEASURED:?} with {bought} buys: {used} (load {})",
        load()
    );
    with.print_since(&requests);

    let spike = scene.answer_of_a_spike().await;
    println!("a spike of one among {SALES} sales was answered after {spike:.2?}");
    let opening = scene.lag_of_an_opening(Timestamp::now()).await;
    println!("an opening was told {opening:.2?} after its time");
    workers.terminate().await;
    operator.terminate().await;

    let requests_without = Requests::read(scene.stage.cluster).await;
    tokio::time::sleep(WITHOUT).await;
    let without = Requests::read(scene.stage.cluster).await;
    let others = without.per_second_since(&requests_without);
    let operators = with.per_second_since(&requests) - others;
    println!("requests of the operator alone: {operators:.1}/s (of everybody else: {others:.1}/s)");

    assert!(used.memory_mb < MOST_MEMORY, "{used}");
    assert!(used.cpu_percent < MOST_CPU, "{used}");
    if secrets == Secrets::Shared {
        assert!(operators < MOST_REQUESTS, "{operators:.1}/s");
    }
    assert!(spike < ANSWERED, "{spike:?}");
    assert!(opening < ANSWERED, "{opening:?}");
}
