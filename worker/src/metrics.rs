//! What a worker counts; `docs/metrics.md` is the table for readers.

use std::time::Duration;

use prometheus::Registry;

use flashsale_domain::{id::SaleId, outcome::Outcome};
use flashsale_ledger::Settlement;
use flashsale_queue::lane::{Acknowledged, Acknowledgement, Ended};
use flashsale_telemetry::{Register, build_info, metrics};

use crate::lanes_waiting::LanesWaiting;

/// Batches from one job to the greatest that a sale may set.
const BATCH_BUCKETS: [f64; 12] = [
    1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2000.0, 10_000.0,
];

/// From a local round trip to a ledger that stalls.
const SECONDS_BUCKETS: [f64; 13] = [
    0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
];

/// From an idle lane to a queue of minutes.
const AGE_BUCKETS: [f64; 14] = [
    0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0,
];

metrics! {
    /// The worker's metrics; clones count together.
    pub struct Metrics with {
        /// Lanes that wait for the ledger.
        lanes_waiting: LanesWaiting,
    } {
        lanes_driven: gauge("lanes_driven", "Lanes driven now"),
        lanes_taken: counter("lanes_taken_total", "Lanes taken to drive"),
        leases_lost: counter("leases_lost_total", "Leases lost while driving"),
        fenced: counter("fenced_total",
            "Drivers whose batch the ledger refused because another took the lane over"),
        batch_size: histogram("batch_jobs", "Jobs in a settled batch", &BATCH_BUCKETS),
        settle_seconds: histogram("settle_duration_seconds",
            "Time from sending a batch to the ledger to its commit", &SECONDS_BUCKETS),
        acknowledge_seconds: histogram("acknowledge_duration_seconds",
            "Time to acknowledge a batch in Redis", &SECONDS_BUCKETS),
        job_age_seconds: histograms("job_age_seconds",
            "Time from a job's arrival in its lane to its outcome", &["sale"], &AGE_BUCKETS),
        orders: counter("orders_total", "Orders made"),
        redelivered: counter("redelivered_total", "Jobs that had their order already"),
        outcomes: counters("outcomes_total", "Jobs ended, by sale and outcome", &["sale", "outcome"]),
        orders_expired: counters("orders_expired_total",
            "Orders cancelled since they were not paid in time", &["sale"]),
        order_changes_told: counters("order_changes_told_total",
            "Changes of orders that shoppers were told of", &["sale"]),
        order_follow_failures: counter("order_follow_failures_total",
            "Looks at the orders of a lane that failed"),
        retries: counter("retries_total", "Failed attempts that are made again"),
        dead_letters: counter("dead_letters_total", "Entries dead-lettered"),
        ledger_up: gauge("ledger_up", "1 while the ledger answers"),
        queue_up: gauge("queue_up", "1 while Redis answers"),
    }
}

impl Metrics {
    /// Makes the metrics and registers them.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        build_info::register(registry, "worker", env!("CARGO_PKG_VERSION"))?;
        Self::new(Register::new(registry, "worker"))
    }

    /// Counts a batch that was settled within `took`.
    pub fn settled(&self, settlement: &Settlement, took: Duration) {
        self.settle_seconds.observe(took.as_secs_f64());
        #[expect(
            clippy::cast_precision_loss,
            reason = "a batch has at most 10,000 jobs"
        )]
        self.batch_size.observe(settlement.verdicts.len() as f64);
        self.orders.inc_by(settlement.confirmed.into());
        let redelivered = settlement
            .verdicts
            .iter()
            .filter(|verdict| matches!(verdict, flashsale_ledger::Verdict::Redelivered { .. }))
            .count();
        self.redelivered.inc_by(redelivered as u64);
    }

    /// Shows zeros for a sale whose lanes this worker may drive. A counter that springs into being
    /// with the first batch has, to Prometheus, never risen.
    pub fn show(&self, sale: &SaleId) {
        self.job_age_seconds.with_label_values(&[sale.as_str()]);
        self.lanes_waiting.show(sale);
        self.orders_expired.with_label_values(&[sale.as_str()]);
        self.order_changes_told.with_label_values(&[sale.as_str()]);
        for outcome in Outcome::ALL {
            self.outcomes
                .with_label_values(&[sale.as_str(), outcome.as_str()]);
        }
    }

    /// Counts what was acknowledged, as far as this worker was the one to tell it; `now_ms` is the
    /// time of it since the Unix epoch.
    pub fn acknowledged(
        &self,
        sale: &SaleId,
        acknowledgement: &Acknowledgement,
        acknowledged: &Acknowledged,
        now_ms: i64,
    ) {
        let ended = acknowledgement.ended.iter();
        let told: Vec<&Ended> = ended
            .filter(|job| acknowledged.has(&job.entry_id))
            .collect();
        for outcome in Outcome::ALL {
            let count = told.iter().filter(|job| job.outcome == outcome).count();
            self.outcomes
                .with_label_values(&[sale.as_str(), outcome.as_str()])
                .inc_by(count as u64);
        }
        let ages = self.job_age_seconds.with_label_values(&[sale.as_str()]);
        let ages = ages.local();
        for job in told {
            if let Some(appended) = flashsale_queue::lane::appended_ms(&job.entry_id) {
                // Clocks may differ; below zero is none.
                let age = now_ms.saturating_sub(appended).max(0).unsigned_abs();
                ages.observe(Duration::from_millis(age).as_secs_f64());
            }
        }
        let dead = acknowledgement.dead.iter();
        let buried = dead.filter(|letter| acknowledged.has(&letter.entry_id));
        self.dead_letters.inc_by(buried.count() as u64);
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    reason = "tests say by unwrapping what they take for granted"
)]
mod tests {
    use super::*;

    #[test]
    fn the_page_on_metrics_has_a_row_for_each() {
        let registry = Registry::new();
        let metrics = Metrics::register(&registry).unwrap();
        metrics.show(&SaleId::new("drop").unwrap());
        let page = include_str!("../../docs/metrics.md");
        let families = registry.gather();
        assert!(families.len() > 14);
        for family in families {
            let name = family.name();
            assert!(
                page.contains(&format!("| `{name}` |")),
                "docs/metrics.md lacks {name}"
            );
        }
    }
}
