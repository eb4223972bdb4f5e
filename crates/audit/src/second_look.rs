//! A second look at the jobs that looked wrong at the first: what is in motion does not look wrong
//! twice.

use std::collections::{HashMap, HashSet};

use flashsale_domain::{
    id::SaleId,
    outcome::{JobRecord, JobState},
};
use flashsale_ledger::Ledger;
use flashsale_queue::{connect::Queue, keys::SaleKeys};
use uuid::Uuid;

use super::{
    error::AuditError,
    findings::Findings,
    jobs::is_turned_away,
    letters::{self, Letter},
    records, rejections,
    waiting::Waiting,
};

/// What some jobs look like now.
#[derive(Debug)]
pub(super) struct SecondLook {
    /// Their records.
    records: HashMap<Uuid, JobRecord>,
    /// Those that are said to wait and are in no lane.
    missing: HashSet<Uuid>,
    /// Those whose record the ledger contradicts, and how.
    contradictions: HashMap<Uuid, String>,
    /// Those that were told that they are turned away, while the ledger did not do so.
    unproven: HashSet<Uuid>,
    /// Whether the ledger still has all that it decided of this kind.
    has_all_rejections: bool,
    /// Their dead letters.
    letters: HashMap<Uuid, Letter>,
}

impl SecondLook {
    /// Looks at `jobs`, in the order of the first look: letters, records, lanes and ledger.
    pub(super) async fn take(
        ledger: &Ledger,
        connection: &mut impl Queue,
        sale: &SaleId,
        jobs: &HashSet<Uuid>,
    ) -> Result<Self, AuditError> {
        let keys = SaleKeys::new(sale);
        let mut letters = letters::read(connection, &keys).await?;
        letters.retain(|job, _| jobs.contains(job));
        letters::retain_own(ledger, &mut letters).await?;
        let records = records::again(connection, &keys.jobs(), jobs.iter().copied()).await?;
        let mut waiting = Waiting::default();
        for (job, record) in &records {
            if matches!(record.state, JobState::Queued { .. }) {
                waiting.expect(&record.product_id, *job);
            }
        }
        let missing = waiting.missing(connection, &keys).await?;
        let comparison = records::compare(ledger, sale, &records).await?;
        let mut unproven: HashSet<Uuid> = records
            .iter()
            .filter(|(_, record)| is_turned_away(record.state))
            .map(|(job, _)| *job)
            .collect();
        rejections::prove(ledger, sale, &mut unproven).await?;
        let has_all_rejections = rejections::are_all_kept(ledger, sale).await?;
        Ok(Self {
            records: records.into_iter().collect(),
            missing: missing.into_iter().collect(),
            contradictions: comparison.contradictions.into_iter().collect(),
            unproven,
            has_all_rejections,
            letters,
        })
    }

    /// Adds those of `jobs` that still look wrong to `lost`, in the order of their ids, which is
    /// the order in which they were taken.
    pub(super) fn complain(&self, jobs: HashSet<Uuid>, lost: &mut Findings) {
        let mut jobs: Vec<Uuid> = jobs.into_iter().collect();
        jobs.sort_unstable();
        for job in jobs {
            if let Some(words) = self.complaint(&job) {
                let whose = self.records.get(&job).map_or_else(String::new, |record| {
                    format!(
                        " (shopper {}, product {})",
                        record.user_id, record.product_id
                    )
                });
                lost.add(|| format!("job {job}{whose} {words}"));
            }
        }
    }

    fn complaint(&self, job: &Uuid) -> Option<String> {
        if self.missing.contains(job) {
            return Some("is said to be queued, but is in no lane".to_owned());
        }
        if let Some(words) = self.contradictions.get(job) {
            return Some(words.clone());
        }
        let letter = self.letters.get(job).map(|letter| &letter.id);
        match (self.records.get(job), letter) {
            (None, Some(letter)) => Some(format!("is dead letter {letter}, but has no record")),
            (Some(_), Some(letter)) if self.unproven.contains(job) => {
                Some(format!("is dead letter {letter}, but was not told failed"))
            }
            (Some(record), None) if self.has_all_rejections && self.unproven.contains(job) => {
                Some(format!(
                    "was told {}, but the ledger did not turn it away",
                    told(record)
                ))
            }
            // With an order of its own, or in its lane, or told failed: a letter beside that is one
            // of two, as releases before this one could write; the other was replayed.
            _ => None,
        }
    }
}

/// The outcome that a record tells.
fn told(record: &JobRecord) -> &'static str {
    match record.state {
        JobState::Queued { .. } => "queued",
        JobState::Final { outcome, .. } => outcome.as_str(),
    }
}
