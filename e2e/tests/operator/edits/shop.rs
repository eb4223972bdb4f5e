//! One open sale, a gateway before it, and somebody who watches its phases.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use flashsale_e2e::{
    operator::{Operator, Stage, with},
    patience::until,
    processes::Child,
    services::Services,
    shopping,
};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

/// How long an edit may take until shoppers and workers see it.
const IN_FORCE: Duration = Duration::from_secs(2);

/// How often the phase is looked at.
const LOOK: Duration = Duration::from_millis(15);

/// An open sale `drop` with all that is around it.
pub(super) struct Shop {
    pub(super) stage: Stage,
    pub(super) gateway: Child,
    operator: Operator,
    shoppers: AtomicU32,
    phases: Arc<Mutex<Vec<String>>>,
    watch: JoinHandle<()>,
}

impl Shop {
    /// Opens the sale `spec`, with a rate limit that nobody meets unless it says otherwise.
    pub(super) async fn open(name: &str, spec: Value) -> Self {
        let stage = Stage::set(Services::start().await).await;
        let operator = stage.operator(name).await;
        let generous = json!({"turnstile": {"rateLimit": {"requests": 1_000}}});
        stage.create("drop", with(spec, &generous)).await;
        stage.until_phase("drop", "Open").await;
        let gateway = Child::gateway(&stage.services, "gateway").await;
        let phases = Arc::<Mutex<Vec<String>>>::default();
        let watch = watch(&stage, phases.clone());
        Self {
            stage,
            gateway,
            operator,
            shoppers: AtomicU32::default(),
            phases,
            watch,
        }
    }

    /// Merges `edit` into the spec and waits until `seen`; no longer than an edit may take.
    pub(super) async fn takes_effect(
        &self,
        what: &str,
        edit: Value,
        seen: impl AsyncFn() -> bool,
    ) -> Duration {
        assert!(!seen().await, "{what} is in force before it is written");
        let began = Instant::now();
        self.stage.edit("drop", edit).await;
        until(what, IN_FORCE, || seen()).await;
        let took = began.elapsed();
        println!("{what}: in force after {took:?}");
        assert!(took < IN_FORCE, "{what}: {took:?}");
        took
    }

    /// A shopper who was never here before.
    pub(super) fn shopper(&self) -> String {
        let number = self.shoppers.fetch_add(1, Ordering::Relaxed);
        format!("shopper-{number}")
    }

    /// Somebody new presses Buy; the status of the answer.
    pub(super) async fn press(&self, product: &str) -> u16 {
        self.press_as(product, &self.shopper()).await
    }

    /// `user` presses Buy; the status of the answer.
    pub(super) async fn press_as(&self, product: &str, user: &str) -> u16 {
        shopping::press(&self.gateway, product, user).await.0
    }

    /// Somebody new buys, and must be queued.
    pub(super) async fn queued(&self, product: &str) {
        shopping::buy(&self.gateway, product, &self.shopper()).await;
    }

    /// The phases that the sale went through while it was watched were these alone, and the operator
    /// has not panicked.
    pub(super) async fn saw_only(&self, phases: &[&str]) {
        let seen = self.phases.lock().unwrap().clone();
        assert!(
            seen.iter().all(|phase| phases.contains(&phase.as_str())),
            "{seen:?}"
        );
        let opened = self.stage.events("drop").await;
        let opened = opened.iter().filter(|(reason, _)| reason == "Opened");
        assert_eq!(opened.count(), 1);
        assert!(!self.operator.log().contains("panicked"));
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

/// Writes down each phase that follows another.
fn watch(stage: &Stage, phases: Arc<Mutex<Vec<String>>>) -> JoinHandle<()> {
    let sales = stage.sales.clone();
    tokio::spawn(async move {
        loop {
            let sale = sales.get_opt("drop").await.ok().flatten();
            if let Some(phase) = sale.and_then(|sale| sale.status?.phase) {
                let mut seen = phases.lock().unwrap();
                if seen.last() != Some(&phase) {
                    seen.push(phase);
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    })
}
