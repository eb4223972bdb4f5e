//! Counts of the work itself.

use std::time::Duration;

use flashsale_telemetry::Register;
use prometheus::{Histogram, IntCounterVec};
use strum::{IntoStaticStr, VariantArray};

/// From a look that changed nothing to one that waited for a store.
const SECONDS_BUCKETS: [f64; 11] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0,
];

/// How a reconcile ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase")]
pub enum Outcome {
    /// The sale is as written.
    Ok,
    /// The sale cannot be carried out as written; it waits for a change.
    Refused,
    /// Something failed; it is tried again.
    Error,
}

impl Outcome {
    /// The value of the label `outcome`.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// Where a reconcile failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase")]
pub enum Step {
    /// Reading what the sale refers to.
    Dereference,
    /// Checking it.
    Validate,
    /// Building what is wanted.
    Build,
    /// Writing that.
    Apply,
    /// Writing the status.
    Status,
    /// Letting the object go.
    Finalize,
}

impl Step {
    /// The value of the label `step`.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// Counts of reconciles and of what failed in them.
#[derive(Debug, Clone)]
pub struct Reconciles {
    ended: IntCounterVec,
    errors: IntCounterVec,
    duration: Histogram,
}

impl Reconciles {
    /// Every label value is there from the start, so that a rate over the first failure is right.
    pub(super) fn new(register: Register<'_>) -> Result<Self, prometheus::Error> {
        let ended = register.counters(
            "reconciles_total",
            "Reconciles ended, by outcome",
            &["outcome"],
        )?;
        let errors = register.counters(
            "reconcile_errors_total",
            "Reconciles that failed, by the step that did",
            &["step"],
        )?;
        for outcome in Outcome::VARIANTS {
            ended.with_label_values(&[outcome.as_str()]);
        }
        for step in Step::VARIANTS {
            errors.with_label_values(&[step.as_str()]);
        }
        Ok(Self {
            ended,
            errors,
            duration: register.histogram(
                "reconcile_duration_seconds",
                "Time of one reconcile",
                &SECONDS_BUCKETS,
            )?,
        })
    }

    /// One sale was reconciled.
    pub fn ended(&self, outcome: Outcome, took: Duration) {
        self.ended.with_label_values(&[outcome.as_str()]).inc();
        self.duration.observe(took.as_secs_f64());
    }

    /// A reconcile failed at `step`.
    pub fn failed(&self, step: Step) {
        self.errors.with_label_values(&[step.as_str()]).inc();
    }
}
