//! The jobs of a lane that the ledger refused. Each is tried again after its backoff, in order of
//! arrival, and buried when its attempts are used up; the others of the lane go on meanwhile.

use std::{collections::HashMap, time::Duration};

use flashsale_queue::retry::Retry;

use crate::batch::{Waiting, position};

/// Refused jobs tried again at once, at most: a lane full of them must not keep fresh jobs waiting
/// for longer than a batch does.
const AT_ONCE: usize = 100;

/// What is known of a lane's refused jobs, by the id of their entry.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    known: HashMap<String, Retry>,
}

/// What becomes of a job whose attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// It is tried again after `wait_ms`.
    Again {
        /// What the next driver has to know.
        retry: Retry,
        /// The backoff in milliseconds.
        wait_ms: u64,
    },
    /// It has had this many attempts, which are all.
    Exhausted(u32),
}

impl Refusals {
    /// What the lane's last driver left.
    pub(super) fn new(known: HashMap<String, Retry>) -> Self {
        Self { known }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Whether the entry is a refused job, which has its own time.
    pub(super) fn is_waiting(&self, entry_id: &str) -> bool {
        self.known.contains_key(entry_id)
    }

    /// The entries whose next attempt is due at `now_ms` by Redis's clock, in order of arrival.
    pub(super) fn due(&self, now_ms: i64) -> Vec<String> {
        let mut due: Vec<&String> = self
            .known
            .iter()
            .filter(|(_, retry)| retry.due_ms <= now_ms)
            .map(|(entry_id, _)| entry_id)
            .collect();
        due.sort_unstable_by_key(|entry_id| position(entry_id));
        due.into_iter().take(AT_ONCE).cloned().collect()
    }

    /// Time until the next attempt; zero when one is due, none when no job waits.
    pub(super) fn next_due(&self, now_ms: i64) -> Option<Duration> {
        let due_ms = self.known.values().map(|retry| retry.due_ms).min()?;
        let wait = u64::try_from(due_ms.saturating_sub(now_ms)).unwrap_or(0);
        Some(Duration::from_millis(wait))
    }

    /// Counts a failed attempt of `job`.
    pub(super) fn failed(&mut self, job: &Waiting, now_ms: i64) -> Next {
        let known = self.known.get(&job.entry_id);
        let attempts = known.map_or(0, |known| known.attempts).saturating_add(1);
        let options = job.job.opts;
        if attempts >= options.attempts.max(1) {
            self.known.remove(&job.entry_id);
            return Next::Exhausted(attempts);
        }
        let wait_ms = flashsale_domain::job::backoff_ms(options.backoff, attempts);
        let retry = Retry {
            attempts,
            due_ms: now_ms.saturating_add(i64::try_from(wait_ms).unwrap_or(i64::MAX)),
        };
        self.known.insert(job.entry_id.clone(), retry);
        Next::Again { retry, wait_ms }
    }

    /// Forgets an entry that is no longer in the lane.
    pub(super) fn forget(&mut self, entry_id: &str) {
        self.known.remove(entry_id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retry(due_ms: i64) -> Retry {
        Retry {
            attempts: 1,
            due_ms,
        }
    }

    #[test]
    fn due_jobs_come_in_order_of_arrival_and_not_all_at_once() {
        let known = (0..300).map(|number| (format!("{}-{number}", number / 7), retry(5)));
        let refusals = Refusals::new(known.collect());
        let first: Vec<String> = (0..AT_ONCE)
            .map(|number| format!("{}-{number}", number / 7))
            .collect();
        assert_eq!(refusals.due(5), first);
        assert_eq!(refusals.due(4), Vec::<String>::new());
    }

    #[test]
    fn the_next_attempt_is_the_earliest() {
        let known = [("1-0", 500), ("2-0", 300)];
        let known = known.map(|(entry, due)| (entry.to_owned(), retry(due)));
        let refusals = Refusals::new(known.into());
        assert_eq!(refusals.next_due(100), Some(Duration::from_millis(200)));
        assert_eq!(refusals.next_due(400), Some(Duration::ZERO));
        assert_eq!(Refusals::default().next_due(0), None);
    }
}
