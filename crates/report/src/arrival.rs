//! Whether orders were made in the order in which buys arrived.

use flashsale_ledger::{ARRIVAL_TOLERANCE, ProductReport};
use serde::Serialize;

/// Whether the orders of each product were made in the order in which gateways took the buys.
///
/// The id of a job (a UUID of version 7) has the time at which its gateway took the buy, in milliseconds, and orders
/// are numbered as they are settled. Gateways have clocks of their own, so only what is more than the tolerance
/// apart counts. A job that failed and was tried again, and a dead letter that was replayed, are settled late.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Arrival {
    /// The tolerance in milliseconds.
    pub tolerance_ms: u64,
    /// Orders whose job id tells a time.
    pub compared: i64,
    /// Orders whose job id tells none: another producer made it, or a late payment.
    pub undated: i64,
    /// Orders before one whose job is older by more than the tolerance; 0 when the order of arrival was kept.
    pub out_of_order: i64,
    /// By how many milliseconds an order at most stands before an older one; null without orders to compare.
    #[schema(required = true)]
    pub most_ahead_ms: Option<i64>,
}

impl Arrival {
    pub(crate) fn new() -> Self {
        Self {
            tolerance_ms: u64::try_from(ARRIVAL_TOLERANCE.as_millis()).unwrap_or(u64::MAX),
            ..Self::default()
        }
    }

    pub(crate) fn add(&mut self, product: &ProductReport) {
        let orders: i64 = product.counts.iter().sum();
        self.compared += orders - product.undated;
        self.undated += product.undated;
        self.out_of_order += product.out_of_order;
        self.most_ahead_ms = self.most_ahead_ms.max(product.most_ahead_ms);
    }
}
