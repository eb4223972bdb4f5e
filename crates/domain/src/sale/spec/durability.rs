//! What an acknowledged buy survives.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::is_default;

/// What an acknowledged buy survives.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub struct DurabilitySpec {
    /// Replicas of Redis that must have a buy before it is answered 200. 0: the primary alone
    /// acknowledges, and a failover can lose the last acknowledged buys. While fewer replicas answer
    /// in time, buys are answered 503. To lose nothing, write the number of replicas that can become
    /// the primary. Left out: 0.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(range(min = 0, max = 5))]
    pub redis_replicas: i32,
}
