//! From entries of a lane to a batch, and from verdicts to an acknowledgement. Pure.

use std::ops::RangeInclusive;

use flashsale_domain::{
    id::ProductId,
    job::{Job, MalformedJob},
    outcome::Outcome,
};
use flashsale_ledger::{Settlement, Verdict};
use flashsale_queue::lane::{Acknowledgement, Dead, Ended, Entry};

/// A job and the entry it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Id of the entry.
    pub entry_id: String,
    /// The job.
    pub job: Job,
    /// The job as it stood in the entry, for the dead-letter lane.
    pub raw: Vec<u8>,
    /// Number of the entry among all that were read: two in a row have nothing between them. None
    /// for an entry that was read by its id.
    pub read_as: Option<u64>,
}

/// Entries, sorted by whether they can be settled.
#[derive(Debug, Default)]
pub struct Sorted {
    /// Jobs in order of arrival.
    pub jobs: Vec<Waiting>,
    /// Entries that are no jobs of this lane; no retry would mend them.
    pub malformed: Vec<Dead>,
    /// Why the entries from some point on were left where they are: a later release wrote them.
    pub newer: Option<String>,
}

/// Sorts `entries` of the lane of `product`, the first of which was read as number `first`.
pub fn sort(entries: Vec<Entry>, product: &ProductId, first: Option<u64>) -> Sorted {
    let mut sorted = Sorted::default();
    for (entry, offset) in entries.into_iter().zip(0..) {
        let parsed = match &entry.job {
            Some(json) => Job::parse(json, product),
            None => Err(MalformedJob::MissingField),
        };
        let (entry_id, raw) = (entry.id, entry.job.unwrap_or_default());
        match parsed {
            Ok(job) => sorted.jobs.push(Waiting {
                entry_id,
                job,
                raw,
                read_as: first.map(|first| first + offset),
            }),
            Err(error @ MalformedJob::Newer(_)) => {
                sorted.newer = Some(error.to_string());
                break;
            }
            Err(error) => sorted.malformed.push(Dead {
                entry_id,
                job: raw,
                reason: error.to_string(),
                attempts: 0,
            }),
        }
    }
    sorted
}

/// Where an entry stands in its lane: the two numbers of its id, which order entries by arrival.
/// Redis makes no id that cannot be read.
pub fn position(entry_id: &str) -> (u64, u64) {
    let (ms, sequence) = entry_id.split_once('-').unwrap_or((entry_id, ""));
    (ms.parse().unwrap_or(0), sequence.parse().unwrap_or(0))
}

/// The times in the entry ids of `jobs`, first to last, in milliseconds by Redis's clock.
pub fn appended_ms(jobs: &[Waiting]) -> RangeInclusive<i64> {
    let times = jobs.iter().map(|job| {
        let (ms, _) = position(&job.entry_id);
        i64::try_from(ms).unwrap_or(i64::MAX)
    });
    let (first, last) = times.fold((i64::MAX, 0), |(first, last), ms| {
        (first.min(ms), last.max(ms))
    });
    first.min(last)..=last
}

/// Adds to `acknowledgement` what the ledger decided about `jobs`.
pub fn record(acknowledgement: &mut Acknowledgement, jobs: &[Waiting], settlement: &Settlement) {
    acknowledgement.stock = Some((settlement.stock, settlement.version));
    for (number, (waiting, verdict)) in jobs.iter().zip(&settlement.verdicts).enumerate() {
        match *verdict {
            Verdict::Confirmed { order_id } | Verdict::Redelivered { order_id } => {
                let state = settlement.states.get(number).cloned().flatten();
                acknowledgement.ended.push(Ended {
                    order_id: Some(order_id),
                    state,
                    ..ended(waiting, Outcome::Confirmed)
                });
            }
            Verdict::SoldOut => acknowledgement.ended.push(ended(waiting, Outcome::SoldOut)),
            Verdict::LimitReached => {
                acknowledgement
                    .ended
                    .push(ended(waiting, Outcome::LimitReached));
            }
            Verdict::KeyTaken => bury(
                acknowledgement,
                waiting,
                1,
                "the idempotency key made this shopper an order of another product".to_owned(),
            ),
            // The job's id has an outcome already, which is another buy's: it must stay.
            Verdict::JobIdTaken => acknowledgement.dead.push(dead(
                waiting,
                1,
                "the job id is the one of another buy; send it again with its own".to_owned(),
            )),
        }
    }
}

/// Adds a job that no attempt could settle.
pub fn bury(
    acknowledgement: &mut Acknowledgement,
    waiting: &Waiting,
    attempts: u32,
    reason: String,
) {
    acknowledgement.ended.push(ended(waiting, Outcome::Failed));
    acknowledgement.dead.push(dead(waiting, attempts, reason));
}

/// A job that ended without an order.
fn ended(waiting: &Waiting, outcome: Outcome) -> Ended {
    Ended {
        entry_id: waiting.entry_id.clone(),
        job_id: waiting.job.job_id,
        user_id: waiting.job.data.user_id.clone(),
        outcome,
        order_id: None,
        state: None,
    }
}

fn dead(waiting: &Waiting, attempts: u32, reason: String) -> Dead {
    Dead {
        entry_id: waiting.entry_id.clone(),
        job: waiting.raw.clone(),
        reason,
        attempts,
    }
}

#[cfg(test)]
mod tests {
    use flashsale_domain::order::OrderState;

    use super::*;

    fn entry(id: &str, job: Option<&str>) -> Entry {
        Entry {
            id: id.to_owned(),
            job: job.map(|job| job.as_bytes().to_vec()),
        }
    }

    fn job(id: u128) -> String {
        let id = uuid::Uuid::from_u128(id);
        format!(
            r#"{{"jobId":"{id}","data":{{"userId":"u","productId":"p","timestamp":1,"idempotencyKey":"k"}},"name":"purchase-job"}}"#
        )
    }

    fn product() -> ProductId {
        ProductId::new("p").unwrap()
    }

    #[test]
    fn malformed_entries_are_sorted_out_and_stop_nothing() {
        let entries = vec![
            entry("1-0", Some(&job(1))),
            entry("2-0", Some("{")),
            entry("3-0", None),
            entry("4-0", Some(&job(4))),
        ];
        let batch = sort(entries, &product(), None);
        let ids: Vec<&str> = batch.jobs.iter().map(|job| job.entry_id.as_str()).collect();
        assert_eq!(ids, ["1-0", "4-0"]);
        assert_eq!(batch.malformed.len(), 2);
        assert!(batch.malformed[1].reason.contains("no field"));
    }

    #[test]
    fn every_verdict_takes_its_entry_out_of_the_lane() {
        let entries = (1..=6)
            .map(|id| entry(&format!("{id}-0"), Some(&job(id))))
            .collect();
        let jobs = sort(entries, &product(), None).jobs;
        let pending = OrderState::Pending { expires_ms: None };
        let expired = OrderState::Cancelled { reason: None };
        let settlement = Settlement {
            verdicts: vec![
                Verdict::Confirmed { order_id: 1 },
                Verdict::Redelivered { order_id: 2 },
                Verdict::SoldOut,
                Verdict::LimitReached,
                Verdict::KeyTaken,
                Verdict::JobIdTaken,
            ],
            stock: 3,
            version: 7,
            confirmed: 1,
            states: vec![
                Some(pending.clone()),
                Some(expired.clone()),
                None,
                None,
                None,
                None,
            ],
        };
        let mut acknowledgement = Acknowledgement::default();
        record(&mut acknowledgement, &jobs, &settlement);
        let outcomes: Vec<Outcome> = acknowledgement
            .ended
            .iter()
            .map(|job| job.outcome)
            .collect();
        assert_eq!(
            outcomes,
            [
                Outcome::Confirmed,
                Outcome::Confirmed,
                Outcome::SoldOut,
                Outcome::LimitReached,
                Outcome::Failed
            ]
        );
        // The buy whose job id was taken keeps its own outcome: no record is written for it.
        assert_eq!(acknowledgement.dead.len(), 2);
        assert_eq!(acknowledgement.dead[1].entry_id, "6-0");
        assert_eq!(acknowledgement.stock, Some((3, 7)));
        let states = acknowledgement.ended.into_iter().map(|job| job.state);
        let states: Vec<Option<OrderState>> = states.collect();
        assert_eq!(states, [Some(pending), Some(expired), None, None, None]);
    }
}
