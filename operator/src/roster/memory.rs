//! What has to be remembered of a sale from one look, or one visit, to the next.

use std::time::Instant;

use flashsale_domain::{control::Controller, lifecycle::Announced};
use flashsale_queue::catalogue::Generation;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::PodTemplateSpec;
use tokio::task::JoinHandle;

use super::Desired;
use super::{deployment::Written, repairs::Repairs, shortfall::Shortfall};
use crate::workers::Workers;

/// What the pulse remembers from look to look. Written by the pulse alone.
#[derive(Debug)]
pub struct Memory {
    /// Decides what is to be done.
    pub controller: Controller,
    /// The revision of the desired state that the controller has.
    revision: u64,
    /// How many of the looks that visits have asked for were begun.
    looks_begun: u64,
    /// When the next look is due.
    pub due: Instant,
    /// When the last look was made that did not ask for more workers than there were: a spike that
    /// a later look shows came after it.
    pub satisfied: Instant,
    /// When numbers were last shown in the status.
    pub shown: Instant,
    /// Whether numbers have changed since.
    pub is_to_show: bool,
    /// Whether it was told, for this opening, that the workers are there or are not.
    pub prewarm_told: Option<Timestamp>,
    /// Whether the sale was seen before its opening, so that the lag of the opening can be told.
    pub awaited: bool,
    /// When the ledger's invariant was last checked.
    pub audited: Option<Instant>,
    /// Whether that was after the end of the sale, and it held.
    pub ended_well: bool,
    /// The worker Deployment at the last look, if there was one.
    pub workers: Option<Workers>,
    /// Since when workers that were asked for are not available; none while they are.
    pub shortfall: Option<Shortfall>,
    /// What was announced last, so that a record that reads back different is not written in a
    /// circle.
    pub announced: Option<Announced>,
    /// Which sale of this name it is, as Redis told before it was announced first.
    pub generation: Option<Generation>,
    /// Gives a Redis that lost them the outcomes of the ledger back; ends by itself.
    pub restoring: Option<JoinHandle<()>>,
}

impl Memory {
    /// Of a sale that nobody has looked at yet; its first look is due now.
    pub(super) fn new(desired: &Desired) -> Self {
        let now = Instant::now();
        Self {
            controller: Controller::new(desired.sale.clone()),
            revision: desired.revision,
            looks_begun: 0,
            due: now,
            satisfied: now,
            shown: now,
            is_to_show: false,
            prewarm_told: None,
            awaited: false,
            audited: None,
            ended_well: false,
            workers: None,
            shortfall: None,
            announced: None,
            generation: None,
            restoring: None,
        }
    }

    /// Has the controller decide for `desired`.
    pub(super) fn follow(&mut self, desired: &Desired) {
        if self.revision != desired.revision {
            self.controller.set_desired(desired.sale.clone());
            self.revision = desired.revision;
        }
    }

    pub(super) fn is_due(&self, desired: &Desired, now: Instant) -> bool {
        self.due <= now || self.looks_begun != desired.looks_asked
    }

    /// A look begins, and the next one is due at `due` at the latest.
    pub(super) fn begin_look(&mut self, desired: &Desired, due: Instant) {
        self.looks_begun = desired.looks_asked;
        self.due = due;
    }
}

/// What visits have applied to the cluster. Written by visits alone.
#[derive(Debug)]
pub(super) struct Applied {
    /// The worker Deployment as it was written last.
    pub(super) deployment: Option<Written>,
    /// How often its metadata was put back.
    pub(super) repairs: Repairs,
    /// The pods that run, while a change of them waits.
    pub(super) kept_template: Option<PodTemplateSpec>,
    /// When the disruption budget of the workers is to be written next.
    pub(super) budget_due: Instant,
}

impl Default for Applied {
    fn default() -> Self {
        let now = Instant::now();
        Self {
            deployment: None,
            repairs: Repairs::new(now),
            kept_template: None,
            budget_due: now,
        }
    }
}
