//! The status of a FlashSale, written by the operator alone.

use flashsale_domain::lifecycle::Phase;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// What the operator sees. Numbers that could not be read keep their last value; the conditions
/// `QueueReachable` and `DatabaseReachable` say whether they are current.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FlashSaleStatus {
    /// The truth about the sale, one statement each.
    #[serde(default)]
    #[schemars(schema_with = "conditions_schema")]
    pub conditions: Vec<Condition>,
    /// The conditions in one word: Pending, Scheduled, Open, SoldOut, Suspended, Draining, Settling,
    /// Closed or Failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = phases()))]
    pub phase: Option<String>,
    /// The generation of the spec that was judged last; a paused sale's is not judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Namespace and name of the Lease of the operator that looks after the sale. Another installation
    /// leaves the sale alone for as long as that Lease is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
    /// Jobs waiting or being settled, over all lanes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_depth: Option<i64>,
    /// Orders that wait for their payment; not there in a sale without `payment`.
    // Written as null, so that a merge takes it back.
    #[serde(default)]
    pub pending_orders: Option<i64>,
    /// Jobs in the dead-letter lane.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_letters: Option<i64>,
    /// Units sold, over all products.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sold: Option<i64>,
    /// Units left, over all products.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remaining: Option<i64>,
    /// Workers that exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// Workers that are ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_replicas: Option<i32>,
    /// Workers that there shall be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired_replicas: Option<i32>,
    /// Label selector of the workers' pods, for the `scale` subresource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// When the operator first saw the sale open. From then on some fields may not change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opened_at: Option<Timestamp>,
    /// When the last unit was seen to be gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sold_out_at: Option<Timestamp>,
    /// What was accepted last of the Secrets and the workers' pods, as JSON. The operator's own
    /// memory: the workers stay like this while an edit is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_accepted: Option<String>,
    /// When intake was seen closed for good. Taken back when the sale goes on with a later `closesAt`.
    #[serde(default)]
    pub closed_at: Option<Timestamp>,
    /// When every job was seen to have ended after that. Taken back with `closedAt`.
    // Written as null, so that a merge takes it back.
    #[serde(default)]
    pub drained_at: Option<Timestamp>,
}

/// Words of [`Phase`]. The field is a text, so that a release that does not know a word can read the
/// object.
fn phases() -> Vec<&'static str> {
    Phase::ALL.iter().map(|phase| phase.as_str()).collect()
}

/// The shape of `metav1.Condition`, as `kubectl explain` shows it.
fn conditions_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "items": {
            "type": "object",
            "description": "One statement about the sale.",
            "required": ["type", "status", "lastTransitionTime", "reason", "message"],
            "properties": {
                "type": {
                    "type": "string",
                    "description": "What it is about: Ready, Reconciling, Stalled, Accepted, Open, SoldOut, Scaling, WorkersAvailable, QueueReachable, DatabaseReachable, LedgerIntact, Durable, LedgerDurable, Paused or Drained.",
                    "maxLength": 316
                },
                "status": {
                    "type": "string",
                    "description": "Whether it holds; Unknown is a third answer, never the same as False.",
                    "enum": ["True", "False", "Unknown"]
                },
                "observedGeneration": {
                    "type": "integer",
                    "format": "int64",
                    "minimum": 0,
                    "description": "The generation of the spec that was judged."
                },
                "lastTransitionTime": {
                    "type": "string",
                    "format": "date-time",
                    "description": "When the state last changed."
                },
                "reason": {
                    "type": "string",
                    "description": "Why, in one word.",
                    "minLength": 1,
                    "maxLength": 1024,
                    "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"
                },
                "message": {
                    "type": "string",
                    "description": "Why, in a sentence that says what to do if something is to be done.",
                    "maxLength": 32768
                }
            }
        }
    })
}
