//! Three hundred FlashSales at once: what one operator costs.

pub(crate) mod usage;

use std::{
    ops::Range,
    time::{Duration, Instant},
};

use flashsale_domain::id::SaleId;
use flashsale_e2e::{
    operator::{Stage, with},
    processes::Child,
    services::Services,
};
use flashsale_queue::turnstile::Admission;
use futures_util::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use kube::api::ListParams;
use serde_json::{Value, json};

use self::usage::{Requests, Usage};
use crate::{
    figures::load,
    market::{Market, spec},
    replicas::Replicas,
};

/// All sales, and those of them that are open.
const SALES: usize = 300;
const OPEN: usize = 20;

/// Products of each.
const PRODUCTS: usize = 3;

/// Creations under way at once.
const CREATORS: usize = 20;

/// How long all of them may take to be looked after, on a busy machine.
const ALL_THERE: Duration = Duration::from_mins(3);

/// What follows the creation: events, first looks.
const CALM: Duration = Duration::from_secs(20);

/// How long is measured.
const MEASURED: Duration = Duration::from_secs(30);

/// What is promised.
const MOST_MEMORY: f64 = 150.0;
const MOST_CPU: f64 = 30.0;

#[tokio::test(flavor = "multi_thread")]
async fn three_hundred_sales_cost_one_operator_little() {
    let stage = Stage::set(Services::start().await).await;
    let operator = stage.operator("operator").await;
    let idle = Usage::read(&operator, &stage.services).await;
    let start = Instant::now();
    let markets = create_all(&stage).await;
    let created = start.elapsed();
    all_there(&stage).await;
    println!(
        "{SALES} sales: created in {created:?}, all looked after {:?} after the first (load {})",
        start.elapsed(),
        load()
    );
    let used = Usage::read(&operator, &stage.services).await.since(&idle);
    println!("until then: {used}");
    let open: Vec<SaleId> = (0..OPEN).map(|number| stage.id(&name(number))).collect();
    let worker = Child::worker_of(&stage.services, "worker", &open).await;
    tokio::time::sleep(CALM).await;

    let before = Usage::read(&operator, &stage.services).await;
    let requests = Requests::read(stage.cluster).await;
    let bought = buy_a_little(&stage, &markets).await;
    let used = Usage::read(&operator, &stage.services).await.since(&before);
    println!(
        "steady for {MEASURED:?} with {bought} buys: {used} (load {})",
        load()
    );
    Requests::read(stage.cluster).await.print_since(&requests);
    assert!(used.memory_mb < MOST_MEMORY, "{used}");
    assert!(used.cpu_percent < MOST_CPU, "{used}");
    worker.terminate().await;
    answers_a_spike(&stage, &markets[0]).await;
}

async fn create_all(stage: &Stage) -> Vec<Market> {
    let tomorrow = Timestamp::now() + SignedDuration::from_hours(24);
    let create = async |number: usize| {
        let (name, spec) = plan(number, tomorrow);
        Market::create(stage, &name, spec).await
    };
    let made = stream::iter(0..SALES).map(create).buffered(CREATORS);
    made.collect().await
}

fn name(number: usize) -> String {
    format!("sale-{number:03}")
}

/// Name and spec of sale number `number`.
fn plan(number: usize, tomorrow: Timestamp) -> (String, Value) {
    let name = name(number);
    let worker = json!({
        "minReplicas": 1, "maxReplicas": 4, "targetQueueDepth": 10, "lanesPerWorker": 1,
        "scaleDownStabilizationSeconds": 5,
    });
    let spec = spec(&name, PRODUCTS, &worker);
    let spec = if number < OPEN {
        spec
    } else {
        with(spec, &json!({ "opensAt": tomorrow }))
    };
    (name, spec)
}

async fn all_there(stage: &Stage) {
    let deadline = Instant::now() + ALL_THERE;
    loop {
        let list = stage.sales.list(&ListParams::default()).await.unwrap();
        let in_phase = |phase: &str| {
            let phases = list.iter().filter_map(|sale| sale.status.as_ref());
            phases
                .filter(|status| status.phase.as_deref() == Some(phase))
                .count()
        };
        let (open, scheduled) = (in_phase("Open"), in_phase("Scheduled"));
        if (open, scheduled) == (OPEN, SALES - OPEN) {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "{open} open, {scheduled} scheduled"
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Each second one buy in each open sale.
async fn buy_a_little(stage: &Stage, markets: &[Market]) -> usize {
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    let rounds: Range<usize> = 0..usize::try_from(MEASURED.as_secs()).unwrap();
    let mut bought = 0;
    for round in rounds {
        seconds.tick().await;
        for market in &markets[..OPEN] {
            let taken = market.press(&stage.services, round % PRODUCTS, round).await;
            assert!(matches!(taken, Admission::Queued { .. }), "{taken:?}");
            bought += 1;
        }
    }
    seconds.tick().await;
    bought
}

/// Among three hundred, a spike is answered as soon as when alone.
async fn answers_a_spike(stage: &Stage, market: &Market) {
    let mut replicas = Replicas::watch(stage, &name(0));
    replicas.until(1, Duration::from_secs(10)).await;
    let start = Instant::now();
    market.fill(&stage.services, 0..PRODUCTS, 10).await;
    let longest = Duration::from_secs(10);
    let took = replicas
        .until(i32::try_from(PRODUCTS).unwrap(), longest)
        .await
        - start;
    println!("a spike of one among {SALES} sales was answered after {took:?}");
    assert!(took <= Duration::from_secs(2), "{took:?}");
}
