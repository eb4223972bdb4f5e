//! How fast the number of workers may change, in the names of a `HorizontalPodAutoscaler` (v2), and
//! what happens while the queue cannot be read, in those of KEDA.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::plain_enum;

/// How fast the number of workers may change, while the sale is in force. `minReplicas` and
/// `maxReplicas` stand above it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub struct BehaviorSpec {
    /// More workers. Left out: at once, straight to what is needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale_up: Option<RulesSpec>,
    /// Fewer workers. Left out: at once, to the highest need of the stabilization window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale_down: Option<RulesSpec>,
}

/// The rules of one direction.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub struct RulesSpec {
    /// Seconds of needs that are looked back on: up goes to the lowest of them, down to the
    /// highest. Left out: 0 for up, `scaleDownStabilizationSeconds` for down.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 3_600))]
    pub stabilization_window_seconds: Option<i32>,
    /// Which policy counts where there are several: Max, the one that allows the greatest change;
    /// Min, the one that allows the least; Disabled, this direction is never taken.
    pub select_policy: SelectPolicy,
    /// A need that differs from the workers that are there by no more than this part of them
    /// changes nothing, e.g. 0.1. Left out: every difference counts, where a
    /// `HorizontalPodAutoscaler` has 0.1. From none to some and from some to none is never held back.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub tolerance: Option<f64>,
    /// How much may change in how long. None: without limit.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub policies: Vec<PolicySpec>,
}

/// Which of several policies counts: Max, Min or Disabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = plain_enum)]
pub enum SelectPolicy {
    /// The one that allows the greatest change.
    #[default]
    Max,
    /// The one that allows the least change.
    Min,
    /// None: the direction is never taken.
    Disabled,
}

/// How much may change in how long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct PolicySpec {
    /// What `value` counts: Pods (workers), or Percent of those that stood when the period began
    /// (of none: as of one).
    #[serde(rename = "type")]
    pub kind: PolicyType,
    /// Most change within a period.
    #[schemars(range(min = 1))]
    pub value: i32,
    /// Length of the period in seconds.
    #[schemars(range(min = 1, max = 1_800))]
    pub period_seconds: i32,
}

/// What a policy counts: Pods or Percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = plain_enum)]
pub enum PolicyType {
    /// Workers.
    Pods,
    /// Hundredths of the workers that stood when the period began.
    Percent,
}

/// What to do while the queue cannot be read. An outage never takes a worker away, whatever
/// stands here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct FallbackSpec {
    /// Looks in a row that must have failed. The queue is looked at every second while a sale is
    /// open.
    #[schemars(range(min = 1, max = 3_600))]
    pub failure_threshold: i32,
    /// Workers to have then, at most `maxReplicas`.
    #[schemars(range(min = 0, max = 1000))]
    pub replicas: i32,
    /// What `replicas` means. static and `currentReplicasIfHigher`: at least so many, more if more
    /// are there. `currentReplicas` and `currentReplicasIfLower`: those that are there, since fewer
    /// is never an answer to an outage.
    #[serde(default)]
    pub behavior: FallbackBehavior,
}

/// What the replicas of a fallback mean: static, `currentReplicas`, `currentReplicasIfHigher` or
/// `currentReplicasIfLower`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = plain_enum)]
pub enum FallbackBehavior {
    /// At least so many: KEDA's "exactly so many", without its fall.
    #[default]
    Static,
    /// Those that are there.
    CurrentReplicas,
    /// Those that are there if they are more, otherwise so many.
    CurrentReplicasIfHigher,
    /// Those that are there: KEDA would take the lower of the two.
    CurrentReplicasIfLower,
}
