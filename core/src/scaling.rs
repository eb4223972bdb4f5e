//! How many workers? A pure rule over the readings of a sale's lanes, used by the operator and
//! by `flashsale up`.
//!
//! `ceil(depth / targetQueueDepth)`, at most as many as busy lanes can use, within min and max.
//! Up at once; down only to the highest need of the stabilization window, so that a lull
//! between two waves keeps its workers. A depth that could not be read never lowers anything.

use std::{collections::VecDeque, time::Duration};

use crate::sale::WorkerPolicy;

/// What one look at the lanes said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demand {
    /// Jobs waiting or being settled, over all lanes.
    pub depth: u64,
    /// Lanes with at least one job.
    pub busy_lanes: u32,
    /// Lanes that the opening will make busy, while pre-warming; otherwise 0.
    pub expected_lanes: u32,
}

/// How many workers a look at the lanes asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// Workers.
    pub replicas: u32,
    /// True when the depth asks for more than the busy lanes can use: a lane has one driver at
    /// a time, so another worker would stand idle.
    pub limited_by_hot_products: bool,
}

/// Workers that can find a lane to drive when `lanes` are busy.
fn workers_for(lanes: u32, policy: &WorkerPolicy) -> u32 {
    lanes.div_ceil(policy.lanes_per_worker.max(1))
}

/// The need of this moment, without memory.
#[must_use]
pub fn need(policy: &WorkerPolicy, demand: Demand) -> Need {
    let by_depth = demand.depth.div_ceil(policy.target_queue_depth.max(1));
    let by_depth = u32::try_from(by_depth).unwrap_or(u32::MAX);
    let usable = workers_for(demand.busy_lanes, policy);
    let opening = workers_for(demand.expected_lanes, policy);
    Need {
        replicas: by_depth.min(usable).max(opening).clamp(
            policy.min_replicas,
            policy.max_replicas.max(policy.min_replicas),
        ),
        limited_by_hot_products: by_depth.min(policy.max_replicas)
            > usable.max(policy.min_replicas),
    }
}

/// The memory of the rule: the needs of the stabilization window.
#[derive(Debug, Clone, Default)]
pub struct Stabilizer {
    needs: VecDeque<(Duration, u32)>,
}

impl Stabilizer {
    /// The number of workers to have at `now` (a monotonic time), when `current` are there and
    /// `need` is asked for. `None` as need, "could not be read", changes nothing.
    pub fn decide(
        &mut self,
        policy: &WorkerPolicy,
        now: Duration,
        current: u32,
        need: Option<u32>,
    ) -> u32 {
        let Some(need) = need else {
            return current;
        };
        if self.needs.is_empty() {
            // Who has just started knows no past: what is there counts as needed until now.
            self.needs.push_back((now, current));
        }
        let window = policy.scale_down_stabilization;
        self.needs
            .retain(|(at, _)| now.saturating_sub(*at) < window);
        self.needs.push_back((now, need));
        let highest = self
            .needs
            .iter()
            .map(|(_, need)| *need)
            .max()
            .unwrap_or(need);
        if need >= current {
            need
        } else {
            highest.min(current)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn policy() -> WorkerPolicy {
        WorkerPolicy {
            min_replicas: 1,
            max_replicas: 10,
            target_queue_depth: 1_000,
            batch_size: 500,
            lanes_per_worker: 2,
            prewarm: Duration::from_secs(30),
            scale_down_stabilization: Duration::from_mins(1),
        }
    }

    fn demand(depth: u64, busy_lanes: u32) -> Demand {
        Demand {
            depth,
            busy_lanes,
            expected_lanes: 0,
        }
    }

    #[test]
    fn the_need_by_table() {
        let cases = [
            (demand(0, 0), 1, false),
            (demand(1, 1), 1, false),
            (demand(1_001, 4), 2, false),
            (demand(50_000, 40), 10, false),
            (demand(50_000, 1), 1, true),
            (demand(50_000, 6), 3, true),
            (
                Demand {
                    depth: 0,
                    busy_lanes: 0,
                    expected_lanes: 7,
                },
                4,
                false,
            ),
        ];
        for (demand, replicas, limited) in cases {
            let expected = Need {
                replicas,
                limited_by_hot_products: limited,
            };
            assert_eq!(need(&policy(), demand), expected, "{demand:?}");
        }
    }

    #[test]
    fn workers_go_only_after_the_stabilization_window() {
        let mut stabilizer = Stabilizer::default();
        let at = Duration::from_secs;
        assert_eq!(stabilizer.decide(&policy(), at(0), 1, Some(8)), 8);
        assert_eq!(stabilizer.decide(&policy(), at(30), 8, Some(2)), 8);
        assert_eq!(stabilizer.decide(&policy(), at(59), 8, Some(1)), 8);
        assert_eq!(stabilizer.decide(&policy(), at(60), 8, Some(1)), 2);
        assert_eq!(stabilizer.decide(&policy(), at(121), 2, Some(1)), 1);
    }

    #[test]
    fn an_unreadable_depth_changes_nothing() {
        let mut stabilizer = Stabilizer::default();
        assert_eq!(stabilizer.decide(&policy(), Duration::ZERO, 7, None), 7);
    }

    proptest! {
        #[test]
        fn the_need_stays_within_bounds_and_never_falls_as_depth_grows(
            depth in 0_u64..10_000_000, more in 0_u64..1_000_000, lanes in 0_u32..100,
        ) {
            let less = need(&policy(), demand(depth, lanes)).replicas;
            let greater = need(&policy(), demand(depth + more, lanes)).replicas;
            prop_assert!((1..=10).contains(&less));
            prop_assert!(less <= greater);
        }

        #[test]
        fn a_constant_need_never_flaps(need in 1_u32..10, start in 1_u32..10) {
            let mut stabilizer = Stabilizer::default();
            let mut current = start;
            let mut steps = 0;
            for second in 0..300 {
                let next = stabilizer.decide(&policy(), Duration::from_secs(second), current, Some(need));
                steps += u32::from(next != current);
                current = next;
            }
            prop_assert!(steps <= 1);
            prop_assert_eq!(current, need);
        }
    }
}
