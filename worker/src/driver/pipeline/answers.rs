//! What the pipeline makes of answers.

use std::time::{Duration, Instant};

use flashsale_ledger::{BatchTurn, Fault, Settlement, Succession, Takeover, WaitReason};
use flashsale_queue::{
    lane::{Acknowledgement, Entry},
    retry::Retry,
};

use super::{Claim, Command, Event, Now, Pipeline, Sent, Stretch};
use crate::{
    batch::{self, Waiting},
    driver::{
        departure::Departure,
        refusals::{Next, Refusals},
    },
    lanes_waiting::TOO_SLOW,
    settlement::Failure,
};

/// The ledger's answer to a batch.
pub(super) type Answer = Result<Settlement, Failure>;

/// The wait before the one repeat that a driver makes by itself: a connection that broke is
/// replaced by then.
const RETAKE: Duration = Duration::from_millis(50);

/// Attempts that fail one after the other before the lane is given back, for another worker that
/// may reach the ledger better.
const FAILURES: u32 = 2;

/// First wait before a failed acknowledgement is repeated; it doubles up to [`TELL_AGAIN_MOST`].
const TELL_AGAIN: Duration = Duration::from_millis(50);

/// Longest wait before that: Redis is found within a second once it is back.
const TELL_AGAIN_MOST: Duration = Duration::from_secs(1);

impl Pipeline {
    /// Takes in what came of a command.
    pub(in crate::driver) fn on(&mut self, event: Event, now: &Now) {
        match event {
            Event::TakenOver(taken) => self.taken_over(taken, now.at),
            Event::LeaseAsked(Ok(true)) => self.claim = Claim::Wanted { not_before: None },
            Event::LeaseAsked(Ok(false)) => self.leave_unsettled(Departure::Fenced),
            Event::Loaded(Ok(known)) => {
                let refusals = Refusals::new(known);
                self.queued
                    .retain(|job| !refusals.is_waiting(&job.entry_id));
                self.refusals = Some(refusals);
            }
            Event::Read(Ok(entries)) => self.read_entries(entries, now.at),
            Event::RefusedRead { asked, found } => match found {
                Ok(found) => self.refused_read(&asked, found),
                Err(message) => self.leave(Departure::QueueAway(message)),
            },
            Event::Settled { turn, answer } => self.answered(&turn, answer, now),
            Event::Acknowledged(told) => self.acknowledged(told, now.at),
            Event::OrdersFenced(driver) => {
                if self.driver() == Some(driver) {
                    self.leave_unsettled(Departure::Fenced);
                }
            }
            Event::Noted => self.noting = self.noting.saturating_sub(1),
            Event::Loaded(Err(message))
            | Event::Read(Err(message))
            | Event::LeaseAsked(Err(message)) => self.leave(Departure::QueueAway(message)),
        }
    }

    /// Begins nothing more; the first reason counts.
    fn leave(&mut self, departure: Departure) {
        self.leaving.get_or_insert(departure);
    }

    fn taken_over(&mut self, taken: Result<Succession, Failure>, now: Instant) {
        match taken {
            Ok(Succession::Done(Takeover { driver, batch })) => {
                self.known.driver = Some(driver);
                self.claim = Claim::Held {
                    driver,
                    last: batch,
                };
            }
            // Whoever is there may have come later. The lease tells, now that the name is known:
            // its next holder finds this driver in the ledger, or one that comes after.
            Ok(Succession::Present(driver)) => {
                self.known.driver = driver;
                self.outbox.push(Command::AskLease);
            }
            Err(failure) => self.wait_for_ledger(failure, now),
        }
    }

    fn read_entries(&mut self, entries: Vec<Entry>, now: Instant) {
        self.reading = false;
        self.fresh = self.sent.is_empty();
        let Some(last) = entries.last() else {
            return;
        };
        self.cursor.clone_from(&last.id);
        self.busy = now;
        let first = self.entries_read;
        self.entries_read += entries.len() as u64;
        let mut jobs = self.sort(entries, Some(first));
        if let Some(refusals) = &self.refusals {
            jobs.retain(|job| !refusals.is_waiting(&job.entry_id));
        }
        self.queued.extend(jobs);
    }

    fn refused_read(&mut self, asked: &[String], found: Vec<Entry>) {
        self.reading_refused = false;
        if let Some(refusals) = &mut self.refusals {
            for entry_id in asked {
                if !found.iter().any(|entry| entry.id == *entry_id) {
                    refusals.forget(entry_id);
                }
            }
        }
        let jobs = self.sort(found, None);
        if !jobs.is_empty() {
            self.pieces.push_back(jobs);
        }
    }

    /// The jobs among `entries`; what is none is buried with the next acknowledgement.
    fn sort(&mut self, entries: Vec<Entry>, first: Option<u64>) -> Vec<Waiting> {
        let sorted = batch::sort(entries, &self.product, first);
        for dead in &sorted.malformed {
            tracing::warn!(product = %self.product, entry = dead.entry_id, reason = dead.reason,
                "dead-lettered an entry of lane {}: {}", self.product, dead.reason);
        }
        if !sorted.malformed.is_empty() {
            self.stretch.tear();
        }
        self.decided.dead.extend(sorted.malformed);
        if let Some(message) = sorted.newer {
            self.newer.get_or_insert(message);
        }
        sorted.jobs
    }

    fn acknowledged(&mut self, told: Result<(), String>, now: Instant) {
        match told {
            Ok(()) => self.telling = None,
            Err(_) if self.leaving.is_some() => {
                // The jobs stay in the lane, and their next driver finds them settled.
                self.telling = None;
                self.decided = Acknowledgement::default();
                self.stretch = Stretch::default();
            }
            Err(message) => {
                tracing::warn!(product = %self.product,
                    "could not acknowledge a batch of lane {} yet: {message}", self.product);
                let wait = TELL_AGAIN.saturating_mul(1 << self.failed_tellings.min(8));
                self.failed_tellings = self.failed_tellings.saturating_add(1);
                self.tell_again = Some(now + wait.min(TELL_AGAIN_MOST));
            }
        }
    }

    fn answered(&mut self, turn: &BatchTurn, answer: Answer, now: &Now) {
        let mut sent = self.sent.iter_mut();
        // An answer to a batch that was given up is of no use: its jobs are settled again.
        let Some(sent) = sent.find(|sent| sent.batch.turn == *turn) else {
            return;
        };
        sent.answer = Some(answer);
        while self.sent.front().is_some_and(|sent| sent.answer.is_some()) {
            let Some(mut sent) = self.sent.pop_front() else {
                break;
            };
            match sent.answer.take() {
                Some(Ok(settlement)) => self.settled(&sent, &settlement),
                Some(Err(failure)) => self.failed(&sent, failure, now),
                None => {}
            }
        }
    }

    fn settled(&mut self, sent: &Sent, settlement: &Settlement) {
        let jobs = &sent.batch.jobs;
        self.claim = Claim::Held {
            driver: sent.batch.turn.driver,
            last: sent.batch.turn.batch,
        };
        self.settled = true;
        self.fresh = false;
        self.failures = 0;
        batch::record(&mut self.decided, jobs, settlement);
        self.stretch.add(jobs);
        if let Some(refusals) = self.refusals.as_mut().filter(|known| !known.is_empty()) {
            for job in jobs.iter() {
                refusals.forget(&job.entry_id);
            }
        }
    }

    /// The batch whose turn it was has failed.
    fn failed(&mut self, sent: &Sent, failure: Failure, now: &Now) {
        let jobs: Vec<Waiting> = sent.batch.jobs.to_vec();
        self.fresh = false;
        // What is left of it goes first again, then what was sent behind it.
        let behind = self.take_back();
        if !failure.certain || behind {
            self.claim = Claim::Wanted { not_before: None };
        }
        match failure.fault {
            Fault::Fenced => self.leave_unsettled(Departure::Fenced),
            Fault::Row => self.refused(jobs, &failure.message, now.redis_ms),
            // Only the first in line can say what the matter is; this one gets its turn now.
            _ if sent.ahead => self.pieces.push_front(jobs),
            // The ledger no longer has the batch before: it went back.
            Fault::OutOfTurn => self.leave_unsettled(Departure::Fenced),
            Fault::TooSlow => {
                self.known.size.shrink(jobs.len(), now.at);
                let is_smaller = failure.certain && jobs.len() > 1;
                self.pieces.push_front(jobs);
                if !is_smaller {
                    self.wait_for_ledger(failure, now.at);
                }
            }
            Fault::Server(_) => {
                self.pieces.push_front(jobs);
                self.wait_for_ledger(failure, now.at);
            }
        }
    }

    /// Takes back what was sent behind a batch that failed. True when there was something: it may
    /// be settled by the number that the failed batch leaves free.
    fn take_back(&mut self) -> bool {
        let is_some = !self.sent.is_empty();
        while let Some(sent) = self.sent.pop_back() {
            for job in sent.batch.jobs.iter().rev() {
                self.queued.push_front(job.clone());
            }
        }
        is_some
    }

    /// The ledger refuses a row of `jobs`: halves find out which.
    fn refused(&mut self, mut jobs: Vec<Waiting>, reason: &str, redis_ms: i64) {
        if jobs.len() > 1 {
            let last = jobs.split_off(jobs.len() / 2);
            self.pieces.push_front(last);
            self.pieces.push_front(jobs);
            return;
        }
        let (Some(job), Some(refusals)) = (jobs.pop(), &mut self.refusals) else {
            return;
        };
        let id = job.job.job_id;
        match refusals.failed(&job, redis_ms) {
            Next::Exhausted(attempts) => {
                tracing::warn!(job = %id, attempts, reason,
                    "dead-lettered job {id} after {attempts} attempts: {reason}");
                batch::bury(&mut self.decided, &job, attempts, reason.to_owned());
                self.stretch.tear();
            }
            Next::Again { retry, wait_ms } => {
                let Retry { attempts, .. } = retry;
                tracing::warn!(job = %id, attempts, reason, wait_ms,
                    "job {id} failed, next attempt in {wait_ms} ms: {reason}");
                let entry_id = job.entry_id;
                self.noting += 1;
                self.outbox.push(Command::Note { entry_id, retry });
            }
        }
    }

    /// Tries once more with a new token where that may help, and else leaves the lane to others.
    fn wait_for_ledger(&mut self, failure: Failure, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        if !failure.silent && self.failures < FAILURES {
            let not_before = Some(now + RETAKE);
            self.claim = Claim::Wanted { not_before };
            return;
        }
        let reason = match failure.fault {
            Fault::Server(reason) => reason.as_str(),
            Fault::TooSlow => TOO_SLOW,
            Fault::Fenced | Fault::OutOfTurn | Fault::Row => WaitReason::Other.as_str(),
        };
        let message = failure.message;
        self.leave_unsettled(Departure::Waits { reason, message });
    }

    /// Leaves, and lets go of what the ledger has: whoever takes over next settles it again.
    fn leave_unsettled(&mut self, departure: Departure) {
        self.sent.clear();
        self.leave(departure);
    }
}
