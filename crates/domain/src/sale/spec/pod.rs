//! What Kubernetes says of pods, in its own names.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de};

use super::{is_default, plain_enum};

/// Resources of a container, as Kubernetes writes them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub struct ResourcesSpec {
    /// What the scheduler sets aside, e.g. `cpu: 500m`.
    pub requests: BTreeMap<String, Amount>,
    /// What the container may not exceed, e.g. `memory: 256Mi`.
    pub limits: BTreeMap<String, Amount>,
}

/// An amount of a resource: text such as `500m` or `256Mi`, or a whole number.
///
/// Kept as text, so that `2` and `"2"` are the same, and written as text, which every release reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Amount(pub String);

impl fmt::Display for Amount {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AmountVisitor)
    }
}

struct AmountVisitor;

impl de::Visitor<'_> for AmountVisitor {
    type Value = Amount;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a whole number, or text such as \"500m\" or \"256Mi\"")
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Amount, E> {
        Ok(Amount(number.to_string()))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Amount, E> {
        Ok(Amount(number.to_string()))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Amount, E> {
        Ok(Amount(text.to_owned()))
    }
}

impl JsonSchema for Amount {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Amount".into()
    }

    /// What API servers take for either of both.
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "x-kubernetes-int-or-string": true,
            "anyOf": [{"type": "integer"}, {"type": "string"}],
        })
    }
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
