//! What Kubernetes says of pods, in its own names.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{is_default, plain_enum};

/// Resources of a container, as Kubernetes writes them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub struct ResourcesSpec {
    /// What the scheduler sets aside, e.g. `cpu: 500m`.
    pub requests: BTreeMap<String, String>,
    /// What the container may not exceed, e.g. `memory: 256Mi`.
    pub limits: BTreeMap<String, String>,
}

/// Taints of nodes that a pod puts up with.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub struct TolerationSpec {
    /// The taint's key. Left out, with operator Exists: every taint.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 317))]
    pub key: Option<String>,
    /// Equal: the taint has this value. Exists: it has any. Left out: Equal.
    // Without a default that an API server would add: inside a list it is a difference from what was
    // applied that never goes away. Kubernetes has none here either.
    #[serde(skip_serializing_if = "is_default")]
    pub operator: TolerationOperator,
    /// The taint's value; only with operator Equal.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub value: Option<String>,
    /// The taint's effect. Left out: every effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effect: Option<TolerationEffect>,
    /// Seconds that the pod may stay on a node with the taint; only with effect `NoExecute`. Left
    /// out: for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub toleration_seconds: Option<i64>,
}

/// How a taint is compared: Equal (it has the value) or Exists (it has any).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = plain_enum)]
pub enum TolerationOperator {
    /// It has the value.
    #[default]
    Equal,
    /// It has any value.
    Exists,
}

/// What a taint does to pods that do not put up with it: `NoSchedule` (none comes),
/// `PreferNoSchedule` (none comes if there is another node), `NoExecute` (those there go).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = plain_enum)]
pub enum TolerationEffect {
    /// None comes.
    NoSchedule,
    /// None comes if there is another node.
    PreferNoSchedule,
    /// Those there go.
    NoExecute,
}
