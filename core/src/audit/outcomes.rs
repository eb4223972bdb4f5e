//! Law 2: every acknowledged job waits in its lane or has exactly one outcome, and the ledger
//! agrees with it.
//!
//! Records are read before the lanes and before the ledger is asked. A job moves from waiting to
//! ended in one Redis transaction, after its order is committed, so what moved in between looks
//! wrong at most once: everything suspicious is looked at a second time.

use std::collections::HashSet;

use serde::Serialize;
use uuid::Uuid;

use super::{
    AuditError, Findings, letters,
    records::{self, Walk},
    rejections,
    second_look::SecondLook,
    waiting::Waiting,
};
use crate::{
    connect::Queue,
    id::SaleId,
    keys::SaleKeys,
    ledger::Ledger,
    outcome::{JobState, Outcome},
};

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
    with_order: u64,
}

impl OutcomeAudit {
    /// Completes the figures that need the number of orders.
    pub(super) fn with_orders(mut self, orders: u64) -> Self {
        self.orders_without_record = orders.saturating_sub(self.with_order);
        self
    }

    fn count(&mut self, state: JobState) {
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

pub(super) async fn audit(
    ledger: &Ledger,
    connection: &mut impl Queue,
    sale: &SaleId,
) -> Result<OutcomeAudit, AuditError> {
    let keys = SaleKeys::new(sale);
    let mut audit = OutcomeAudit::default();
    let mut letters = letters::read(connection, &keys).await?;
    let mut waiting = Waiting::default();
    let mut suspects: HashSet<Uuid> = HashSet::new();
    let mut walk = Walk::default();
    // Told by a record, and by the ledger not yet seen to have been decided.
    let mut turned_away: HashSet<Uuid> = HashSet::new();
    while let Some(chunk) = walk.next(connection, &keys.jobs()).await? {
        let comparison = records::compare(ledger, sale, &chunk.records).await?;
        audit.with_order += comparison.with_order;
        suspects.extend(comparison.contradictions.into_iter().map(|(job, _)| job));
        for (job, record) in &chunk.records {
            audit.count(record.state);
            if matches!(record.state, JobState::Queued { .. }) {
                waiting.expect(&record.product_id, *job);
            }
            if is_turned_away(record.state) {
                turned_away.insert(*job);
            }
            if is_failed(record.state) && letters.remove(job).is_none() {
                audit.letters_discarded += 1;
            }
        }
        for text in chunk.unreadable {
            audit.lost.add(|| format!("record {text} is none"));
        }
    }
    rejections::audit(ledger, connection, sale, &mut audit, &mut turned_away).await?;
    let has_all_rejections = rejections::are_all_kept(ledger, sale).await?;
    if has_all_rejections {
        suspects.extend(turned_away);
    }
    suspects.extend(waiting.missing(connection, &keys).await?);
    // What is left here is a letter of a job that was not seen to have failed.
    suspects.extend(letters.keys());
    if !suspects.is_empty() {
        let second_look = SecondLook::take(ledger, connection, sale, &suspects).await?;
        second_look.complain(suspects, &mut audit.lost);
    }
    Ok(audit)
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
