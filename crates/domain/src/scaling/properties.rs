//! What holds of the rules whatever the policy and whatever is seen.

use std::time::Duration;

use proptest::prelude::*;

use super::{
    Ask, Demand, Reason, need,
    samples::{Simulation, any_broken_series, any_look, any_policy, any_series, deep, policy},
};
use crate::sale::behavior::{
    Behavior, Fallback, FallbackBehavior, Policy, PolicyType, SelectPolicy, Tolerance,
};

/// What `policy` allows a number of workers to become when there were `start` as its period
/// began: as the documentation of the HPA words it, in floating point.
fn allows(policy: &Policy, start: u32, before: u32, after: u32) -> bool {
    let part = f64::from(policy.value) / 100.0;
    let base = f64::from(start);
    let (least, most) = match policy.kind {
        PolicyType::Pods => (
            base - f64::from(policy.value),
            base + f64::from(policy.value),
        ),
        PolicyType::Percent => (
            (base * (1.0 - part)).floor(),
            (base.max(1.0) * (1.0 + part)).ceil(),
        ),
    };
    let after_as_float = f64::from(after);
    if after > before {
        after_as_float <= most + 1e-9
    } else {
        after_as_float >= least - 1e-9
    }
}

proptest! {
    #[test]
    fn the_workers_stay_within_bounds(
        policy in any_policy(), start in 0_u32..25, series in any_series(),
    ) {
        let mut sale = Simulation::new(policy, start);
        for (seconds, ask) in series {
            let workers = sale.look(seconds, ask).workers;
            let policy = &sale.policy;
            prop_assert!((policy.min_replicas..=policy.max_replicas).contains(&workers));
        }
    }

    #[test]
    fn a_greater_depth_never_leads_to_fewer_workers(
        policy in any_policy(), start in 0_u32..25, series in any_broken_series(),
        seconds in 1_u64..90, look in any_look(), more in 0_u64..20_000,
    ) {
        let mut sale = Simulation::new(policy, start);
        for (seconds, ask) in series {
            sale.look(seconds, ask);
        }
        let now = Duration::from_secs(sale.now + seconds);
        let decide = |more: u64| {
            let demand = look.demand.map(|demand| Demand { depth: demand.depth + more, ..demand });
            let mut rules = sale.rules.clone();
            rules.decide(&sale.policy, now, sale.current, Ask { demand, ..look }).workers
        };
        prop_assert!(decide(0) <= decide(more));
    }

    #[test]
    fn a_constant_depth_never_flaps(
        policy in any_policy(), start in 0_u32..25, series in any_broken_series(),
        look in any_look(),
    ) {
        let mut sale = Simulation::new(policy, start);
        for (seconds, ask) in series {
            sale.look(seconds, ask);
        }
        let need = need(&sale.policy, look).unwrap().replicas;
        sale.current = sale.current.clamp(sale.policy.min_replicas, sale.policy.max_replicas);
        for _ in 0..400 {
            let before = sale.current;
            let after = sale.look(1, look).workers;
            // Towards the need, and never past it.
            prop_assert!(
                (before.min(need)..=before.max(need)).contains(&after),
                "{before} → {after}, needed {need}"
            );
        }
    }

    #[test]
    fn a_constant_depth_is_met_once_the_windows_have_passed(
        start in 0_u32..12, series in any_series(), look in any_look(), window in 0_u64..120,
    ) {
        let mut policy = policy();
        policy.behavior.scale_up.stabilization_window = Some(Duration::from_secs(window));
        let mut sale = Simulation::new(policy, start);
        for (seconds, ask) in series {
            sale.look(seconds, ask);
        }
        for _ in 0..121 {
            sale.look(1, look);
        }
        prop_assert_eq!(sale.current, need(&sale.policy, look).unwrap().replicas);
    }

    #[test]
    fn nobody_goes_who_was_needed_within_the_window(
        policy in any_policy(), start in 0_u32..25, series in any_series(),
    ) {
        let mut sale = Simulation::new(policy, start);
        // What a tolerance takes for what is there counts as that, not as itself.
        sale.policy.behavior.scale_up.tolerance = Tolerance::default();
        sale.policy.behavior.scale_down.tolerance = Tolerance::default();
        let window = sale.policy.behavior.scale_down.stabilization_window;
        let window = window.unwrap_or(sale.policy.scale_down_stabilization).as_secs();
        let mut needs = Vec::new();
        for (seconds, ask) in series {
            let before = sale.current;
            let after = sale.look(seconds, ask).workers;
            needs.push((sale.now, need(&sale.policy, ask).unwrap().replicas));
            let recent = needs.iter().filter(|(at, _)| sale.now - at < window);
            let highest = recent.map(|(_, need)| *need).max().unwrap_or(0);
            prop_assert!(after >= before || after >= highest, "{before} → {after} < {highest}");
        }
    }

    #[test]
    fn nobody_comes_who_was_not_needed_all_through_the_window(
        policy in any_policy(), series in any_series(),
    ) {
        let start = policy.min_replicas;
        let mut sale = Simulation::new(policy, start);
        sale.policy.behavior.scale_up.tolerance = Tolerance::default();
        sale.policy.behavior.scale_down.tolerance = Tolerance::default();
        let window = sale.policy.behavior.scale_up.stabilization_window;
        let window = window.unwrap_or_default().as_secs();
        let mut needs = Vec::new();
        for (seconds, ask) in series {
            let before = sale.current;
            let after = sale.look(seconds, ask).workers;
            needs.push((sale.now, need(&sale.policy, ask).unwrap().replicas));
            let recent = needs.iter().filter(|(at, _)| sale.now - at < window.max(1));
            let lowest = recent.map(|(_, need)| *need).min().unwrap();
            prop_assert!(after <= before || after <= lowest, "{before} → {after} > {lowest}");
        }
    }

    #[test]
    fn an_outage_takes_nobody_away(
        policy in any_policy(), start in 0_u32..25, series in any_broken_series(),
        failure_threshold in 1_u32..5, replicas in 0_u32..30,
        behavior in prop_oneof![
            Just(FallbackBehavior::Static),
            Just(FallbackBehavior::CurrentReplicas),
            Just(FallbackBehavior::CurrentReplicasIfHigher),
            Just(FallbackBehavior::CurrentReplicasIfLower),
        ],
    ) {
        let mut sale = Simulation::new(policy, start);
        sale.policy.fallback = Some(Fallback { failure_threshold, replicas, behavior });
        for (seconds, ask) in series {
            let before = sale.current;
            let after = sale.look(seconds, ask).workers;
            let most = sale.policy.max_replicas.max(before);
            prop_assert!(ask.demand.is_some() || (before..=most).contains(&after));
        }
    }

    #[test]
    fn no_period_sees_more_change_than_its_policies_allow(
        mut policy in any_policy(), series in any_series(),
    ) {
        // Bounds stand above policies, so they are kept out of the way.
        policy.min_replicas = 0;
        let Behavior { scale_up, scale_down } = policy.behavior.clone();
        let mut sale = Simulation::new(policy, 0);
        for (seconds, ask) in series {
            sale.look(seconds, ask);
            let (now, before, after) = sale.decided[sale.decided.len() - 1];
            let rules = if after > before { &scale_up } else { &scale_down };
            if after == before || rules.policies.is_empty() {
                continue;
            }
            let mut allowed = rules.policies.iter().map(|policy| {
                let period = policy.period.as_secs();
                let first = sale.decided.iter().find(|(at, _, _)| now - at < period);
                allows(policy, first.unwrap().1, before, after)
            });
            let holds = match rules.select_policy {
                SelectPolicy::Max => allowed.any(|allowed| allowed),
                SelectPolicy::Min => allowed.all(|allowed| allowed),
                SelectPolicy::Disabled => false,
            };
            prop_assert!(holds, "{before} → {after} at {now} of {:?}", sale.decided);
        }
    }

    #[test]
    fn a_disabled_direction_is_never_taken(
        mut policy in any_policy(), series in any_broken_series(), up in any::<bool>(),
    ) {
        let rules = &mut policy.behavior;
        let rules = if up { &mut rules.scale_up } else { &mut rules.scale_down };
        rules.select_policy = SelectPolicy::Disabled;
        let start = policy.min_replicas.midpoint(policy.max_replicas);
        let mut sale = Simulation::new(policy, start);
        for (seconds, ask) in series {
            let before = sale.current;
            let after = sale.look(seconds, ask).workers;
            let taken = if up { after > before } else { after < before };
            prop_assert!(!taken, "{before} → {after}");
        }
    }

    #[test]
    fn from_none_straight_to_what_is_needed(
        idle in prop::collection::vec(1_u64..30, 0..20), look in any_look(),
        millionths in 0_u32..=1_000_000,
    ) {
        let mut policy = policy();
        policy.min_replicas = 0;
        policy.behavior.scale_up.tolerance = Tolerance { millionths };
        let mut sale = Simulation::new(policy, 0);
        for seconds in idle {
            let decision = sale.look(seconds, deep(0));
            prop_assert_eq!((decision.workers, decision.reason), (0, Reason::Dormant));
        }
        let workers = sale.look(1, look).workers;
        prop_assert_eq!(workers, need(&sale.policy, look).unwrap().replicas);
    }
}
