//! What the driver of a lane does next: a state machine that does nothing itself. [`Pipeline::next`]
//! says what to start, and whatever comes of it is told to [`Pipeline::on`]. So every interleaving
//! of answers, losses and takeovers can be tried without a server (`simulation.rs`).
//!
//! A job moves through four places: *queued* (read from the lane), *sent* (in the ledger's hands),
//! *decided* (to be acknowledged) and *telling* (being acknowledged). Up to two batches are sent at
//! a time: the second queues for the lock of the product's row and gets it in the instant in which
//! the first commits. While they are settled, what was decided before is acknowledged and what
//! comes next is read.
//!
//! Batches are numbered, and the ledger settles number N + 1 after number N or not at all. Where an
//! attempt may still commit after it was given up (a timeout, a lost connection), or where a batch
//! that was sent ahead can no longer come next, the driver takes over anew before it sends anything
//! else: what is still on its way then bears a token that the ledger refuses.

mod answers;
mod command;
#[cfg(test)]
mod simulation;
mod stretch;
#[cfg(test)]
mod tests;

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use flashsale_domain::id::ProductId;
use flashsale_ledger::BatchTurn;
use flashsale_queue::lane::{Acknowledgement, HEAD};
use uuid::Uuid;

use super::{departure::Departure, known::Known, orders::Stand, refusals::Refusals};
use crate::batch::{self, Waiting};

pub(super) use command::{Batch, Command, Event, Now};
use stretch::Stretch;

/// How long a lane may be empty before its driver lets go of it.
const IDLE_RELEASE: Duration = Duration::from_secs(10);

/// How long a lane with jobs is driven at a stretch while other lanes wait for room in this worker:
/// long against taking a lane over, which costs a few milliseconds, and short for those who wait.
const TURN: Duration = Duration::from_millis(200);

/// One look at an empty lane: how long to wait for a job before looking around.
const LOOK: Duration = Duration::from_millis(200);

/// Whether the ledger settles what this driver sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Claim {
    /// Not yet, or no longer; to be asked for, at once or later.
    Wanted { not_before: Option<Instant> },
    /// Asked for.
    Asked,
    /// It does.
    Held {
        /// The token of this takeover.
        driver: Uuid,
        /// Number of the last batch that was settled, by whomever.
        last: i64,
    },
}

/// A batch in the ledger's hands.
#[derive(Debug)]
struct Sent {
    batch: Batch,
    /// Whether it was sent before the one in front of it was answered.
    ahead: bool,
    /// The ledger's answer, which may arrive before the one of the batch in front of it.
    answer: Option<answers::Answer>,
}

/// The state of one lane's driver, from its takeover to its departure.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a question of its own, and they do not depend on each other"
)]
pub(super) struct Pipeline {
    product: ProductId,
    known: Known,
    /// When the driver began: lanes that wait for room get theirs a turn later.
    began: Instant,
    /// When the lane last had something to do.
    busy: Instant,
    claim: Claim,
    /// The last entry that was read.
    cursor: String,
    /// How many were read: see [`Waiting::read_as`].
    entries_read: u64,
    /// Whether a read is on its way.
    reading: bool,
    /// Whether everything in the lane had been read when the last read began, nothing in the
    /// ledger's hands: then there is no fuller batch to be had than what is queued.
    fresh: bool,
    /// Why the lane is not read on: a later release wrote the next job. What was read before it is
    /// settled first.
    newer: Option<String>,
    /// Whether the lane was read on since a batch was sent: once is enough.
    read_ahead: bool,
    /// Jobs that were read and not sent.
    queued: VecDeque<Waiting>,
    /// Jobs to be settled before all that are queued: pieces of a batch that failed, and refused
    /// jobs whose next attempt is due.
    pieces: VecDeque<Vec<Waiting>>,
    /// Batches in the ledger's hands, the one whose turn it is in front; two at most.
    sent: VecDeque<Sent>,
    /// None until it was read what the last driver left.
    refusals: Option<Refusals>,
    /// Whether the notes of refused jobs were asked for.
    loading: bool,
    /// Whether refused jobs are being read.
    reading_refused: bool,
    /// Whether refused jobs had the last turn: fresh ones have the next.
    retried_last: bool,
    /// What was decided and not yet told.
    decided: Acknowledgement,
    /// Where its entries lie.
    stretch: Stretch,
    /// What is being told, kept for another try.
    telling: Option<Arc<Acknowledgement>>,
    /// How often that failed.
    failed_tellings: u32,
    /// When to try again; none while a try is on its way.
    tell_again: Option<Instant>,
    /// Whether a batch was settled: a turn is not over before.
    settled: bool,
    /// Attempts that failed one after the other.
    failures: u32,
    /// Notes of failed attempts that are on their way.
    noting: usize,
    /// Commands that came of an answer.
    outbox: Vec<Command>,
    /// Set once the driver lets go: nothing more is begun.
    leaving: Option<Departure>,
}

impl Pipeline {
    /// A driver that begins at `now` to settle the jobs of `product`.
    pub(super) fn new(product: ProductId, known: Known, now: Instant) -> Self {
        Self {
            product,
            known,
            began: now,
            busy: now,
            claim: Claim::Wanted { not_before: None },
            cursor: HEAD.to_owned(),
            entries_read: 0,
            reading: false,
            fresh: false,
            newer: None,
            read_ahead: false,
            queued: VecDeque::new(),
            pieces: VecDeque::new(),
            sent: VecDeque::new(),
            refusals: None,
            loading: false,
            reading_refused: false,
            retried_last: false,
            decided: Acknowledgement::default(),
            stretch: Stretch::default(),
            telling: None,
            failed_tellings: 0,
            tell_again: None,
            settled: false,
            failures: 0,
            noting: 0,
            outbox: Vec::new(),
            leaving: None,
        }
    }

    /// What to start now.
    pub(super) fn next(&mut self, now: &Now) -> Vec<Command> {
        self.consider_leaving(now);
        let mut commands = std::mem::take(&mut self.outbox);
        commands.extend(self.acknowledge(now.at));
        if self.leaving.is_some() {
            return commands;
        }
        if !std::mem::replace(&mut self.loading, true) {
            commands.push(Command::Load);
        }
        commands.extend(self.take_over(now.at));
        while let Some(batch) = self.send(now) {
            commands.push(Command::Settle(batch));
        }
        commands.append(&mut self.outbox);
        commands.extend(self.read(now));
        commands
    }

    /// Why the driver lets go of the lane, once nothing is on its way any more.
    pub(super) fn departure(&self) -> Option<&Departure> {
        let is_told = self.telling.is_none() && is_empty(&self.decided);
        let is_done = is_told && self.noting == 0 && self.sent.is_empty();
        self.leaving.as_ref().filter(|_| is_done)
    }

    /// When to ask for the next command at the latest, whatever is answered until then.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        let retake = match self.claim {
            Claim::Wanted { not_before } => not_before.filter(|_| self.leaving.is_none()),
            _ => None,
        };
        retake.into_iter().chain(self.tell_again).min()
    }

    /// Token of the takeover under which batches are sent; none while there is none.
    pub(super) fn driver(&self) -> Option<Uuid> {
        match self.claim {
            Claim::Held { driver, .. } if self.leaving.is_none() => Some(driver),
            _ => None,
        }
    }

    /// What was learnt of the lane.
    pub(super) fn into_known(self) -> Known {
        self.known
    }

    fn consider_leaving(&mut self, now: &Now) {
        if self.leaving.is_some() {
            return;
        }
        let waits = self
            .refusals
            .as_ref()
            .and_then(|refusals| refusals.next_due(now.redis_ms));
        self.leaving = if now.stopping {
            Some(Departure::Done)
        } else if let (true, Some(message)) = (self.is_idle(), &self.newer) {
            Some(Departure::Newer(message.clone()))
        } else if self.is_idle() {
            match waits {
                // Until they were looked at, Redis may say that it is time to: the lane would be taken again.
                _ if now.crowded && now.orders == Stand::Unknown => None,
                // Nothing can be settled before then, and other lanes have something to do.
                Some(wait) if now.crowded && wait > LOOK => Some(Departure::NotBefore(wait)),
                Some(_) => None,
                None if now.crowded => Some(Departure::Done),
                // Each payment is to be told soon, and each order that expires.
                None if now.orders != Stand::Quiet => None,
                None => (now.at > self.busy + IDLE_RELEASE).then_some(Departure::Done),
            }
        } else {
            let is_over = self.settled && now.at > self.began + TURN;
            (now.crowded && is_over).then_some(Departure::TurnOver)
        };
    }

    /// Whether everything in the lane was read and has ended or waits for its next attempt.
    fn is_idle(&self) -> bool {
        self.is_read()
            && self.refusals.is_some()
            && self.queued.is_empty()
            && self.pieces.is_empty()
            && self.sent.is_empty()
            && !self.reading_refused
    }

    /// Whether there is no fuller batch to be had than what is queued.
    fn is_read(&self) -> bool {
        self.fresh || self.newer.is_some()
    }

    fn acknowledge(&mut self, now: Instant) -> Option<Command> {
        if let Some(telling) = &self.telling {
            let at = self.tell_again?;
            if at > now {
                return None;
            }
            self.tell_again = None;
            return Some(Command::Acknowledge(Arc::clone(telling)));
        }
        if is_empty(&self.decided) {
            return None;
        }
        let run = std::mem::take(&mut self.stretch).into_run();
        let decided = std::mem::take(&mut self.decided);
        let telling = Arc::new(Acknowledgement { run, ..decided });
        self.telling = Some(Arc::clone(&telling));
        self.failed_tellings = 0;
        Some(Command::Acknowledge(telling))
    }

    fn take_over(&mut self, now: Instant) -> Option<Command> {
        match self.claim {
            Claim::Wanted { not_before } if not_before.is_none_or(|at| at <= now) => {
                self.claim = Claim::Asked;
                Some(Command::TakeOver {
                    from: self.known.driver,
                })
            }
            _ => None,
        }
    }

    /// The next batch that is to be sent, if there is one now.
    fn send(&mut self, now: &Now) -> Option<Batch> {
        let Claim::Held { driver, last } = self.claim else {
            return None;
        };
        // Outcomes that nobody hears of are no progress: telling must not fall behind.
        if self.telling.is_some() && !is_empty(&self.decided) {
            return None;
        }
        let ahead = !self.sent.is_empty();
        let jobs = if ahead {
            self.full_batch(now)?
        } else {
            self.batch_in_turn(now)?
        };
        let before = self.sent.back().map_or(last, |sent| sent.batch.turn.batch);
        let turn = BatchTurn {
            driver,
            batch: before.saturating_add(1),
            appended_ms: batch::appended_ms(&jobs),
        };
        let jobs = jobs.into();
        let batch = Batch { turn, jobs };
        self.sent.push_back(Sent {
            batch: batch.clone(),
            ahead,
            answer: None,
        });
        self.read_ahead = false;
        self.busy = now.at;
        Some(batch)
    }

    /// The jobs whose turn it is, when none are in the ledger's hands.
    fn batch_in_turn(&mut self, now: &Now) -> Option<Vec<Waiting>> {
        let size = self.known.size.at(now.at);
        if let Some(mut piece) = self.pieces.pop_front() {
            if piece.len() > size {
                let rest = piece.split_off(size);
                self.pieces.push_front(rest);
            }
            return Some(piece);
        }
        if self.reading_refused {
            return None;
        }
        let is_ready = self.queued.len() >= size || (self.is_read() && !self.queued.is_empty());
        let is_others_turn = self.retried_last && (is_ready || !self.is_read());
        let due = self.refusals.as_ref()?.due(now.redis_ms);
        if !is_others_turn && !due.is_empty() {
            // They are read anew, since one may have left the lane meanwhile, and settled apart
            // from fresh jobs, so that they cannot spoil another batch.
            self.reading_refused = true;
            self.retried_last = true;
            self.outbox.push(Command::ReadRefused(due));
            return None;
        }
        if !is_ready {
            return None;
        }
        self.retried_last = false;
        Some(self.dequeue(size))
    }

    /// A full batch to be sent ahead. Fewer jobs would be worse: what arrives meanwhile can still
    /// join them.
    fn full_batch(&mut self, now: &Now) -> Option<Vec<Waiting>> {
        let size = self.known.size.at(now.at);
        let may = self.sent.len() == 1
            && now.connection_to_spare
            && self.pieces.is_empty()
            && !self.reading_refused
            && self.refusals.as_ref().is_some_and(Refusals::is_empty);
        (may && self.queued.len() >= size).then(|| self.dequeue(size))
    }

    fn dequeue(&mut self, count: usize) -> Vec<Waiting> {
        let count = count.min(self.queued.len());
        self.queued.drain(..count).collect()
    }

    /// What to read, if anything: ahead while a batch is settled, to top a batch up, or the next
    /// job of a lane that is empty.
    fn read(&mut self, now: &Now) -> Option<Command> {
        let size = self.known.size.at(now.at);
        if self.reading || self.newer.is_some() || self.queued.len() >= size {
            return None;
        }
        let wait = if !self.sent.is_empty() {
            if std::mem::replace(&mut self.read_ahead, true) {
                return None;
            }
            None
        } else if !self.fresh {
            None
        } else if self.is_idle() {
            let refusals = self.refusals.as_ref()?;
            let due = refusals.next_due(now.redis_ms).unwrap_or(LOOK);
            if refusals.is_empty() && self.telling.is_none() && is_empty(&self.decided) {
                // Heals a stream that was deleted and begun anew with lesser ids.
                HEAD.clone_into(&mut self.cursor);
                self.entries_read += 1;
            }
            Some(due.clamp(Duration::from_millis(1), LOOK))
        } else {
            return None;
        };
        self.reading = true;
        Some(Command::Read {
            after: self.cursor.clone(),
            count: size - self.queued.len(),
            wait,
        })
    }
}

fn is_empty(acknowledgement: &Acknowledgement) -> bool {
    acknowledgement.ended.is_empty() && acknowledgement.dead.is_empty()
}
