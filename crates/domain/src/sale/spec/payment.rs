//! How long an order may wait for its payment.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How long an order may wait for its payment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct PaymentSpec {
    /// Seconds in which a shopper pays for an order. An order that is not paid then is cancelled, and its unit
    /// is on sale again. Orders that wait already keep their window. Left out: 600.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2, max = 86_400))]
    pub window_seconds: Option<i32>,
    /// Seconds for which an order is kept after its window, for a payment that is on its way. Left out: 15.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 3_600))]
    pub grace_seconds: Option<i32>,
}
