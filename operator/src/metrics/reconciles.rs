//! Counts of the work itself.

use std::time::Duration;

use flashsale_telemetry::metrics;

/// From a look that changed nothing to one that waited for a store.
const SECONDS_BUCKETS: [f64; 11] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0,
];

/// How a reconcile ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The sale is as written.
    Ok,
    /// The sale cannot be carried out as written; it waits for a change.
    Refused,
    /// Something failed; it is tried again.
    Error,
}

metrics! {
    /// Counts of reconciles and of what failed in them.
    pub struct Reconciles {
        duration: histogram("reconcile_duration_seconds", "Time of one reconcile", &SECONDS_BUCKETS),
    }
    ended: counters("reconciles_total", "Reconciles ended, by outcome", "outcome") {
        /// See [`Outcome::Ok`].
        ok: "ok",
        /// See [`Outcome::Refused`].
        refused: "refused",
        /// See [`Outcome::Error`].
        error: "error",
    }
    failed: counters("reconcile_errors_total", "Reconciles that failed, by the step that did", "step") {
        /// Reading what the sale refers to.
        dereference: "dereference",
        /// Checking it.
        validate: "validate",
        /// Building what is wanted.
        build: "build",
        /// Writing that.
        apply: "apply",
        /// Writing the status.
        status: "status",
        /// Letting the object go.
        finalize: "finalize",
    }
}

impl Reconciles {
    /// One sale was reconciled.
    pub fn ended(&self, outcome: Outcome, took: Duration) {
        let counter = match outcome {
            Outcome::Ok => &self.ok,
            Outcome::Refused => &self.refused,
            Outcome::Error => &self.error,
        };
        counter.inc();
        self.duration.observe(took.as_secs_f64());
    }
}
