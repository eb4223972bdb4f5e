//! How fast the number of workers may change, and what happens while the queue cannot be read:
//! the checked counterparts of [`super::spec::BehaviorSpec`] and [`super::spec::FallbackSpec`].

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use super::spec::{FallbackBehavior, PolicyType, SelectPolicy};

/// How fast the number of workers may change. The default is at once, in both directions.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Behavior {
    /// More workers.
    pub scale_up: Rules,
    /// Fewer workers.
    pub scale_down: Rules,
}

/// The rules of one direction.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Rules {
    /// How long needs are looked back on; none means what the direction has by default.
    pub stabilization_window: Option<Duration>,
    /// Which policy counts where there are several.
    pub select_policy: SelectPolicy,
    /// A need that differs by no more than this changes nothing.
    pub tolerance: Tolerance,
    /// How much may change in how long; none means without limit.
    pub policies: Vec<Policy>,
}

/// A part of the workers that are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tolerance {
    /// Millionths, so that two policies can be compared exactly.
    pub millionths: u32,
}

impl Tolerance {
    /// Whether `need` is as good as `current`. None and some are never as good as each other.
    pub fn covers(self, current: u32, need: u32) -> bool {
        let difference = u64::from(current.abs_diff(need)) * 1_000_000;
        current > 0 && need > 0 && difference <= u64::from(self.millionths) * u64::from(current)
    }
}

/// How much may change in how long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Policy {
    /// What `value` counts.
    #[serde(rename = "type")]
    pub kind: PolicyType,
    /// Most change within a period.
    pub value: u32,
    /// The period.
    pub period: Duration,
}

/// What to do while the queue cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fallback {
    /// Looks in a row that must have failed.
    pub failure_threshold: u32,
    /// Workers to have then.
    pub replicas: u32,
    /// What `replicas` means.
    pub behavior: FallbackBehavior,
}
