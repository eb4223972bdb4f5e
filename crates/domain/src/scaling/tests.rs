use std::time::Duration;

use super::{
    Ask, Autoscaler, Demand, Need, Reason, need,
    samples::{Simulation, asking, deep, percent, pods, policy, unreadable},
};
use crate::sale::{
    WorkerPolicy,
    behavior::{Fallback, FallbackBehavior, Policy, SelectPolicy, Tolerance},
};

fn look(depth: u64, busy_lanes: u32) -> Ask {
    Ask {
        demand: Some(Demand { depth, busy_lanes }),
        ..deep(0)
    }
}

#[test]
fn the_need_by_table() {
    let plain = Need::default();
    let hot = Need {
        limited_by_hot_products: true,
        ..plain
    };
    let full = Need {
        limited_by_max_replicas: true,
        ..plain
    };
    let warm = Need {
        prewarming: true,
        ..plain
    };
    let opening = |lanes| Ask {
        expected_lanes: lanes,
        ..look(0, 0)
    };
    let asleep = |depth, lanes| Ask {
        in_force: false,
        ..look(depth, lanes)
    };
    let cases = [
        (look(0, 0), 1, plain),
        (look(1, 1), 1, plain),
        (look(1_001, 4), 2, plain),
        (look(10_000, 40), 10, plain),
        (look(10_001, 40), 10, full),
        (look(50_000, 1), 1, hot),
        (look(50_000, 6), 3, hot),
        (opening(7), 4, warm),
        (opening(2), 1, plain),
        (
            opening(100),
            10,
            Need {
                prewarming: true,
                ..full
            },
        ),
        (asleep(0, 0), 0, plain),
        (asleep(1, 1), 1, plain),
        (asleep(2_500, 9), 3, plain),
    ];
    for (ask, replicas, flags) in cases {
        let expected = Need { replicas, ..flags };
        assert_eq!(need(&policy(), ask), Some(expected), "{ask:?}");
    }
    assert_eq!(need(&policy(), unreadable()), None);
}

#[test]
fn workers_go_only_after_the_stabilization_window() {
    let mut sale = Simulation::new(policy(), 1);
    for (seconds, asked, workers, reason) in [
        (0, 8, 8, Reason::AtNeed),
        (30, 2, 8, Reason::Stabilizing),
        (29, 1, 8, Reason::Stabilizing),
        (1, 1, 2, Reason::Stabilizing),
        (61, 1, 1, Reason::AtNeed),
    ] {
        let decision = sale.look(seconds, asking(asked));
        assert_eq!((decision.workers, decision.reason), (workers, reason));
    }
}

#[test]
fn a_window_in_behavior_wins_over_the_short_form() {
    let mut policy = policy();
    policy.behavior.scale_down.stabilization_window = Some(Duration::from_secs(5));
    let mut sale = Simulation::new(policy, 8);
    assert_eq!(sale.look(0, asking(1)).workers, 8);
    assert_eq!(sale.look(4, asking(1)).workers, 8);
    assert_eq!(sale.look(1, asking(1)).workers, 1);
}

#[test]
fn who_has_just_started_takes_what_is_there_as_needed() {
    let mut sale = Simulation::new(policy(), 9);
    assert_eq!(sale.look(0, asking(1)).workers, 9);
    assert_eq!(sale.look(59, asking(1)).workers, 9);
    assert_eq!(sale.look(1, asking(1)).workers, 1);
}

fn with(up: Vec<Policy>, down: Vec<Policy>, select: SelectPolicy) -> WorkerPolicy {
    let mut policy = policy();
    policy.max_replicas = 100;
    policy.scale_down_stabilization = Duration::ZERO;
    policy.behavior.scale_up.policies = up;
    policy.behavior.scale_up.select_policy = select;
    policy.behavior.scale_down.policies = down;
    policy.behavior.scale_down.select_policy = select;
    policy
}

#[test]
fn the_greatest_and_the_least_of_two_policies_pace_a_rise() {
    // Seconds since the look before; workers by Max and by Min.
    let looks = [(0, 6, 4), (1, 6, 4), (60, 12, 8), (1, 12, 8), (60, 24, 12)];
    let both = [SelectPolicy::Max, SelectPolicy::Min];
    for (column, select) in both.into_iter().enumerate() {
        let policies = vec![pods(4, 60), percent(100, 60)];
        let mut sale = Simulation::new(with(policies, vec![], select), 2);
        for (seconds, most, least) in looks {
            let decision = sale.look(seconds, asking(50));
            let expected = [most, least][column];
            assert_eq!(decision.workers, expected, "{select:?} at {}", sale.now);
            assert_eq!(decision.reason, Reason::LimitedByPolicy);
        }
    }
}

#[test]
fn a_fall_is_judged_by_what_stood_when_the_period_began() {
    let mut sale = Simulation::new(with(vec![], vec![percent(50, 10)], SelectPolicy::Max), 9);
    let fall: Vec<u32> = (0..35).map(|_| sale.look(1, asking(1)).workers).collect();
    assert_eq!((fall[0], fall[9], fall[10]), (4, 4, 2));
    assert_eq!((fall[19], fall[20]), (2, 1));
}

#[test]
fn a_change_that_was_not_carried_out_is_no_scale_event() {
    let policy = with(vec![pods(4, 60)], vec![], SelectPolicy::Max);
    let mut sale = Simulation::new(policy, 1);
    for _ in 0..5 {
        assert_eq!(sale.look(1, asking(50)).workers, 5);
        sale.current = 1;
    }
    assert_eq!(sale.look(1, asking(50)).workers, 5);
    assert_eq!(sale.look(59, asking(50)).workers, 5);
    assert_eq!(sale.look(1, asking(50)).workers, 9);
}

#[test]
fn a_percentage_of_none_counts_as_of_one() {
    let mut policy = with(vec![percent(100, 60)], vec![], SelectPolicy::Max);
    policy.min_replicas = 0;
    let mut sale = Simulation::new(policy, 0);
    assert_eq!(sale.look(0, asking(50)).workers, 2);
}

#[test]
fn a_need_within_tolerance_changes_nothing() {
    let mut policy = with(vec![], vec![], SelectPolicy::Max);
    policy.min_replicas = 0;
    for rules in [
        &mut policy.behavior.scale_up,
        &mut policy.behavior.scale_down,
    ] {
        rules.tolerance = Tolerance {
            millionths: 100_000,
        };
    }
    for (current, asked, workers) in [
        (10, 11, 10),
        (10, 12, 12),
        (10, 9, 10),
        (10, 8, 8),
        (1, 0, 0),
        (0, 1, 1),
    ] {
        let mut sale = Simulation::new(policy.clone(), current);
        let decision = sale.look(0, asking(asked));
        assert_eq!(decision.workers, workers, "{current} → {asked}");
        assert_eq!(
            decision.reason == Reason::WithinTolerance,
            workers != asked,
            "{current} → {asked}"
        );
    }
}

#[test]
fn the_widest_tolerance_still_lets_the_last_one_go() {
    let mut policy = with(vec![], vec![], SelectPolicy::Max);
    policy.min_replicas = 0;
    policy.behavior.scale_down.tolerance.millionths = 1_000_000;
    let mut sale = Simulation::new(policy, 3);
    assert_eq!(sale.look(0, asking(1)).workers, 3);
    assert_eq!(sale.look(1, asking(0)).workers, 0);
}

#[test]
fn bounds_stand_above_policies() {
    let mut policy = with(vec![pods(1, 60)], vec![pods(1, 60)], SelectPolicy::Min);
    policy.min_replicas = 3;
    policy.max_replicas = 5;
    assert_eq!(
        Simulation::new(policy.clone(), 0)
            .look(0, asking(0))
            .workers,
        3
    );
    assert_eq!(Simulation::new(policy, 9).look(0, asking(4)).workers, 5);
}

#[test]
fn a_sale_that_is_not_in_force_lets_all_go_after_the_window() {
    let mut policy = with(vec![], vec![pods(1, 60)], SelectPolicy::Disabled);
    policy.scale_down_stabilization = Duration::from_secs(10);
    let mut sale = Simulation::new(policy, 4);
    let over = Ask {
        in_force: false,
        ..deep(0)
    };
    assert_eq!(sale.look(0, over).workers, 4);
    assert_eq!(sale.look(9, over).reason, Reason::Stabilizing);
    let decision = sale.look(1, over);
    assert_eq!((decision.workers, decision.reason), (0, Reason::Dormant));
}

#[test]
fn the_fallback_by_table() {
    use FallbackBehavior::{
        CurrentReplicas, CurrentReplicasIfHigher, CurrentReplicasIfLower, Static,
    };
    for (behavior, current, replicas, workers) in [
        (Static, 2, 5, 5),
        (Static, 7, 5, 7),
        (Static, 2, 50, 10),
        (CurrentReplicas, 2, 5, 2),
        (CurrentReplicasIfHigher, 2, 5, 5),
        (CurrentReplicasIfHigher, 7, 5, 7),
        (CurrentReplicasIfLower, 2, 5, 2),
        (CurrentReplicasIfLower, 7, 5, 7),
    ] {
        let mut policy = policy();
        policy.fallback = Some(Fallback {
            failure_threshold: 3,
            replicas,
            behavior,
        });
        let mut sale = Simulation::new(policy, current);
        for _ in 0..2 {
            let decision = sale.look(1, unreadable());
            assert_eq!(
                (decision.workers, decision.reason),
                (current, Reason::Unreadable)
            );
        }
        let decision = sale.look(1, unreadable());
        assert_eq!(decision.workers, workers, "{behavior:?} of {current}");
        assert_eq!(decision.reason, Reason::Fallback);
        sale.look(1, asking(1));
        assert_eq!(sale.look(1, unreadable()).reason, Reason::Unreadable);
    }
}

#[test]
fn an_outage_counts_as_need_for_all_that_is_there() {
    let mut sale = Simulation::new(policy(), 7);
    sale.look(0, asking(7));
    for _ in 0..100 {
        assert_eq!(sale.look(1, unreadable()).workers, 7);
    }
    assert_eq!(sale.look(1, asking(1)).workers, 7);
    assert_eq!(sale.look(58, asking(1)).workers, 7);
    assert_eq!(sale.look(1, asking(1)).workers, 1);
}

#[test]
fn an_outage_does_not_hide_what_the_schedule_asks_for() {
    let opening = Ask {
        expected_lanes: 9,
        ..unreadable()
    };
    assert_eq!(
        Simulation::new(policy(), 0).look(0, unreadable()).workers,
        1
    );
    assert_eq!(Simulation::new(policy(), 0).look(0, opening).workers, 5);
    let over = Ask {
        in_force: false,
        ..unreadable()
    };
    assert_eq!(Simulation::new(policy(), 0).look(0, over).workers, 0);
}

#[test]
fn each_reason_is_told() {
    let reason = |ask| Simulation::new(policy(), 0).look(0, ask).reason;
    let opening = Ask {
        expected_lanes: 9,
        ..deep(0)
    };
    assert_eq!(reason(asking(3)), Reason::AtNeed);
    assert_eq!(reason(opening), Reason::Prewarming);
    assert_eq!(reason(look(9_000, 2)), Reason::LimitedByHotProducts);
    assert_eq!(reason(asking(11)), Reason::LimitedByMaxReplicas);
}

#[test]
fn a_need_that_stays_costs_no_memory() {
    let mut rules = Autoscaler::default();
    for second in 0..10_000 {
        let now = Duration::from_secs(second);
        rules.decide(&policy(), now, 3, asking(3));
    }
    let memory = format!("{rules:?}");
    assert!(memory.len() < 300, "{memory}");
}

#[test]
fn a_spare_is_one_more_at_once_and_within_the_maximum() {
    let spare = |ask: Ask| Ask { spare: true, ..ask };
    let mut slow = policy();
    slow.behavior.scale_up.stabilization_window = Some(Duration::from_mins(5));
    slow.behavior.scale_up.select_policy = SelectPolicy::Disabled;
    slow.behavior.scale_up.tolerance = Tolerance {
        millionths: 1_000_000,
    };
    let mut sale = Simulation::new(slow, 1);
    assert_eq!(sale.look(1, look(1, 1)).workers, 1);
    let decision = sale.look(1, spare(look(1, 1)));
    assert_eq!((decision.workers, decision.reason), (2, Reason::Spare));
    // The spare does not count as a worker that needs a spare.
    assert_eq!(sale.look(1, spare(look(1, 1))).workers, 2);

    let most = policy().max_replicas;
    let mut sale = Simulation::new(policy(), most);
    let full = sale.look(1, spare(look(1_000_000, 1_000)));
    assert_eq!(
        (full.workers, full.reason),
        (most, Reason::LimitedByMaxReplicas)
    );
    let over = Ask {
        in_force: false,
        ..spare(look(1, 1))
    };
    assert_eq!(need(&policy(), over).unwrap().replicas, 1);
}
