//! How long an order may wait for its payment.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::sale::LatePolicy;

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
    /// The provider that takes the payments, by its name in the gateways' configuration of providers. It stays as it
    /// is once the sale has opened. Left out: orders are paid elsewhere, and the shop completes them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub provider: Option<String>,
    /// What becomes of a payment that comes too late. Left out: Reacquire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_late: Option<LatePolicy>,
}
