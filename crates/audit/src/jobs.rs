//! What became of the acknowledged jobs of a sale.

use flashsale_domain::outcome::{JobState, Outcome};
use serde::Serialize;

use super::findings::Findings;

/// What became of the acknowledged jobs of a sale.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OutcomeAudit {
    /// Jobs that Redis has a record of.
    pub jobs: u64,
    /// Those with an order.
    pub confirmed: u64,
    /// Those that found nothing left.
    pub sold_out: u64,
    /// Those whose shopper had enough.
    pub limit_reached: u64,
    /// Those that no attempt could settle.
    pub failed: u64,
    /// Those that still wait in their lane.
    pub queued: u64,
    /// Failed jobs whose dead letter is gone: somebody discarded it.
    pub letters_discarded: u64,
    /// Orders whose job Redis has no record of: Redis was lost or the sale withdrawn since, or
    /// the order came to be by a repeat of an older job. The ledger has them, so none is lost.
    pub orders_without_record: u64,
    /// Jobs that the ledger turned away and that Redis has no record of: Redis was lost since, and
    /// the control loop has not restored them yet, or the sale was withdrawn.
    pub rejections_without_record: u64,
    /// Jobs without an outcome that stands.
    pub lost: Findings,
    /// Records whose job has an order of its own; only for `orders_without_record`.
    #[serde(skip)]
    pub(super) with_order: u64,
}

impl OutcomeAudit {
    /// Completes the figures that need the number of orders.
    pub(super) fn with_orders(mut self, orders: u64) -> Self {
        self.orders_without_record = orders.saturating_sub(self.with_order);
        self
    }

    pub(super) fn count(&mut self, state: JobState) {
        self.jobs += 1;
        let counter = match state {
            JobState::Queued { .. } => &mut self.queued,
            JobState::Final { outcome, .. } => match outcome {
                Outcome::Confirmed => &mut self.confirmed,
                Outcome::SoldOut => &mut self.sold_out,
                Outcome::LimitReached => &mut self.limit_reached,
                Outcome::Failed => &mut self.failed,
            },
        };
        *counter += 1;
    }
}

/// Whether the ledger decided that there is no order.
pub(super) fn is_turned_away(state: JobState) -> bool {
    matches!(
        state,
        JobState::Final {
            outcome: Outcome::SoldOut | Outcome::LimitReached,
            ..
        }
    )
}

/// Whether a job ended without any attempt having settled it.
pub(super) fn is_failed(state: JobState) -> bool {
    matches!(
        state,
        JobState::Final {
            outcome: Outcome::Failed,
            ..
        }
    )
}
