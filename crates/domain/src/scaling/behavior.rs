//! The rules of a `HorizontalPodAutoscaler` (v2) in its controller's order: tolerance,
//! stabilization window, policies.
//! <https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#configurable-scaling-behavior>

use std::{cmp::Ordering, time::Duration};

use super::history::{Needs, Staffing};
use crate::sale::{
    WorkerPolicy,
    behavior::{Policy, PolicyType, Rules, SelectPolicy},
};

/// What the rules made of a need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tempered {
    /// Workers.
    pub(super) workers: u32,
    /// The rule that kept them from the need; none when they are the need.
    pub(super) held_by: Option<Hold>,
}

/// A rule that keeps the workers from the need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hold {
    Tolerance,
    Window,
    Policy,
}

/// The moment that is judged.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) now: Duration,
    /// Workers that are there.
    pub(super) current: u32,
    /// Whether tolerance and policies hold; windows always do.
    pub(super) in_force: bool,
}

impl WorkerPolicy {
    /// How long needs are looked back on before workers come.
    fn up_window(&self) -> Duration {
        let rules = &self.behavior.scale_up;
        rules.stabilization_window.unwrap_or(Duration::ZERO)
    }

    /// How long needs are looked back on before workers go.
    fn down_window(&self) -> Duration {
        let rules = &self.behavior.scale_down;
        rules
            .stabilization_window
            .unwrap_or(self.scale_down_stabilization)
    }

    /// The rules of going from `current` to `other`.
    fn rules(&self, current: u32, other: u32) -> &Rules {
        if other > current {
            &self.behavior.scale_up
        } else {
            &self.behavior.scale_down
        }
    }
}

/// How far the workers may follow `need`, which is noted in `needs`.
pub(super) fn temper(
    policy: &WorkerPolicy,
    needs: &mut Needs,
    staffing: &Staffing,
    moment: Moment,
    need: u32,
) -> Tempered {
    let current = moment.current;
    let rules = policy.rules(current, need);
    let tolerated = moment.in_force && rules.tolerance.covers(current, need);
    let wanted = if tolerated { current } else { need };
    let stable = stabilize(policy, needs, moment, wanted);
    let workers = if moment.in_force {
        limit(policy, staffing, moment, stable)
    } else {
        stable
    };
    let held_by = match () {
        () if workers == need => None,
        () if workers != stable => Some(Hold::Policy),
        () if stable != wanted => Some(Hold::Window),
        () => Some(Hold::Tolerance),
    };
    Tempered { workers, held_by }
}

/// Up to the lowest need of the window for up, down to the highest of the one for down.
fn stabilize(policy: &WorkerPolicy, needs: &mut Needs, moment: Moment, wanted: u32) -> u32 {
    let Moment { now, current, .. } = moment;
    if needs.is_empty() {
        // Who has just started knows no past: what is there counts as needed until now.
        needs.record(now, current);
    }
    let lowest = needs.lowest(policy.up_window(), now, wanted);
    let highest = needs.highest(policy.down_window(), now, wanted);
    needs.record(now, wanted);
    current.max(lowest).min(highest)
}

/// As far towards `wanted` as the policies of that direction allow.
fn limit(policy: &WorkerPolicy, staffing: &Staffing, moment: Moment, wanted: u32) -> u32 {
    let current = moment.current;
    let rules = policy.rules(current, wanted);
    let bounds = |bound: fn(&Policy, u32) -> u32| {
        rules.policies.iter().map(move |policy| {
            let start = staffing.at_start_of(policy.period, moment.now);
            bound(policy, start.unwrap_or(current))
        })
    };
    // More than a period allows may have come or gone already: that is no reason to turn back.
    let bound = match (wanted.cmp(&current), rules.select_policy) {
        (Ordering::Equal, _) | (_, SelectPolicy::Disabled) => return current,
        _ if rules.policies.is_empty() => return wanted,
        (Ordering::Greater, SelectPolicy::Max) => bounds(most).max(),
        (Ordering::Greater, SelectPolicy::Min) => bounds(most).min(),
        (Ordering::Less, SelectPolicy::Max) => bounds(least).min(),
        (Ordering::Less, SelectPolicy::Min) => bounds(least).max(),
    };
    let bound = bound.unwrap_or(wanted);
    if wanted > current {
        wanted.min(bound.max(current))
    } else {
        wanted.max(bound.min(current))
    }
}

/// Most workers that a policy allows when `start` stood at the beginning of its period.
fn most(policy: &Policy, start: u32) -> u32 {
    match policy.kind {
        PolicyType::Pods => start.saturating_add(policy.value),
        PolicyType::Percent => {
            let grown = u64::from(start.max(1)) * (100 + u64::from(policy.value));
            u32::try_from(grown.div_ceil(100)).unwrap_or(u32::MAX)
        }
    }
}

/// Fewest workers that a policy allows when `start` stood at the beginning of its period.
fn least(policy: &Policy, start: u32) -> u32 {
    match policy.kind {
        PolicyType::Pods => start.saturating_sub(policy.value),
        PolicyType::Percent => {
            let left = u64::from(start) * u64::from(100_u32.saturating_sub(policy.value));
            u32::try_from(left / 100).unwrap_or(u32::MAX)
        }
    }
}
