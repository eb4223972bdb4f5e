//! Law 2 from the ledger's side: whoever it turned away was told so, and nothing else.

use std::collections::{HashMap, HashSet};

use flashsale_domain::{
    id::SaleId,
    outcome::{JobRecord, JobState, Outcome},
};
use flashsale_ledger::{Decided, Ledger, Outcomes};
use flashsale_queue::{connect::Queue, keys::SaleKeys};
use uuid::Uuid;

use super::{error::AuditError, jobs::OutcomeAudit, records};

/// Compares every rejection in the ledger with its job's record, which is read afterwards: until a
/// batch is acknowledged the record says that the job waits, and from then on it never changes.
/// Takes the jobs that the ledger turned away out of `unproven`.
pub(super) async fn audit(
    ledger: &Ledger,
    connection: &mut impl Queue,
    sale: &SaleId,
    audit: &mut OutcomeAudit,
    unproven: &mut HashSet<Uuid>,
) -> Result<(), AuditError> {
    let keys = SaleKeys::new(sale);
    let mut rejections = Outcomes::rejections_of(sale);
    while let Some(page) = ledger.next_outcomes(&mut rejections).await? {
        let jobs = page.iter().map(|decided| decided.job.0);
        let records = records::again(connection, &keys.jobs(), jobs).await?;
        let records: HashMap<Uuid, JobRecord> = records.into_iter().collect();
        for decided in &page {
            unproven.remove(&decided.job.0);
            let record = records.get(&decided.job.0);
            audit.rejections_without_record += u64::from(record.is_none());
            if let Some(words) = record.and_then(|record| contradiction(decided, record)) {
                let job = decided.job;
                audit.lost.add(|| format!("job {job} {words}"));
            }
        }
    }
    Ok(())
}

/// Takes the jobs that the ledger turned away out of `unproven`.
pub(super) async fn prove(
    ledger: &Ledger,
    sale: &SaleId,
    unproven: &mut HashSet<Uuid>,
) -> Result<(), AuditError> {
    let mut rejections = Outcomes::rejections_of(sale);
    while !unproven.is_empty() {
        let Some(page) = ledger.next_outcomes(&mut rejections).await? else {
            break;
        };
        for decided in &page {
            unproven.remove(&decided.job.0);
        }
    }
    Ok(())
}

/// Whether the ledger has every rejection of the sale that is on. It has not those of before there
/// was a table for them, nor those that it lost when it went back; those of a sale that is over are
/// thrown away.
pub(super) async fn are_all_kept(ledger: &Ledger, sale: &SaleId) -> Result<bool, AuditError> {
    let query = sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM products WHERE sale_id = $1)
            AND COALESCE((SELECT rejections_kept FROM sales WHERE id = $1), true)",
    )
    .bind(sale.as_str());
    let are_kept = ledger
        .read(async |connection| Ok(query.fetch_one(connection).await?))
        .await?;
    Ok(are_kept)
}

fn contradiction(decided: &Decided, record: &JobRecord) -> Option<String> {
    // Another producer may use an id twice: the record is the other buy's.
    if record.user_id != decided.user || record.product_id != decided.product {
        return None;
    }
    let told = match record.state {
        // Failed is told by a person's leave: the letter waits to be replayed.
        JobState::Queued { .. }
        | JobState::Final {
            outcome: Outcome::Failed,
            ..
        } => return None,
        JobState::Final { outcome, .. } => outcome,
    };
    (told != decided.outcome).then(|| {
        format!(
            "(shopper {}, product {}) was told {told}, but the ledger decided {}",
            decided.user, decided.product, decided.outcome
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use flashsale_domain::id::{IdempotencyKey, JobId, ProductId, UserId};

    fn told(outcome: Outcome, user: &str) -> JobRecord {
        JobRecord {
            state: JobState::Final {
                outcome,
                order_id: None,
            },
            product_id: ProductId::new("p").unwrap(),
            user_id: UserId::new(user).unwrap(),
        }
    }

    #[test]
    fn what_the_ledger_decided_and_what_was_told_are_the_same() {
        let sold_out = Decided {
            job: JobId(Uuid::nil()),
            user: UserId::new("u").unwrap(),
            key: IdempotencyKey::new("k").unwrap(),
            product: ProductId::new("p").unwrap(),
            outcome: Outcome::SoldOut,
            order: None,
        };
        let words = |record: &JobRecord| contradiction(&sold_out, record);
        assert_eq!(words(&told(Outcome::SoldOut, "u")), None);
        assert_eq!(words(&told(Outcome::Failed, "u")), None);
        assert_eq!(words(&told(Outcome::Confirmed, "another")), None);
        for wrong in [Outcome::Confirmed, Outcome::LimitReached] {
            let words = words(&told(wrong, "u")).unwrap();
            assert!(words.contains(&format!("told {wrong}, but")), "{words}");
        }
    }
}
