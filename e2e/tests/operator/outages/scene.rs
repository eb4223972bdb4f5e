//! Two sales of one operator: one whose store will be away, and one with stores of its own.

use std::time::{Duration, Instant};

use flashsale_e2e::{
    operator::{Operator, Stage, with},
    services::Services,
};
use k8s_openapi::api::core::v1::Event;
use kube::{Api, api::ListParams};
use serde_json::{Value, json};

use crate::{
    figures::{in_ms, load, random_phase},
    market::{Market, spec},
    replicas::Replicas,
};

/// How long a store is away.
pub(super) const OUTAGE: Duration = Duration::from_mins(1);

/// How soon people are told of an outage, and of its end.
pub(super) const TOLD: Duration = Duration::from_secs(6);

/// Busy lanes of the sale that is hit, and so its workers.
pub(super) const LANES: usize = 6;
pub(super) const WORKERS: i32 = 6;

/// How often replicas are looked at.
const LOOK: Duration = Duration::from_millis(200);

/// What a spike may take, in the middle of the outage of others too.
const PROMISED: Duration = Duration::from_secs(2);

/// What is under the outage, and what is beside it.
pub(super) struct Scene {
    pub(super) stage: Stage,
    pub(super) operator: Operator,
    /// The stores of the sale that is not hit.
    other: Services,
    /// The sale `hit`.
    pub(super) hit: Market,
    /// The sale `well`.
    well: Market,
}

impl Scene {
    /// Two open sales, and the one that will be hit with as many workers as its queue asks for.
    pub(super) async fn set(services: Services, fallback: Value) -> Self {
        let stage = Stage::set(services).await;
        let other = Services::start().await;
        stage.write_secret("other-redis", &other.redis.url()).await;
        stage
            .write_secret("other-database", &other.database_url)
            .await;
        let operator = stage.operator("operator").await;
        let mut worker = json!({
            "minReplicas": 0, "maxReplicas": 12, "targetQueueDepth": 10, "lanesPerWorker": 1,
            "scaleDownStabilizationSeconds": 0,
        });
        let elsewhere = json!({
            "redisSecretRef": {"name": "other-redis", "key": "url"},
            "databaseSecretRef": {"name": "other-database", "key": "url"},
        });
        let well = with(spec("well", LANES, &worker), &elsewhere);
        let well = Market::create(&stage, "well", well).await;
        if !fallback.is_null() {
            worker["fallback"] = fallback;
        }
        let hit = Market::open(&stage, "hit", LANES + 2, worker).await;
        stage.until_phase("well", "Open").await;
        hit.occupy(&stage.services).await;
        hit.fill(&stage.services, 0..LANES, 10).await;
        stage.until_replicas("hit", WORKERS).await;
        stage
            .until_condition("hit", "Scaling", "True", "AtNeed")
            .await;
        Self {
            stage,
            operator,
            other,
            hit,
            well,
        }
    }

    /// Watches both sales for the rest of an outage that began at `start`.
    pub(super) async fn endure(&self, start: Instant) {
        let end = start + OUTAGE;
        tokio::join!(self.keeps_workers(end), self.answers_spikes(end));
    }

    /// No look at the replicas may show fewer than the one before.
    async fn keeps_workers(&self, end: Instant) {
        let mut least = WORKERS;
        let mut looks = 0;
        while Instant::now() < end {
            let now = self.stage.replicas("hit").await;
            assert!(now >= least, "{now} workers after {least}");
            (least, looks) = (now, looks + 1);
            tokio::time::sleep(LOOK).await;
        }
        println!("{looks} looks at the workers of the sale that is hit: {WORKERS} → {least}");
    }

    /// The other sale is looked at every second as before.
    async fn answers_spikes(&self, end: Instant) {
        let mut replicas = Replicas::watch(&self.stage, "well");
        let mut figures = Vec::new();
        while Instant::now() < end {
            let start = Instant::now();
            self.well.fill(&self.other, 0..LANES, 10).await;
            figures.push(replicas.until(WORKERS, TOLD).await - start);
            self.well.empty(&self.other).await;
            replicas.until(0, TOLD).await;
            tokio::time::sleep(Duration::from_secs(1) + random_phase()).await;
        }
        figures.sort();
        println!(
            "spikes of the other sale meanwhile, in ms: {} (load {})",
            in_ms(&figures),
            load()
        );
        assert!(figures.len() >= 10, "{}", figures.len());
        assert!(*figures.last().unwrap() <= PROMISED, "{figures:?}");
    }

    /// Waits for a condition of the sale that is hit, and says how long after `start` it came.
    pub(super) async fn told(&self, start: Instant, about: &str, is: &str) {
        self.stage.until_condition("hit", about, is, "").await;
        let took = start.elapsed();
        println!("{about} is {is} after {took:?}");
        assert!(took <= TOLD, "{about} is {is} only after {took:?}");
    }

    /// Nothing that the outage did stays: workers go as soon as the queue is empty.
    pub(super) async fn goes_on(&self) {
        self.hit.empty(&self.stage.services).await;
        self.stage.until_replicas("hit", 0).await;
        self.stage.until_event("hit", "Recovered").await;
        self.opened_once().await;
        self.operator.terminate().await;
    }

    /// What is seen again has not happened again: neither another event nor a count.
    async fn opened_once(&self) {
        let client = self.stage.cluster.client();
        let events: Api<Event> = Api::namespaced(client, &self.stage.namespace);
        let about = ListParams::default().fields("involvedObject.name=hit");
        let list = events.list(&about).await.unwrap();
        let opened: Vec<&Event> = list
            .iter()
            .filter(|event| event.reason.as_deref() == Some("Opened"))
            .collect();
        assert_eq!(opened.len(), 1, "{opened:#?}");
        assert!(opened[0].series.is_none(), "{opened:#?}");
    }
}
