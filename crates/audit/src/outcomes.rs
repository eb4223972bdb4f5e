//! Law 2: every acknowledged job waits in its lane or has exactly one outcome, and the ledger
//! agrees with it.
//!
//! Records are read before the lanes and before the ledger is asked. A job moves from waiting to
//! ended in one Redis transaction, after its order is committed, so what moved in between looks
//! wrong at most once: everything suspicious is looked at a second time.

use std::collections::HashSet;

use flashsale_domain::{id::SaleId, outcome::JobState};
use flashsale_ledger::Ledger;
use flashsale_queue::{connect::Queue, keys::SaleKeys};
use uuid::Uuid;

use super::{
    error::AuditError,
    jobs::{OutcomeAudit, is_failed, is_turned_away},
    letters,
    records::{self, Walk},
    rejections,
    second_look::SecondLook,
    waiting::Waiting,
};

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
    let mut walk = Walk::of(&keys);
    // Told by a record, and by the ledger not yet seen to have been decided.
    let mut turned_away: HashSet<Uuid> = HashSet::new();
    while let Some(chunk) = walk.next(connection).await? {
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
