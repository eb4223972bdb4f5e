//! What the operator counts; `docs/metrics.md` is the table for readers.

mod reconciles;
mod sales;

use flashsale_telemetry::{Register, build_info, metrics};
use prometheus::Registry;

pub use self::{
    reconciles::{Outcome, Reconciles},
    sales::Sales,
};

/// From a patch that went at once to one that missed the promised two seconds by far.
const SPIKE_BUCKETS: [f64; 10] = [0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 5.0, 15.0];

/// From workers that stood ready to a cluster that had to add a node first.
const OPENING_BUCKETS: [f64; 10] = [0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 300.0];

metrics! {
    /// The operator's metrics; clones count together.
    pub struct Metrics with {
        /// The work itself.
        reconciles: Reconciles,
        /// Figures of each sale.
        sales: Sales,
    } {
        leader: gauge("leader", "1 while this operator is the one that works"),
        spike_to_patch: histogram("spike_to_patch_seconds",
            "Time from the last look that did not ask for more workers to the accepted patch",
            &SPIKE_BUCKETS),
        opening_lag: histogram("opening_lag_seconds",
            "Time from opensAt to the first look that saw the sale open with its workers ready",
            &OPENING_BUCKETS),
    }
}

impl Metrics {
    /// Makes the metrics and registers them.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        build_info::register(registry, "operator", env!("CARGO_PKG_VERSION"))?;
        Self::new(Register::new(registry, "operator"))
    }
}

#[cfg(test)]
mod tests;
