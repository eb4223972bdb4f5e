//! The rules with their memory, for one sale.

use std::time::Duration;

use super::{
    behavior::{self, Hold, Moment, Tempered},
    fallback,
    history::{Needs, Staffing},
    need::{Ask, Need, need},
    reason::Reason,
};
use crate::sale::WorkerPolicy;

/// How many workers to have, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// Workers.
    pub workers: u32,
    /// What decided their number.
    pub reason: Reason,
}

/// The memory of the rules: what was needed, what there was, and for how long nothing could be
/// read.
#[derive(Debug, Clone, Default)]
pub struct Autoscaler {
    needs: Needs,
    staffing: Staffing,
    /// Looks in a row that have failed.
    failures: u32,
}

impl Autoscaler {
    /// The number of workers to have at `now` (a monotonic time) when `current` are there.
    ///
    /// What could be read leads to a number within `minReplicas` (while the sale is in force) and
    /// `maxReplicas`; what could not be read never to fewer than `current`.
    pub fn decide(
        &mut self,
        policy: &WorkerPolicy,
        now: Duration,
        current: u32,
        ask: Ask,
    ) -> Decision {
        self.staffing.record(now, current);
        let decision = match need(policy, ask) {
            Some(need) => self.follow(policy, now, current, ask, need),
            None => self.decide_blind(policy, now, current, ask),
        };
        self.staffing.decide(now, decision.workers);
        decision
    }

    fn follow(
        &mut self,
        policy: &WorkerPolicy,
        now: Duration,
        current: u32,
        ask: Ask,
        need: Need,
    ) -> Decision {
        self.failures = 0;
        let moment = Moment {
            now,
            current,
            in_force: ask.in_force,
        };
        let tempered = behavior::temper(
            policy,
            &mut self.needs,
            &self.staffing,
            moment,
            need.replicas,
        );
        let spare = if need.spare > 0 { need.replicas } else { 0 };
        let floor = ask.floor(policy).max(spare);
        // Bounds are promises and stand above all pacing.
        let workers = tempered
            .workers
            .clamp(floor, policy.max_replicas.max(floor));
        Decision {
            workers,
            reason: reason(workers, need, tempered),
        }
    }

    fn decide_blind(
        &mut self,
        policy: &WorkerPolicy,
        now: Duration,
        current: u32,
        ask: Ask,
    ) -> Decision {
        self.failures = self.failures.saturating_add(1);
        self.needs.record_unknown(now, current);
        // What the schedule asks for is known all the same.
        let known = ask.floor(policy).max(ask.opening(policy)).max(current);
        let fallback = policy
            .fallback
            .filter(|_| ask.in_force)
            .and_then(|rule| fallback::workers(&rule, self.failures, known, policy.max_replicas));
        match fallback {
            Some(workers) => Decision {
                workers,
                reason: Reason::Fallback,
            },
            None => Decision {
                workers: known,
                reason: Reason::Unreadable,
            },
        }
    }
}

fn reason(workers: u32, need: Need, tempered: Tempered) -> Reason {
    let held_by = tempered.held_by.filter(|_| workers != need.replicas);
    match held_by {
        Some(Hold::Tolerance) => Reason::WithinTolerance,
        Some(Hold::Window) => Reason::Stabilizing,
        Some(Hold::Policy) => Reason::LimitedByPolicy,
        None if workers == 0 => Reason::Dormant,
        None if need.spare > 0 => Reason::Spare,
        None if need.prewarming => Reason::Prewarming,
        None if need.limited_by_hot_products => Reason::LimitedByHotProducts,
        None if need.limited_by_max_replicas => Reason::LimitedByMaxReplicas,
        None => Reason::AtNeed,
    }
}
