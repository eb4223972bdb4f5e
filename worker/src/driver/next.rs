//! The next batch of a lane, and whether it may be sent to the ledger before its turn.

use std::sync::Arc;

use flashsale_core::{
    id::ProductId,
    lane::{Acknowledgement, Dead, Entry, Run},
    ledger::Takeover,
};

use crate::{
    batch::{self, Batch, Waiting},
    settlement::{Sent, Settler},
};

/// The next batch of a lane.
#[derive(Debug)]
pub(super) struct Next {
    /// Jobs in order of arrival.
    pub(super) jobs: Arc<[Waiting]>,
    /// Entries that are no jobs of this lane.
    pub(super) malformed: Vec<Dead>,
    /// The piece of the lane that its entries were read in.
    pub(super) run: Option<Run>,
    /// Set once it was sent ahead.
    pub(super) sent: Option<Sent>,
}

impl Next {
    /// The batch of these entries of the lane of `product`.
    pub(super) fn of(entries: Vec<Entry>, product: &ProductId) -> Self {
        let Batch { jobs, malformed } = batch::sort(entries, product);
        Self {
            jobs: jobs.into(),
            malformed,
            run: None,
            sent: None,
        }
    }

    /// The same, whose entries were read in `run`.
    pub(super) fn read_in(self, run: Option<Run>) -> Self {
        Self { run, ..self }
    }

    /// Whether there is nothing to settle and nothing to bury.
    pub(super) fn is_empty(&self) -> bool {
        self.jobs.is_empty() && self.malformed.is_empty()
    }

    /// The same, sent ahead behind the batch that is the next one under `before`.
    pub(super) fn sent_ahead(self, settler: &Settler, before: Takeover) -> Self {
        let sent = (!self.jobs.is_empty()).then(|| settler.send_ahead(&self.jobs, before));
        Self { sent, ..self }
    }

    /// Whether a batch of at most `batch_size` jobs is worth being sent ahead behind this one:
    /// `before` is what the last settled batch came to. Where stock runs out, the turnstile turns
    /// buys away, and soon no full batch waits.
    pub(super) fn may_be_followed(&self, batch_size: usize, before: &Acknowledgement) -> bool {
        let wanted = self.jobs.len() + batch_size;
        let is_enough = before
            .stock
            .is_some_and(|(stock, _)| usize::try_from(stock).is_ok_and(|stock| stock >= wanted));
        is_enough && !self.jobs.is_empty()
    }
}
