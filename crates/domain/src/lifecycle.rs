//! What state is a sale in at an instant? Pure functions of schedule, switches and readings;
//! the operator, `flashsale up` and the gateway all ask here.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::sale::{Sale, Schedule, WorkerPolicy};

crate::words! {
    /// The state of a sale in one word, as in status columns and events.
    #[derive(Serialize, Deserialize)]
    pub enum Phase {
        /// Not yet looked at.
        Pending = "Pending",
        /// In force, before its opening.
        Scheduled = "Scheduled",
        /// Taking buys.
        Open = "Open",
        /// Open, with nothing left.
        SoldOut = "SoldOut",
        /// Intake closed by hand.
        Suspended = "Suspended",
        /// Closed, with jobs still waiting.
        Draining = "Draining",
        /// Closed, every job ended, and orders still wait for their payment.
        Settling = "Settling",
        /// Closed, every job ended, and no order waits for its payment.
        Closed = "Closed",
        /// Cannot run as written.
        Failed = "Failed",
    }
}

/// What people decided about a sale, apart from its schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Switches {
    /// `spec.suspend`.
    pub suspended: bool,
    /// Closed for good before `closesAt`: the object is being deleted, or its host stops.
    pub closing: bool,
}

/// A sale in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announced {
    /// The sale.
    pub sale: Sale,
    /// Closed for good before its time.
    pub closing: bool,
}

impl Announced {
    /// What people decided about it.
    pub fn switches(&self) -> Switches {
        Switches {
            suspended: self.sale.suspended,
            closing: self.closing,
        }
    }
}

/// What was read of a sale. `None` is "could not be read", which is never the same as 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Readings {
    /// Jobs that wait or are being settled.
    pub queue_depth: Option<u64>,
    /// Units left in the ledger over all products.
    pub remaining: Option<u64>,
    /// Orders that wait for their payment, in the ledger; always 0 in a sale without payment.
    pub pending: Option<u64>,
}

/// The phase at `now`.
pub fn phase(schedule: Schedule, switches: Switches, readings: Readings, now: Timestamp) -> Phase {
    let over = switches.closing || schedule.closes_at.is_some_and(|closes| now >= closes);
    if over {
        return match (readings.queue_depth, readings.pending) {
            (Some(0), Some(0)) => Phase::Closed,
            (Some(0), _) => Phase::Settling,
            _ => Phase::Draining,
        };
    }
    if switches.suspended {
        return Phase::Suspended;
    }
    if schedule.opens_at.is_some_and(|opens| now < opens) {
        return Phase::Scheduled;
    }
    if readings.remaining == Some(0) {
        Phase::SoldOut
    } else {
        Phase::Open
    }
}

/// The next instant at which the schedule alone changes what is to be done: pre-warming, the
/// opening, the closing. None when nothing is left to come.
pub fn next_instant(
    schedule: Schedule,
    workers: &WorkerPolicy,
    now: Timestamp,
) -> Option<Timestamp> {
    [
        prewarm_at(schedule, workers),
        schedule.opens_at,
        schedule.closes_at,
    ]
    .into_iter()
    .flatten()
    .filter(|at| *at > now)
    .min()
}

/// Whether the workers for the opening must be there at `now`: from `prewarm` before the opening
/// until the opening itself, after which the queue speaks.
pub fn is_prewarming(schedule: Schedule, workers: &WorkerPolicy, now: Timestamp) -> bool {
    let is_ahead = schedule.opens_at.is_some_and(|opens| now < opens);
    is_ahead && prewarm_at(schedule, workers).is_some_and(|start| now >= start)
}

/// When the workers for the opening have to be there; none without an opening.
fn prewarm_at(schedule: Schedule, workers: &WorkerPolicy) -> Option<Timestamp> {
    schedule.opens_at?.checked_sub(workers.prewarm).ok()
}

/// Whether the sale has a claim to its least number of workers at `now`: from `prewarm` before the
/// opening until it is closed, its lanes are empty and no order waits for its payment. Of a sale that is
/// over, the jobs or the orders must have been read: an unknown count asks for no worker.
pub fn is_in_force(
    schedule: Schedule,
    switches: Switches,
    workers: &WorkerPolicy,
    readings: Readings,
    now: Timestamp,
) -> bool {
    let is_open = schedule.opens_at.is_none_or(|opens| now >= opens);
    let has_begun = is_open || is_prewarming(schedule, workers, now);
    let is_over = switches.closing || schedule.closes_at.is_some_and(|closes| now >= closes);
    let is_some_left = |count: Option<u64>| count.is_some_and(|count| count > 0);
    let has_work = is_some_left(readings.queue_depth) || is_some_left(readings.pending);
    has_begun && (!is_over || has_work)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sale::behavior::Behavior;
    use std::time::Duration;

    const OPENS: i64 = 1_000;
    const CLOSES: i64 = 2_000;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn schedule() -> Schedule {
        Schedule {
            opens_at: Some(at(OPENS)),
            closes_at: Some(at(CLOSES)),
        }
    }

    fn workers() -> WorkerPolicy {
        WorkerPolicy {
            behavior: Behavior::default(),
            fallback: None,
            min_replicas: 1,
            max_replicas: 10,
            target_queue_depth: 1000,
            batch_size: 500,
            lanes_per_worker: 8,
            prewarm: Duration::from_secs(30),
            scale_down_stabilization: Duration::from_mins(1),
        }
    }

    #[test]
    fn the_phase_follows_the_clock_and_the_switches() {
        let readings = |depth, remaining| Readings {
            queue_depth: depth,
            remaining,
            pending: Some(0),
        };
        let pending = |pending| Readings {
            pending,
            ..readings(Some(0), Some(5))
        };
        let on = Switches::default();
        let suspended = Switches {
            suspended: true,
            closing: false,
        };
        let closing = Switches {
            suspended: false,
            closing: true,
        };
        let cases = [
            (OPENS - 1, on, readings(Some(0), Some(5)), Phase::Scheduled),
            (OPENS, on, readings(Some(0), Some(5)), Phase::Open),
            (OPENS, on, readings(None, None), Phase::Open),
            (OPENS, on, readings(Some(9), Some(0)), Phase::SoldOut),
            (CLOSES - 1, on, readings(Some(9), Some(5)), Phase::Open),
            (CLOSES, on, readings(Some(9), Some(5)), Phase::Draining),
            (CLOSES, on, readings(None, Some(5)), Phase::Draining),
            (CLOSES, on, readings(Some(0), Some(5)), Phase::Closed),
            (
                OPENS,
                suspended,
                readings(Some(9), Some(5)),
                Phase::Suspended,
            ),
            (CLOSES, suspended, readings(Some(0), Some(5)), Phase::Closed),
            (
                OPENS - 9,
                closing,
                readings(Some(1), Some(5)),
                Phase::Draining,
            ),
            (OPENS, on, pending(Some(3)), Phase::Open),
            (CLOSES, on, pending(Some(3)), Phase::Settling),
            (CLOSES, on, pending(None), Phase::Settling),
            (OPENS, closing, pending(Some(1)), Phase::Settling),
        ];
        for (now, switches, readings, expected) in cases {
            assert_eq!(
                phase(schedule(), switches, readings, at(now)),
                expected,
                "at {now}"
            );
        }
    }

    #[test]
    fn a_sale_without_times_is_open() {
        let now = phase(
            Schedule::default(),
            Switches::default(),
            Readings::default(),
            at(0),
        );
        assert_eq!(now, Phase::Open);
    }

    #[test]
    fn the_next_instant_is_prewarm_then_opening_then_closing() {
        let next = |now| next_instant(schedule(), &workers(), at(now));
        assert_eq!(next(0), Some(at(OPENS - 30)));
        assert_eq!(next(OPENS - 30), Some(at(OPENS)));
        assert_eq!(next(OPENS), Some(at(CLOSES)));
        assert_eq!(next(CLOSES), None);
    }

    #[test]
    fn prewarming_ends_with_the_opening() {
        let warm = |now| is_prewarming(schedule(), &workers(), at(now));
        assert!(!warm(OPENS - 31));
        assert!(warm(OPENS - 30));
        assert!(warm(OPENS - 1));
        assert!(!warm(OPENS));
    }

    #[test]
    fn a_sale_is_in_force_from_prewarming_until_it_is_drained() {
        let on = Switches::default();
        let closing = Switches {
            closing: true,
            ..on
        };
        let cases = [
            (OPENS - 31, on, Some(0), false),
            (OPENS - 31, on, Some(9), false),
            (OPENS - 30, on, Some(0), true),
            (OPENS - 30, on, None, true),
            (CLOSES - 1, on, None, true),
            (CLOSES, on, Some(9), true),
            (CLOSES, on, Some(0), false),
            (CLOSES, on, None, false),
            (OPENS, closing, Some(1), true),
            (OPENS, closing, Some(0), false),
        ];
        let readings = |depth| Readings {
            queue_depth: depth,
            pending: Some(0),
            ..Readings::default()
        };
        for (now, switches, depth, expected) in cases {
            assert_eq!(
                is_in_force(schedule(), switches, &workers(), readings(depth), at(now)),
                expected,
                "at {now} with {depth:?}"
            );
        }
        let unpaid = Readings {
            pending: Some(1),
            ..readings(Some(0))
        };
        assert!(is_in_force(schedule(), on, &workers(), unpaid, at(CLOSES)));
        let schedule = Schedule::default();
        assert!(is_in_force(schedule, on, &workers(), readings(None), at(0)));
    }
}
