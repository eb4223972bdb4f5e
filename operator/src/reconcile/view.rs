//! What is known of a FlashSale at the end of a visit, from which its status is told.

use flashsale_domain::{
    lifecycle::Announced,
    sale::{Sale, validation::Mistake},
};
use jiff::{SignedDuration, Timestamp};

use super::refusal::Refusal;
use crate::{
    crd::{
        FlashSale,
        condition::{self, Type},
    },
    events::counted,
    roster::Observation,
    workers::Workers,
};

/// When every buy of a sale that closes by its schedule shall have its outcome. Counted from when the
/// closing was seen: nobody settles by a clock while the operator is away. None before that.
pub fn drain_deadline(sale: &Sale, object: &FlashSale) -> Option<Timestamp> {
    let status = object.status.as_ref()?;
    if status.drained_at.is_some() {
        // What waits now was replayed.
        return None;
    }
    let seen = status.closed_at?;
    let closed = sale.schedule.closes_at?.max(seen);
    let patience = SignedDuration::try_from(sale.drain_timeout).ok()?;
    closed.checked_add(patience).ok()
}

/// Where the end of a sale stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Nothing is held any more, or what is may be left behind: the object may go.
    Freed,
    /// Jobs are still to be settled, or workers to be stopped.
    Draining,
    /// The same, for longer than `drainTimeoutSeconds`.
    Overdue(String),
    /// Something has to be mended by people first.
    Blocked(String),
}

/// What the visit came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// In force as written.
    Accepted,
    /// Not put in force as written; what was in force before still is.
    Refused(Refusal),
    /// Valid, but the ledger does not take the products at the moment.
    Undeclared(String),
    /// The visit has failed and is made again; what was in force before still is.
    Failed(String),
    /// Hands off, as an annotation asks.
    Paused,
    /// Being deleted.
    Ending(End),
}

/// Everything a status tells of.
#[derive(Debug, Clone)]
pub struct View<'a> {
    /// The object, with the status it has.
    pub object: &'a FlashSale,
    /// What the visit came to.
    pub verdict: Verdict,
    /// An autoscaler that sets the number of workers in our place.
    pub autoscaler: Option<String>,
    /// Why nobody can tell whether there is one, if nobody can.
    pub autoscalers_unread: Option<String>,
    /// The sale that is in force, which a refused edit does not change.
    pub in_force: Option<Announced>,
    /// What the pulse saw last; nothing before its first look.
    pub observed: Observation,
    /// The worker Deployment's figures; none when there is no Deployment.
    pub workers: Option<Workers>,
    /// What the sale may not name, and was accepted with.
    pub tolerated: Vec<Mistake>,
    /// Now, by the clock of the sale.
    pub now: Timestamp,
}

/// How many jobs wait, with the verb.
pub(super) fn waiting(observed: &Observation) -> String {
    let lanes = observed.lanes.as_ref();
    let lanes = lanes.filter(|_| observed.queue_error.is_none());
    let depth = lanes.and_then(|lanes| i64::try_from(lanes.depth()).ok());
    counted(depth, "job is", "jobs are")
}

impl View<'_> {
    /// Whether orders of the sale in force have to be paid.
    pub fn has_payment(&self) -> bool {
        let in_force = self.in_force.as_ref();
        in_force.is_some_and(|announced| announced.sale.payment.is_some())
    }

    /// Whether buys still wait although the time to drain after a closing by the schedule is over. A
    /// deletion counts its own.
    pub fn is_drain_overdue(&self) -> bool {
        let sale = self.in_force.as_ref().map(|announced| &announced.sale);
        sale.and_then(|sale| drain_deadline(sale, self.object))
            .is_some_and(|deadline| self.now > deadline)
    }

    /// Whether the spec was accepted as it is written now, by a visit before this one.
    pub fn is_accepted_as_it_is(&self) -> bool {
        self.object.status.as_ref().is_some_and(|status| {
            // The first release said it by `Ready`, and had no `Accepted`.
            let accepted = Type::Accepted.as_str();
            let is_told = status.conditions.iter().any(|told| told.type_ == accepted);
            let about = if is_told { Type::Accepted } else { Type::Ready };
            status.observed_generation == self.object.metadata.generation
                && condition::holds(&status.conditions, about)
        })
    }
}
