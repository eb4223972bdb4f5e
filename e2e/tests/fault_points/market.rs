//! A sale with everything around it, and the laws by which each test ends.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::process::ExitStatusExt,
    time::{Duration, Instant},
};

use flashsale_domain::{id::JobId, outcome::JobState, sale::Sale};
use flashsale_e2e::{
    patience::until,
    processes::{Child, client},
    queue::{depth, record},
    sales::{open, sale},
    services::Services,
};
use flashsale_fault_point::FaultPoint;
use flashsale_queue::{keys::SaleKeys, lease};
use nix::sys::signal::Signal;
use redis::AsyncCommands;
use serde_json::{Value, json};

use crate::hearing::Hearing;

/// The product of the sale.
pub(crate) const PRODUCT: &str = "p";

/// Units on offer.
pub(crate) const STOCK: i32 = 1_000;

/// How long a process may take to come to its fault point.
const REACHED: Duration = Duration::from_secs(20);

/// How long outcomes may take after a fault: the lease of a worker that is gone, and then some.
pub(crate) const FLOWING: Duration = lease::TERM.saturating_add(Duration::from_secs(5));

/// The wait before a shopper tries again.
const AGAIN: Duration = Duration::from_millis(50);

/// One sale of one product, of which each shopper may have one unit.
pub(crate) struct Market {
    pub(crate) services: Services,
    sale: Sale,
    hearing: Hearing,
}

/// The answer to a buy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Acknowledged {
    pub(crate) job: JobId,
    /// Whether it was the answer to an earlier buy with the same key.
    pub(crate) is_repeat: bool,
}

impl Market {
    pub(crate) async fn open() -> Self {
        let services = Services::start().await;
        let mut sale = sale("drop", &[(PRODUCT, STOCK)]);
        sale.products[0].max_per_user = Some(1);
        open(&services, &sale).await;
        let hearing = Hearing::begin(&services).await;
        Self {
            services,
            sale,
            hearing,
        }
    }

    pub(crate) async fn gateway(&self, name: &str) -> Child {
        Child::gateway(&self.services, name).await
    }

    pub(crate) async fn worker(&self, name: &str) -> Child {
        Child::worker(&self.services, name).await
    }

    /// A gateway that does `action` at `point`.
    pub(crate) async fn faulty_gateway(
        &self,
        name: &str,
        point: FaultPoint,
        action: &str,
    ) -> Child {
        Child::faulty_gateway(&self.services, name, &format!("{point}={action}")).await
    }

    /// A worker that does `action` at `point`, and another one. Both are paused, so that the test says
    /// which of them gets the lane.
    pub(crate) async fn workers(&self, point: FaultPoint, action: &str) -> (Child, Child) {
        let fault = format!("{point}={action}");
        let (faulty, other) = tokio::join!(
            Child::faulty_worker(&self.services, "faulty-worker", &fault),
            self.worker("other-worker"),
        );
        faulty.0.pause().unwrap();
        other.0.pause().unwrap();
        (faulty, other)
    }

    /// Three shoppers buy, and one of them a second time: three orders and one that is turned away.
    pub(crate) async fn buy_four(&self, gateway: &Child) -> Vec<JobId> {
        let mut jobs = Vec::new();
        for (user, key) in [("anna", "1"), ("ben", "1"), ("anna", "2"), ("carl", "1")] {
            jobs.push(buy(gateway, user, key).await.unwrap().job);
        }
        jobs
    }

    /// Buys as a shopper who has not bought yet.
    pub(crate) async fn buy_one(&self, gateway: &Child, user: &str) -> JobId {
        buy(gateway, user, "1").await.unwrap().job
    }

    /// Waits until each of `jobs` has its outcome, counted from a fault.
    pub(crate) async fn until_ended(&self, jobs: &[JobId]) {
        until("each job has an outcome", FLOWING, async || {
            for job in jobs {
                let record = record(&self.services, &self.sale, *job).await.unwrap();
                if matches!(record.state, JobState::Queued { .. }) {
                    return false;
                }
            }
            true
        })
        .await;
    }

    /// Jobs in the lane.
    pub(crate) async fn depth(&self) -> u64 {
        depth(&self.services, &self.sale, 0).await
    }

    /// Orders in the ledger.
    pub(crate) async fn orders(&self) -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM orders")
            .fetch_one(self.services.ledger.pool())
            .await
            .unwrap()
    }

    /// How many jobs somebody was told the outcome of.
    pub(crate) async fn told(&self) -> usize {
        self.hearing.told(&self.services).await.len()
    }

    /// Who holds the lane's lease, by the name of the takeover.
    pub(crate) async fn lease(&self) -> Option<String> {
        let key = SaleKeys::new(&self.sale.id).lease(&self.sale.products[0].id);
        self.services.queue.clone().get(key).await.unwrap()
    }

    /// The laws: each of the acknowledged jobs, and no other, was told one outcome, once, and it is
    /// the one on record; stock and orders agree with what was declared; nothing is left in the lane.
    pub(crate) async fn judge(&self, acknowledged: &[JobId]) {
        assert_eq!(self.depth().await, 0, "jobs are left in the lane");
        let told = self.hearing.told(&self.services).await;
        let jobs: BTreeSet<&JobId> = acknowledged.iter().collect();
        assert_eq!(told.keys().collect::<BTreeSet<_>>(), jobs);
        let mut confirmed = 0;
        for job in jobs {
            let record = record(&self.services, &self.sale, *job).await.unwrap();
            assert_eq!(told[job], [record.state], "{job} was told");
            let JobState::Final { order_id, .. } = record.state else {
                panic!("{job} has no outcome: {record}");
            };
            confirmed += i32::from(order_id.is_some());
        }
        assert_eq!(self.orders().await, i64::from(confirmed));
        let stock = self.services.ledger.stock(&self.sale.id).await.unwrap();
        assert_eq!(stock[0].stock, STOCK - confirmed);
        let mut queue = self.services.queue.clone();
        let report = flashsale_audit::audit(&self.services.ledger, &mut queue, &self.sale.id)
            .await
            .unwrap();
        assert!(report.holds(), "{report:#?}");
    }
}

/// Buys at `gateway`; none when the connection broke. Told that the queue is out of reach, as on a
/// machine that is too busy, the shopper tries again with the same key.
pub(crate) async fn buy(gateway: &Child, user: &str, key: &str) -> Option<Acknowledged> {
    let (shopper, began) = (client(), Instant::now());
    loop {
        let answer = shopper
            .post(format!("{}/buy", gateway.url()))
            .header("Idempotency-Key", key)
            .header("Content-Type", "application/json")
            .body(json!({"productId": PRODUCT, "userId": user}).to_string())
            .send()
            .await
            .ok()?;
        let is_repeat = answer.headers().contains_key("Idempotent-Replayed");
        let (status, text) = (answer.status(), answer.text().await.ok()?);
        if status == 503 && began.elapsed() < FLOWING {
            tokio::time::sleep(AGAIN).await;
            continue;
        }
        assert_eq!(status, 200, "{text}");
        let body: Value = serde_json::from_str(&text).unwrap();
        let job = body["jobId"].as_str().unwrap().parse().unwrap();
        return Some(Acknowledged { job, is_repeat });
    }
}

/// Waits until `child` has come to the fault point.
pub(crate) async fn until_reached(child: &Child, point: FaultPoint) {
    let line = format!("reached the fault point {point}");
    let what = format!(
        "{} says {line:?} (is it built with the feature fault-points?)",
        child.process().name()
    );
    until(&what, REACHED, async || {
        fs::read_to_string(child.process().log_file())
            .unwrap()
            .contains(&line)
    })
    .await;
}

/// Waits until `child` has ended at the fault point, as by SIGKILL.
pub(crate) async fn until_killed(child: &Child, point: FaultPoint) {
    until_reached(child, point).await;
    let status = child.process().wait(REACHED).await.unwrap();
    assert_eq!(status.signal(), Some(Signal::SIGKILL as i32), "{status}");
}

/// Waits until all of `child` has stopped at the fault point.
pub(crate) async fn until_stopped(child: &Child, point: FaultPoint) {
    until_reached(child, point).await;
    let stat = format!("/proc/{}/stat", child.process().pid());
    until("it is stopped", REACHED, async || {
        // The state comes after the name, which is in parentheses.
        let stat = fs::read_to_string(&stat).unwrap();
        stat.rsplit_once(") ").unwrap().1.starts_with('T')
    })
    .await;
}

/// The value of a metric of `child`.
pub(crate) async fn metric(child: &Child, name: &str) -> u64 {
    let metrics = child.metrics().await;
    let mut lines = metrics.lines();
    let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.unwrap().parse().unwrap()
}

/// Waits until a metric of `child` is `value`.
pub(crate) async fn until_metric(child: &Child, name: &str, value: u64) {
    let what = format!("{name} of {} is {value}", child.process().name());
    until(&what, FLOWING, async || metric(child, name).await == value).await;
}
