//! How a sale shall be.

use std::time::Instant;

use flashsale_domain::lifecycle::Announced;
use k8s_openapi::api::core::v1::ObjectReference;

use crate::stores::Located;

/// What the operator may write for a sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WriteMode {
    /// Everything.
    #[default]
    Full,
    /// Everything but replicas, which somebody else sets.
    NoReplicas,
    /// Nothing: an annotation asks for it.
    ReadOnly,
}

/// How a sale shall be, where it is kept, and what may be written for it. Written by visits alone,
/// through [`Roster::put`](super::Roster::put) and [`Roster::close`](super::Roster::close).
#[derive(Debug, Clone)]
pub struct Desired {
    /// The object, for events and visits.
    pub object: ObjectReference,
    /// The sale, without what was taken out of it.
    pub sale: Announced,
    /// Where it keeps its queue and its ledger, as its Secrets said when they were last read.
    pub located: Located,
    /// What may be written.
    pub mode: WriteMode,
    /// Counts from 1, and grows whenever the sale shall be another or is kept elsewhere.
    pub revision: u64,
    /// When this revision was put in force.
    pub since: Instant,
    /// How often visits have asked for a look.
    pub looks_asked: u64,
}

impl Desired {
    pub(super) fn new(
        object: ObjectReference,
        sale: Announced,
        located: Located,
        mode: WriteMode,
    ) -> Self {
        Self {
            object,
            sale,
            located,
            mode,
            revision: 1,
            since: Instant::now(),
            looks_asked: 1,
        }
    }

    /// True when that is another than before, so that a look is to follow at once.
    pub(super) fn change(&mut self, sale: Announced, located: Located, mode: WriteMode) -> bool {
        let is_elsewhere = !std::sync::Arc::ptr_eq(&self.located.stores, &located.stores);
        let is_revised = self.sale != sale || is_elsewhere;
        let is_changed = is_revised || self.mode != mode;
        self.located = located;
        if is_revised {
            self.sale = sale;
            self.revision += 1;
            self.since = Instant::now();
        }
        if is_changed {
            self.mode = mode;
            self.looks_asked += 1;
        }
        is_changed
    }
}
