//! Orders by where they stand.

use std::collections::BTreeMap;

use flashsale_ledger::ProductReport;
use serde::Serialize;

/// Why an order was cancelled that was not paid in time.
pub(crate) const EXPIRED: &str = "expired";

/// Why an order was cancelled whose money was given back.
pub(crate) const REFUNDED: &str = "refunded";

/// For orders that were cancelled without a reason.
const UNSAID: &str = "";

/// Orders by where they stand; each is in one of the last five.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderCounts {
    /// All orders that were made.
    pub confirmed: i64,
    /// Completed. Where the sale has no payment window, orders are completed as they are made.
    pub paid: i64,
    /// Pending: they wait for their payment.
    pub waiting: i64,
    /// Cancelled since they were not paid in time.
    pub expired: i64,
    /// Cancelled by a refund at the provider.
    pub refunded: i64,
    /// Cancelled for another reason, by reason; under the empty one where nobody said why.
    pub cancelled_by_reason: BTreeMap<String, i64>,
}

/// A group of orders that stand alike.
pub(crate) struct Group<'a> {
    /// Where they stand.
    pub(crate) state: State<'a>,
    /// How many.
    pub(crate) orders: i64,
    /// The sum of their prices.
    pub(crate) amount: i64,
}

/// Where orders stand.
pub(crate) enum State<'a> {
    Paid,
    Waiting,
    /// With the reason.
    Cancelled(&'a str),
}

/// The groups of a product's orders.
pub(crate) fn groups(product: &ProductReport) -> impl Iterator<Item = Group<'_>> {
    let states = product.statuses.iter().zip(&product.reasons);
    let sums = product.counts.iter().zip(&product.amounts);
    states
        .zip(sums)
        .map(|((status, reason), (&orders, &amount))| {
            let state = match status.as_str() {
                "COMPLETED" => State::Paid,
                "CANCELLED" => State::Cancelled(reason.as_deref().unwrap_or(UNSAID)),
                _ => State::Waiting,
            };
            Group {
                state,
                orders,
                amount,
            }
        })
}

impl OrderCounts {
    pub(crate) fn add(&mut self, product: &ProductReport) {
        for Group { state, orders, .. } in groups(product) {
            self.confirmed += orders;
            let count = match state {
                State::Paid => &mut self.paid,
                State::Waiting => &mut self.waiting,
                State::Cancelled(EXPIRED) => &mut self.expired,
                State::Cancelled(REFUNDED) => &mut self.refunded,
                State::Cancelled(reason) => self
                    .cancelled_by_reason
                    .entry(reason.to_owned())
                    .or_default(),
            };
            *count += orders;
        }
    }
}
