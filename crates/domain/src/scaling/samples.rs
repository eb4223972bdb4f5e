//! Policies and series of looks for tests.

use std::time::Duration;

use proptest::prelude::*;

use super::{Ask, Autoscaler, Decision, Demand};
use crate::sale::{
    WorkerPolicy,
    behavior::{Behavior, Policy, PolicyType, Rules, SelectPolicy, Tolerance},
};

pub(super) fn policy() -> WorkerPolicy {
    WorkerPolicy {
        min_replicas: 1,
        max_replicas: 10,
        target_queue_depth: 1_000,
        batch_size: 500,
        lanes_per_worker: 2,
        prewarm: Duration::from_secs(30),
        scale_down_stabilization: Duration::from_mins(1),
        behavior: Behavior::default(),
        fallback: None,
    }
}

pub(super) fn pods(value: u32, seconds: u64) -> Policy {
    Policy {
        kind: PolicyType::Pods,
        value,
        period: Duration::from_secs(seconds),
    }
}

pub(super) fn percent(value: u32, seconds: u64) -> Policy {
    Policy {
        kind: PolicyType::Percent,
        ..pods(value, seconds)
    }
}

/// A look at many busy lanes of a sale in force.
pub(super) fn deep(depth: u64) -> Ask {
    Ask {
        demand: Some(Demand {
            depth,
            busy_lanes: 1_000,
        }),
        in_force: true,
        unpaid: false,
        expected_lanes: 0,
        spare: false,
    }
}

/// A look that asks for exactly so many workers.
pub(super) fn asking(workers: u32) -> Ask {
    deep(u64::from(workers) * 1_000)
}

pub(super) fn unreadable() -> Ask {
    Ask {
        demand: None,
        ..deep(0)
    }
}

/// A sale's workers under the rules, each decision carried out at once.
pub(super) struct Simulation {
    pub(super) policy: WorkerPolicy,
    pub(super) rules: Autoscaler,
    pub(super) now: u64,
    pub(super) current: u32,
    /// When how many were decided on, with those there before.
    pub(super) decided: Vec<(u64, u32, u32)>,
}

impl Simulation {
    pub(super) fn new(policy: WorkerPolicy, current: u32) -> Self {
        Self {
            policy,
            rules: Autoscaler::default(),
            now: 0,
            current,
            decided: Vec::new(),
        }
    }

    /// Looks `seconds` after the look before.
    pub(super) fn look(&mut self, seconds: u64, ask: Ask) -> Decision {
        self.now += seconds;
        let now = Duration::from_secs(self.now);
        let decision = self.rules.decide(&self.policy, now, self.current, ask);
        self.decided
            .push((self.now, self.current, decision.workers));
        self.current = decision.workers;
        decision
    }
}

/// Seconds since the look before, and what is seen.
pub(super) type Series = Vec<(u64, Ask)>;

prop_compose! {
    pub(super) fn any_look()(
        depth in prop_oneof![Just(0_u64), 0_u64..30_000],
        busy_lanes in 0_u32..60,
    ) -> Ask {
        Ask { demand: Some(Demand { depth, busy_lanes }), ..deep(0) }
    }
}

/// Looks that all succeed.
pub(super) fn any_series() -> impl Strategy<Value = Series> {
    prop::collection::vec((1_u64..30, any_look()), 1..60)
}

/// Looks of which one in three fails.
pub(super) fn any_broken_series() -> impl Strategy<Value = Series> {
    let look = prop_oneof![2 => any_look(), 1 => Just(unreadable())];
    prop::collection::vec((1_u64..30, look), 1..60)
}

prop_compose! {
    pub(super) fn any_rules()(
        window in prop::option::of(0_u64..120),
        select_policy in prop_oneof![
            Just(SelectPolicy::Max), Just(SelectPolicy::Min), Just(SelectPolicy::Disabled),
        ],
        millionths in prop_oneof![Just(0_u32), 0_u32..500_000],
        policies in prop::collection::vec(
            (any::<bool>(), 1_u32..150, 1_u64..90),
            0..3,
        ),
    ) -> Rules {
        let policies = policies.into_iter().map(|(by_pods, value, seconds)| if by_pods {
            pods(value.div_ceil(20), seconds)
        } else {
            percent(value, seconds)
        });
        Rules {
            stabilization_window: window.map(Duration::from_secs),
            select_policy,
            tolerance: Tolerance { millionths },
            policies: policies.collect(),
        }
    }
}

prop_compose! {
    pub(super) fn any_policy()(
        min_replicas in 0_u32..5,
        more in 1_u32..16,
        lanes_per_worker in 1_u32..4,
        scale_up in any_rules(),
        scale_down in any_rules(),
    ) -> WorkerPolicy {
        WorkerPolicy {
            min_replicas,
            max_replicas: min_replicas + more,
            lanes_per_worker,
            behavior: Behavior { scale_up, scale_down },
            ..policy()
        }
    }
}
