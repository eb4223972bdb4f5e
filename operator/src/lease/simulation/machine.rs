//! One operator with clocks of its own.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use crate::{
    config::LeaseTimings,
    lease::election::{Election, Standing, Step},
};

const TIMINGS: LeaseTimings = LeaseTimings {
    duration: Duration::from_secs(15),
    renew_deadline: Duration::from_secs(10),
    retry_period: Duration::from_secs(2),
};

/// As in [`crate::lease::Elector`].
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// True milliseconds in which a process may write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Term {
    pub(super) from: u64,
    pub(super) until: u64,
}

/// One process of an operator, from its start to its end.
pub(super) struct Machine {
    pub(super) election: Election<u64>,
    /// When its monotonic clock began; nobody else's began then.
    origin: Instant,
    /// Speed of its clocks: 1 is right.
    pub(super) speed: f64,
    /// What its wall clock is off by.
    skew: SignedDuration,
    /// The request it waits for; an answer to another comes too late.
    pub(super) request: u64,
    pub(super) sent: Instant,
    /// Whether it waits for an answer.
    pub(super) asking: bool,
    pub(super) paused_until: u64,
    pub(super) alive: bool,
    pub(super) term: Option<Term>,
}

impl Machine {
    pub(super) fn new(identity: String, speed: f64, skew_seconds: i64) -> Self {
        let origin = Instant::now() + Duration::from_secs(skew_seconds.unsigned_abs());
        Self {
            election: Election::new(identity, TIMINGS),
            origin,
            speed,
            skew: SignedDuration::from_secs(skew_seconds),
            request: 0,
            sent: origin,
            asking: false,
            paused_until: 0,
            alive: true,
            term: None,
        }
    }

    /// What its monotonic clock shows.
    pub(super) fn clock(&self, now: u64) -> Instant {
        self.origin + Duration::from_millis(now).mul_f64(self.speed)
    }

    /// What its wall clock shows.
    pub(super) fn wall(&self, now: u64) -> Timestamp {
        let passed = SignedDuration::from_millis(i64::try_from(now).unwrap());
        Timestamp::from_second(1_900_000_000).unwrap() + self.skew + passed
    }

    /// True time when its monotonic clock shows `moment`, rounded up: a timer is never early.
    pub(super) fn true_time(&self, moment: Instant) -> u64 {
        let passed = moment.saturating_duration_since(self.origin);
        u64::try_from(passed.div_f64(self.speed).as_nanos().div_ceil(1_000_000)).unwrap() + 1
    }

    /// Opens and closes its fence.
    pub(super) fn stand(&mut self, step: &Step, now: u64) {
        match step.standing {
            Standing::Leading(until) => {
                let until = self.true_time(until);
                let from = self.term.map_or(now, |term| term.from);
                self.term = Some(Term { from, until });
            }
            Standing::Waiting(_) => {}
            Standing::Lost(_) => self.end(now),
        }
    }

    /// The process is gone, and with it its right to write.
    pub(super) fn end(&mut self, now: u64) {
        self.alive = false;
        if let Some(term) = &mut self.term {
            term.until = term.until.min(now);
        }
    }

    pub(super) fn leads(&self, now: u64) -> bool {
        self.alive && self.term.is_some_and(|term| now < term.until)
    }
}
