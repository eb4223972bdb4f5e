//! What the operator counts; `docs/metrics.md` is the table for readers.

mod reconciles;
mod sales;

use std::time::Duration;

use flashsale_telemetry::{Register, build_info};
use prometheus::{Histogram, IntGauge, Registry};

pub use self::{
    reconciles::{Outcome, Reconciles, Step},
    sales::{SaleFigures, Sales},
};

/// From a patch that went at once to one that missed the promised two seconds by far.
const SPIKE_BUCKETS: [f64; 10] = [0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 5.0, 15.0];

/// From workers that stood ready to a cluster that had to add a node first.
const OPENING_BUCKETS: [f64; 10] = [0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 300.0];

/// The operator's metrics; clones count together.
#[derive(Debug, Clone)]
pub struct Metrics {
    leader: IntGauge,
    /// The work itself.
    pub reconciles: Reconciles,
    /// Figures of each sale.
    pub sales: Sales,
    spike_to_patch: Histogram,
    opening_lag: Histogram,
}

impl Metrics {
    /// Makes the metrics and registers them.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let register = Register::new(registry, "operator");
        build_info::register(registry, "operator", env!("CARGO_PKG_VERSION"))?;
        Ok(Self {
            leader: register.gauge("leader", "1 while this operator is the one that works")?,
            reconciles: Reconciles::new(register)?,
            sales: Sales::new(register)?,
            spike_to_patch: register.histogram(
                "spike_to_patch_seconds",
                "Time from the last look that did not ask for more workers to the accepted patch",
                &SPIKE_BUCKETS,
            )?,
            opening_lag: register.histogram(
                "opening_lag_seconds",
                "Time from opensAt to the first look that saw the sale open with its workers ready",
                &OPENING_BUCKETS,
            )?,
        })
    }

    /// Whether this operator is the one that works.
    pub fn set_leader(&self, leader: bool) {
        self.leader.set(leader.into());
    }

    /// A need for more workers was answered.
    pub fn spike_to_patch(&self, took: Duration) {
        self.spike_to_patch.observe(took.as_secs_f64());
    }

    /// A sale was seen open with its workers ready.
    pub fn opening_lag(&self, lag: Duration) {
        self.opening_lag.observe(lag.as_secs_f64());
    }
}

#[cfg(test)]
mod tests;
