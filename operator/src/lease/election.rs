//! What an operator does next about its lease. Pure: it is told the time and what was answered.

use std::mem;

use jiff::Timestamp;
use tokio::time::Instant;

use super::record::Record;
use crate::config::LeaseTimings;

/// A record as it was read, with the version that a write has to name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found<V> {
    pub(super) record: Record,
    pub(super) version: V,
}

/// What to ask of the API server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Request<V> {
    /// Read the lease.
    Read,
    /// Make it; fails when it exists.
    Create(Record),
    /// Write it; fails when its version is another by now.
    Replace(Record, V),
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer<V> {
    /// The lease as it is now: as read, or as written.
    Found(Found<V>),
    /// There is no lease.
    Absent,
    /// Somebody else was faster.
    Conflict,
    /// No answer, or none that helps: a write may or may not have been done.
    Failed,
}

/// Where the operator stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// It stands by; who leads, if it knows.
    Waiting(Option<String>),
    /// It leads, until this moment at least.
    Leading(Instant),
    /// It led, and does so no more.
    Lost(Loss),
}

/// Why leadership ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Loss {
    /// No renewal succeeded in time.
    #[error("the lease could not be renewed in time: see whether the API server is reachable")]
    Overdue,
    /// The lease has another holder, or none.
    #[error("the lease was taken: its holder is now `{0}`")]
    Taken(String),
}

/// When to ask again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// Now: what was learnt has to be used before it is old.
    AtOnce,
    /// At [`Election::next_look`].
    Later,
}

/// A standby looks after this part of the retry period, somewhere between, so that standbys do not
/// ask all at once. Less than the whole: a lease that was renewed a moment before its holder died is
/// then taken within duration + retry period, a released one within the retry period, answers that
/// take some time on a busy machine included.
const STANDBY_LOOKS: [f64; 2] = [0.25, 0.5];

/// What follows from an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) standing: Standing,
    pub(super) pace: Pace,
}

/// The next request, before it is dated.
#[derive(Debug, Clone)]
enum Plan<V> {
    Read,
    /// There is no lease; the record is the one of a leader whose lease was deleted.
    Create(Option<Record>),
    TakeOver(Found<V>),
    Renew(Found<V>),
}

/// A record of somebody else, and since when it is seen unchanged.
#[derive(Debug, Clone)]
struct Seen {
    record: Record,
    since: Instant,
}

/// One operator's part in the election.
#[derive(Debug, Clone)]
pub(super) struct Election<V> {
    identity: String,
    timings: LeaseTimings,
    /// What it saw last while it stands by.
    seen: Option<Seen>,
    plan: Plan<V>,
    /// It leads until then; `None`: it stands by.
    until: Option<Instant>,
    /// Its own record, as it was accepted last.
    own: Option<Record>,
}

impl<V: Clone> Election<V> {
    /// A part in the election that knows nothing yet.
    pub(super) fn new(identity: String, timings: LeaseTimings) -> Self {
        Self {
            identity,
            timings,
            seen: None,
            plan: Plan::Read,
            until: None,
            own: None,
        }
    }

    /// Until when it leads at least; `None`: it stands by.
    pub(super) fn until(&self) -> Option<Instant> {
        self.until
    }

    /// What to ask next; `now` is a date for people.
    pub(super) fn request(&self, now: Timestamp) -> Request<V> {
        let (identity, duration) = (&self.identity, self.timings.duration);
        match &self.plan {
            Plan::Read => Request::Read,
            Plan::Create(None) => Request::Create(Record::first(identity, duration, now)),
            Plan::Create(Some(own)) => Request::Create(own.renewed(duration, now)),
            Plan::TakeOver(found) => Request::Replace(
                found.record.taken_over(identity, duration, now),
                found.version.clone(),
            ),
            Plan::Renew(found) => {
                Request::Replace(found.record.renewed(duration, now), found.version.clone())
            }
        }
    }

    /// What to ask in order to give the lease up, if it may be held.
    pub(super) fn release(&self, now: Timestamp) -> Option<Request<V>> {
        match &self.plan {
            Plan::Renew(found) => Some(Request::Replace(
                found.record.released(now),
                found.version.clone(),
            )),
            Plan::Read if self.until.is_some() => Some(Request::Read),
            Plan::Read | Plan::Create(_) | Plan::TakeOver(_) => None,
        }
    }

    /// When to ask next if nothing asks for more haste; `random` is between 0 and 1. Neither later
    /// than a lease that is waited for can expire, nor than the own one runs out.
    pub(super) fn next_look(&self, now: Instant, random: f64) -> Instant {
        let period = self.timings.retry_period;
        if let Some(until) = self.until {
            return (now + period).min(until);
        }
        let [least, most] = STANDBY_LOOKS;
        let next = now + period.mul_f64(least + random * (most - least));
        self.expiry()
            .filter(|expiry| *expiry > now)
            .map_or(next, |expiry| next.min(expiry))
    }

    /// Takes the answer to the last request, which was sent at `sent` and answered at `now`.
    pub(super) fn answered(&mut self, answer: Answer<V>, sent: Instant, now: Instant) -> Step {
        if self.until.is_some_and(|until| now >= until) {
            return self.lose(Loss::Overdue);
        }
        match (mem::replace(&mut self.plan, Plan::Read), answer) {
            (Plan::Read, Answer::Found(found)) => self.judge(found, now),
            (Plan::Read, Answer::Absent) => self.judge_absence(now),
            (_, Answer::Found(written)) => self.win(written, sent, now),
            (_, Answer::Absent) if self.until.is_some() => self.judge_absence(now),
            // A leader has to know at once; who stands by lost a race and can wait.
            (_, Answer::Conflict) if self.until.is_some() => self.go_on(Pace::AtOnce),
            (_, Answer::Absent | Answer::Conflict) => self.go_on(Pace::Later),
            (plan, Answer::Failed) => {
                // A leader tries the same again. If it was done after all, that is a conflict, and
                // the next read shows whose the lease is.
                if self.until.is_some() {
                    self.plan = plan;
                }
                self.go_on(Pace::Later)
            }
        }
    }

    fn judge(&mut self, found: Found<V>, now: Instant) -> Step {
        if found.record.is_held_by(&self.identity) {
            // Its own, be it from a write whose answer got lost. It counts once it is renewed.
            self.plan = Plan::Renew(found);
            return self.go_on(Pace::AtOnce);
        }
        if self.until.is_some() {
            return self.lose(Loss::Taken(found.record.holder.unwrap_or_default()));
        }
        self.observe(&found.record, now);
        if found.record.holder.is_none() || self.has_expired(now) {
            self.plan = Plan::TakeOver(found);
            return self.go_on(Pace::AtOnce);
        }
        self.go_on(Pace::Later)
    }

    /// A deleted lease frees nobody from waiting: its holder still counts on it.
    fn judge_absence(&mut self, now: Instant) -> Step {
        let free = self.until.is_some() || self.holder().is_none() || self.has_expired(now);
        if free {
            self.plan = Plan::Create(self.own.clone());
            self.go_on(Pace::AtOnce)
        } else {
            self.go_on(Pace::Later)
        }
    }

    /// The write was accepted. What counts is when it was sent: others may have seen it since then.
    fn win(&mut self, written: Found<V>, sent: Instant, now: Instant) -> Step {
        let until = sent + self.timings.renew_deadline;
        self.own = Some(written.record.clone());
        self.plan = Plan::Renew(written);
        if now >= until {
            // Accepted, but heard of too late to be sure of it.
            return self.go_on(Pace::AtOnce);
        }
        self.until = Some(until);
        self.go_on(Pace::Later)
    }

    fn lose(&mut self, loss: Loss) -> Step {
        self.until = None;
        self.plan = Plan::Read;
        Step {
            standing: Standing::Lost(loss),
            pace: Pace::Later,
        }
    }

    fn go_on(&self, pace: Pace) -> Step {
        let standing = self.until.map_or_else(
            || Standing::Waiting(self.holder().map(str::to_owned)),
            Standing::Leading,
        );
        Step { standing, pace }
    }

    /// Starts the clock anew when the record is another.
    fn observe(&mut self, record: &Record, now: Instant) {
        if self.seen.as_ref().is_none_or(|seen| seen.record != *record) {
            self.seen = Some(Seen {
                record: record.clone(),
                since: now,
            });
        }
    }

    /// Who held the lease when it was seen last.
    fn holder(&self) -> Option<&str> {
        self.seen.as_ref()?.record.holder.as_deref()
    }

    /// When it was seen unchanged for as long as its holder asked to be left alone.
    fn expiry(&self) -> Option<Instant> {
        let seen = self.seen.as_ref()?;
        Some(seen.since + seen.record.duration(self.timings.duration))
    }

    fn has_expired(&self, now: Instant) -> bool {
        self.expiry().is_some_and(|expiry| now >= expiry)
    }
}

#[cfg(test)]
mod tests;
