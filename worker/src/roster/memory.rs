//! What this worker remembers of a lane between two of its drivers there.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use flashsale_queue::lease;

use super::LaneName;
use crate::driver::{departure::Departure, known::Known};

/// How long a lane is left to others after the ledger could not settle it from here: long enough
/// for every other worker to look at it once.
pub(super) const LEFT_TO_OTHERS: Duration = Duration::from_millis(700);

/// How long a worker that let others go first may then take the lane.
const OWN_CHANCE: Duration = Duration::from_secs(2);

/// First wait after a driver left for another reason than that its work was done; it doubles up to
/// [`WAIT_MOST`].
const WAIT: Duration = Duration::from_millis(50);

/// Longest wait: what comes back is found within a second.
const WAIT_MOST: Duration = Duration::from_secs(1);

/// How long a lease that could not be given back, or a call that should have taken one, is looked
/// for: the call may still be on its way.
const LOOKED_FOR: Duration = lease::TERM.saturating_mul(2);

/// What is remembered of all lanes.
#[derive(Debug, Default)]
pub(super) struct Memory {
    lanes: HashMap<LaneName, Lane>,
    /// Whether the ledger has failed a driver of this worker.
    ledger_failed: bool,
    /// Leases that Redis may have under names that drive nothing any more.
    stray: Vec<Stray>,
}

#[derive(Debug, Default)]
struct Lane {
    known: Option<Known>,
    /// Not to be taken before.
    not_before: Option<Instant>,
    /// Drivers that left one after the other without having done anything.
    failures: u32,
    /// Until when others were let go first.
    others_first: Option<Instant>,
}

/// A lease that Redis may have under a name that drives nothing any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stray {
    /// Key of the lease.
    pub(super) key: String,
    /// Its owner.
    pub(super) owner: String,
    /// Since when it is one.
    pub(super) since: Instant,
}

impl Memory {
    /// Forgets lanes that are no longer in force.
    pub(super) fn retain(&mut self, is_in_force: impl Fn(&LaneName) -> bool) {
        self.lanes.retain(|lane, _| is_in_force(lane));
    }

    /// What a next driver of `lane` is to know, whose sale asks for batches of up to `most` jobs.
    pub(super) fn known(&mut self, lane: &LaneName, most: usize) -> Known {
        let known = self.lanes.get_mut(lane).and_then(|lane| lane.known.take());
        known.map_or_else(|| Known::new(most), |known| known.of_at_most(most))
    }

    /// Whether `lane` is left to others, or alone, at `now`.
    pub(super) fn is_left(&self, lane: &LaneName, now: Instant) -> bool {
        let not_before = self.lanes.get(lane).and_then(|lane| lane.not_before);
        not_before.is_some_and(|at| at > now)
    }

    /// Whether others are to go first at `lane`, since the ledger may be out of reach from here: it
    /// is silent now (`ledger_up` false), and has failed a driver of this worker before. A driver
    /// would find out only after its time limit, with the lane's jobs waiting. True for a moment
    /// only: if nobody takes the lane, this worker tries.
    pub(super) fn lets_others_go_first(
        &mut self,
        lane: &LaneName,
        ledger_up: bool,
        now: Instant,
    ) -> bool {
        if ledger_up || !self.ledger_failed {
            return false;
        }
        let lane = self.lanes.entry(lane.clone()).or_default();
        let is_over = |until: Instant| now > until + OWN_CHANCE;
        if lane.others_first.is_none_or(is_over) {
            lane.others_first = Some(now + LEFT_TO_OTHERS);
        }
        lane.others_first.is_some_and(|until| now < until)
    }

    /// Whether the last driver of `lane` left without having done anything.
    pub(super) fn has_failed(&self, lane: &LaneName) -> bool {
        self.lanes.get(lane).is_some_and(|lane| lane.failures > 0)
    }

    /// A driver of `lane` left. Returns how long the lane is left alone.
    pub(super) fn left(
        &mut self,
        lane: &LaneName,
        departure: &Departure,
        known: Known,
        now: Instant,
    ) -> Option<Duration> {
        self.ledger_failed |= matches!(departure, Departure::Waits { .. });
        let lane = self.lanes.entry(lane.clone()).or_default();
        lane.known = Some(known);
        let failures = std::mem::take(&mut lane.failures);
        let wait = match departure {
            Departure::Done | Departure::TurnOver => None,
            Departure::NotBefore(wait) => Some((*wait).min(WAIT_MOST)),
            Departure::Waits { .. } => Some(LEFT_TO_OTHERS),
            Departure::Fenced | Departure::Newer(_) | Departure::QueueAway(_) => {
                lane.failures = failures.saturating_add(1);
                let doubled = WAIT.saturating_mul(1 << failures.min(8));
                Some(doubled.min(WAIT_MOST))
            }
        };
        lane.not_before = wait.map(|wait| now + wait);
        if matches!(departure, Departure::Waits { .. }) {
            lane.others_first = lane.not_before;
        }
        wait
    }

    /// Remembers a lease that is to be looked for.
    pub(super) fn stray(&mut self, key: String, owner: String, now: Instant) {
        self.stray.push(Stray {
            key,
            owner,
            since: now,
        });
    }

    /// The leases to be given back, if Redis has them.
    pub(super) fn strays(&mut self, now: Instant) -> Vec<Stray> {
        self.stray
            .retain(|stray| now.duration_since(stray.since) < LOOKED_FOR);
        self.stray.clone()
    }

    /// A stray lease was given back.
    pub(super) fn found(&mut self, found: &Stray) {
        self.stray.retain(|stray| stray != found);
    }
}

#[cfg(test)]
mod tests {
    use flashsale_domain::id::{ProductId, SaleId};

    use super::*;

    fn lane() -> LaneName {
        (SaleId::new("drop").unwrap(), ProductId::new("p").unwrap())
    }

    fn waits() -> Departure {
        Departure::Waits {
            reason: "unreachable",
            message: String::new(),
        }
    }

    #[test]
    fn a_lane_that_cannot_be_settled_from_here_is_left_to_others_for_a_moment() {
        let (mut memory, now) = (Memory::default(), Instant::now());
        let known = Known::new(10);
        assert!(!memory.is_left(&lane(), now));
        let wait = memory.left(&lane(), &waits(), known.clone(), now);
        assert_eq!(wait, Some(LEFT_TO_OTHERS));
        assert!(memory.is_left(&lane(), now));
        assert!(!memory.is_left(&lane(), now + LEFT_TO_OTHERS));
        assert_eq!(memory.left(&lane(), &Departure::Done, known, now), None);
        assert!(!memory.is_left(&lane(), now));
    }

    #[test]
    fn others_go_first_once_the_ledger_is_out_of_reach_from_here() {
        let (mut memory, now) = (Memory::default(), Instant::now());
        assert!(
            !memory.lets_others_go_first(&lane(), false, now),
            "nothing failed yet"
        );
        let other = (SaleId::new("drop").unwrap(), ProductId::new("q").unwrap());
        memory.left(&other, &waits(), Known::new(10), now);
        assert!(
            !memory.lets_others_go_first(&lane(), true, now),
            "it answers again"
        );
        assert!(memory.lets_others_go_first(&lane(), false, now));
        let later = now + LEFT_TO_OTHERS;
        assert!(
            !memory.lets_others_go_first(&lane(), false, later),
            "nobody else took it"
        );
        let much_later = later + OWN_CHANCE + Duration::from_millis(1);
        assert!(memory.lets_others_go_first(&lane(), false, much_later));
    }

    #[test]
    fn a_lane_that_is_lost_again_and_again_is_taken_ever_less_often() {
        let (mut memory, now) = (Memory::default(), Instant::now());
        let mut left = |departure: Departure| {
            memory
                .left(&lane(), &departure, Known::new(10), now)
                .map(|wait| wait.as_millis())
        };
        let waits: Vec<_> = (0..6).map(|_| left(Departure::Fenced)).collect();
        assert_eq!(waits, [50, 100, 200, 400, 800, 1_000].map(Some));
        left(Departure::TurnOver);
        assert_eq!(left(Departure::Fenced), Some(50));
    }

    #[test]
    fn what_a_driver_learnt_is_handed_to_the_next() {
        let (mut memory, now) = (Memory::default(), Instant::now());
        let mut known = Known::new(100);
        known.size.shrink(100, now);
        known.driver = Some(uuid::Uuid::from_u128(7));
        memory.left(&lane(), &Departure::TurnOver, known.clone(), now);
        assert_eq!(memory.known(&lane(), 100), known);
    }

    #[test]
    fn stray_leases_are_looked_for_until_none_can_come_any_more() {
        let (mut memory, now) = (Memory::default(), Instant::now());
        memory.stray("lease".to_owned(), "a".to_owned(), now);
        memory.stray("lease".to_owned(), "b".to_owned(), now);
        let [first, _] = memory.strays(now).try_into().unwrap();
        memory.found(&first);
        assert_eq!(memory.strays(now).len(), 1);
        assert_eq!(memory.strays(now + LOOKED_FOR), []);
    }
}
