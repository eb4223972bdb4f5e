//! Sums of money.

use flashsale_ledger::ProductReport;
use serde::Serialize;

use crate::orders::{Group, REFUNDED, State, groups};

/// The prices of orders, summed by where they stand. These are the prices that shoppers saw, and not what a payment
/// provider has moved.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Money {
    /// The currency of the sale, which has one: an ISO 4217 code; null when the sale is not in force, since the
    /// ledger does not know it.
    #[schema(required = true)]
    pub currency: Option<&'static str>,
    /// Of paid orders, in minor units, as are the others.
    pub sold: i64,
    /// Of orders that wait for their payment.
    pub waiting: i64,
    /// Of orders that were cancelled, expired ones among them, refunded ones not.
    pub cancelled: i64,
    /// Of orders that were cancelled by a refund at the provider.
    pub refunded: i64,
}

impl Money {
    pub(crate) fn new(currency: Option<&'static str>) -> Self {
        Self {
            currency,
            ..Self::default()
        }
    }

    pub(crate) fn add(&mut self, product: &ProductReport) {
        for Group { state, amount, .. } in groups(product) {
            let sum = match state {
                State::Paid => &mut self.sold,
                State::Waiting => &mut self.waiting,
                State::Cancelled(REFUNDED) => &mut self.refunded,
                State::Cancelled(_) => &mut self.cancelled,
            };
            *sum += amount;
        }
    }
}
