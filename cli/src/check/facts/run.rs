//! One file: its clock, its schedules, and which attempts may have been taken.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use uuid::Uuid;

use super::{Key, Moment};
use crate::{check::clock::RedisClock, history::Ending};

/// When a sale opens and closes, as it was told at `us`. Microseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// When it was told, in microseconds of the run.
    pub us: u64,
    /// The first instant of the sale.
    pub opens_at: Option<i64>,
    /// The first instant after it.
    pub closes_at: Option<i64>,
}

/// One file.
#[derive(Debug)]
pub(in crate::check) struct Run {
    pub(in crate::check) name: String,
    pub(in crate::check) ending: Ending,
    pub(in crate::check) clock: RedisClock,
    /// What was told of each sale's schedule, in order.
    pub(in crate::check) schedules: BTreeMap<String, Vec<Schedule>>,
    /// Attempts without an answer so far.
    open: HashMap<u64, Attempt>,
    /// Attempts of each key that were taken, or may have been.
    tried: HashMap<Key, Vec<Tried>>,
}

/// A buy that was sent.
#[derive(Debug)]
pub(in crate::check) struct Attempt {
    pub(in crate::check) key: Key,
    pub(in crate::check) product: Arc<str>,
    pub(in crate::check) sent: Moment,
}

/// An attempt that was taken, or may have been.
#[derive(Debug)]
struct Tried {
    product: Arc<str>,
    sent: Moment,
    /// The job and when it was told; none where no answer says what became of it.
    taken: Option<(Uuid, Moment)>,
}

/// A job of a key.
#[derive(Debug)]
pub(in crate::check) struct Taken {
    pub(in crate::check) job: Uuid,
    pub(in crate::check) product: Arc<str>,
    /// When the first attempt was sent that may have made it.
    pub(in crate::check) sent: Moment,
    /// When it was acknowledged first.
    pub(in crate::check) heard: Moment,
}

impl Run {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ending: Ending::Open,
            clock: RedisClock::default(),
            schedules: BTreeMap::new(),
            open: HashMap::new(),
            tried: HashMap::new(),
        }
    }

    pub(super) fn sent(&mut self, buy: u64, attempt: Attempt) {
        self.open.insert(buy, attempt);
    }

    /// An attempt was answered, or will not be. Answers its product.
    pub(super) fn answered(
        &mut self,
        buy: u64,
        heard: Moment,
        status: Option<u16>,
        job: Option<Uuid>,
    ) -> Option<Arc<str>> {
        let attempt = self.open.remove(&buy)?;
        let product = Arc::clone(&attempt.product);
        match (status, job) {
            (Some(200), Some(job)) => self.note(attempt, Some((job, heard))),
            // The call to Redis may have broken after the buy was taken.
            (None | Some(200 | 408 | 500..), _) => self.note(attempt, None),
            (Some(_), _) => {}
        }
        Some(product)
    }

    fn note(&mut self, attempt: Attempt, taken: Option<(Uuid, Moment)>) {
        self.tried.entry(attempt.key).or_default().push(Tried {
            product: attempt.product,
            sent: attempt.sent,
            taken,
        });
    }

    /// Ends the file; answers the jobs of each key, in the order in which they were acknowledged.
    pub(super) fn finish(&mut self, ending: Ending) -> Vec<(Key, Vec<Taken>)> {
        self.ending = ending;
        self.clock.finish();
        for attempt in std::mem::take(&mut self.open).into_values() {
            self.note(attempt, None);
        }
        let tried = std::mem::take(&mut self.tried);
        let jobs = tried.into_iter().map(|(key, tried)| (key, jobs(&tried)));
        jobs.filter(|(_, jobs)| !jobs.is_empty()).collect()
    }
}

/// The jobs among the attempts of one key.
fn jobs(tried: &[Tried]) -> Vec<Taken> {
    let mut jobs: Vec<Taken> = Vec::new();
    for (job, heard, attempt) in tried
        .iter()
        .filter_map(|attempt| attempt.taken.map(|(job, heard)| (job, heard, attempt)))
    {
        if let Some(known) = jobs.iter_mut().find(|known| known.job == job) {
            known.heard = known.heard.min(heard);
        } else {
            jobs.push(Taken {
                job,
                product: Arc::clone(&attempt.product),
                sent: attempt.sent,
                heard,
            });
        }
    }
    for job in &mut jobs {
        // Any attempt that was sent before this answer, unless it was told another job.
        let may_have_made = |attempt: &&Tried| {
            attempt.sent < job.heard && attempt.taken.is_none_or(|(other, _)| other == job.job)
        };
        let first = tried
            .iter()
            .filter(may_have_made)
            .map(|attempt| attempt.sent)
            .min();
        job.sent = first.unwrap_or(job.sent).min(job.sent);
    }
    jobs.sort_by_key(|job| job.heard);
    jobs
}
