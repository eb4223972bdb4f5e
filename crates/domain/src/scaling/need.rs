//! What a look at the lanes asks for, without memory.

use crate::sale::WorkerPolicy;

/// What one look at the lanes said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demand {
    /// Jobs waiting or being settled, over all lanes.
    pub depth: u64,
    /// Lanes with at least one job.
    pub busy_lanes: u32,
}

/// What a sale asks of the rules at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask {
    /// What its lanes look like; none when they could not be read.
    pub demand: Option<Demand>,
    /// Whether the sale is in force: only then `minReplicas`, `behavior` and `fallback` hold. One
    /// that is not keeps workers for the jobs that wait, and for the stabilization window.
    pub in_force: bool,
    /// Whether orders wait for their payment, or changed since shoppers were told of them: a worker sees to them.
    pub unpaid: bool,
    /// Lanes that the opening will make busy, while pre-warming; otherwise 0.
    pub expected_lanes: u32,
    /// Whether a lane has had no driver for so long that a worker more is to take it.
    pub spare: bool,
}

/// How many workers a look at the lanes asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Need {
    /// Workers.
    pub replicas: u32,
    /// True when the depth asks for more than the busy lanes can use: a lane has one driver at
    /// a time, so another worker would stand idle.
    pub limited_by_hot_products: bool,
    /// True when the lanes could use more than `maxReplicas`.
    pub limited_by_max_replicas: bool,
    /// True when the coming opening asks for more than the lanes do.
    pub prewarming: bool,
    /// How many of them are spare, 0 or 1. Rules that slow a change do not hold a spare up.
    pub spare: u32,
}

impl Ask {
    /// Workers that must be there whatever the lanes say.
    pub(super) fn floor(self, policy: &WorkerPolicy) -> u32 {
        let least = if self.in_force {
            policy.min_replicas
        } else {
            0
        };
        least.max(u32::from(self.unpaid))
    }

    /// Workers for the coming opening, within `maxReplicas`; 0 when none is near.
    pub(super) fn opening(self, policy: &WorkerPolicy) -> u32 {
        workers_for(self.expected_lanes, policy).min(policy.max_replicas)
    }
}

/// Workers that can find a lane to drive when `lanes` are busy.
fn workers_for(lanes: u32, policy: &WorkerPolicy) -> u32 {
    lanes.div_ceil(policy.lanes_per_worker.max(1))
}

/// The need of this moment; none when the lanes could not be read.
pub fn need(policy: &WorkerPolicy, ask: Ask) -> Option<Need> {
    let demand = ask.demand?;
    let floor = ask.floor(policy);
    let by_depth = demand.depth.div_ceil(policy.target_queue_depth.max(1));
    let by_depth = u32::try_from(by_depth).unwrap_or(u32::MAX);
    let usable = workers_for(demand.busy_lanes, policy);
    let by_lanes = by_depth.min(usable);
    let opening = workers_for(ask.expected_lanes, policy);
    let wanted = by_lanes.max(opening);
    let most = policy.max_replicas.max(floor);
    let without_spare = wanted.clamp(floor, most);
    let spare = u32::from(ask.spare && ask.in_force && without_spare < most);
    Some(Need {
        replicas: without_spare + spare,
        limited_by_hot_products: by_depth.min(policy.max_replicas) > usable.max(floor),
        limited_by_max_replicas: wanted > policy.max_replicas,
        prewarming: opening > by_lanes.max(floor),
        spare,
    })
}
