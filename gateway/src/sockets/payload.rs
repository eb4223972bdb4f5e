//! The events' names and payloads.

use flashsale_domain::{
    id::{JobId, ProductId, SaleId},
    lifecycle::Readings,
    observation::LaneObservation,
    outcome::Outcome,
};
use jiff::Timestamp;
use serde::Serialize;

use crate::catalogue::{Observed, SaleEntry};

/// How much of a product is left.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StockUpdate {
    /// The product.
    pub product_id: ProductId,
    /// Units left.
    pub stock: i32,
}

/// How far the lane of a product is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LaneProgress {
    /// The product.
    pub product_id: ProductId,
    /// Jobs of the lane that have ended since the sale began.
    pub settled: u64,
    /// Jobs in the lane now, waiting or being settled.
    pub waiting: u64,
}

/// Where a sale stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SaleStatus {
    /// The sale.
    pub sale: SaleId,
    /// Its phase in one word.
    pub status: &'static str,
    /// First instant of the sale (RFC 3339); null when it is open since ever.
    pub opens_at: Option<String>,
    /// First instant after the sale (RFC 3339); null when it has no end.
    pub closes_at: Option<String>,
}

/// A buy became an order.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderConfirmed {
    /// The buy.
    pub job_id: JobId,
    /// The order.
    pub order_id: i64,
    /// Of what.
    pub product_id: ProductId,
    /// Until when it has to be paid (RFC 3339, to the millisecond); left out where it need not be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
}

/// An order was paid.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderPaid {
    /// The buy.
    pub job_id: JobId,
    /// The order.
    pub order_id: i64,
    /// Of what.
    pub product_id: ProductId,
}

/// An order was cancelled.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderCancelled {
    /// The buy.
    pub job_id: JobId,
    /// The order.
    pub order_id: i64,
    /// Of what.
    pub product_id: ProductId,
    /// Why, as [`OrderView`](crate::orders::OrderView) has it; null when nobody said.
    pub reason: Option<String>,
}

/// A buy ended without an order.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderRejected {
    /// The buy.
    pub job_id: JobId,
    /// Of what.
    pub product_id: ProductId,
    /// `sold_out`, `limit_reached` or `failed`.
    pub reason: Outcome,
}

/// What sockets are told.
pub trait Event: Serialize {
    /// The event's name.
    const NAME: &'static str;
}

impl Event for StockUpdate {
    const NAME: &'static str = "stock-update";
}

impl Event for LaneProgress {
    const NAME: &'static str = "lane-progress";
}

impl Event for SaleStatus {
    const NAME: &'static str = "sale-status";
}

impl Event for OrderConfirmed {
    const NAME: &'static str = "order_confirmed";
}

impl Event for OrderPaid {
    const NAME: &'static str = "order_paid";
}

impl Event for OrderCancelled {
    const NAME: &'static str = "order_cancelled";
}

impl Event for OrderRejected {
    const NAME: &'static str = "order_rejected";
}

impl LaneProgress {
    /// How far a lane is.
    pub fn of(lane: &LaneObservation) -> Self {
        Self {
            product_id: lane.product.clone(),
            settled: lane.stock.settled,
            waiting: lane.depth,
        }
    }

    /// Whether nobody was ever in this lane.
    pub fn is_untouched(&self) -> bool {
        self.settled == 0 && self.waiting == 0
    }

    /// All lanes at a look, those that nobody was ever in included.
    pub(crate) fn all(observed: &Observed) -> impl Iterator<Item = Self> {
        let lanes = observed.sales.iter().flat_map(|sale| &sale.lanes);
        lanes.map(Self::of)
    }
}

impl SaleStatus {
    /// The status of a sale at `now`, of which `readings` are known.
    pub(crate) fn new(entry: &SaleEntry, readings: Readings, now: Timestamp) -> Self {
        let schedule = entry.sale().schedule;
        Self {
            sale: entry.id().clone(),
            status: entry.phase(readings, now).as_str(),
            opens_at: schedule.opens_at.map(|at| at.to_string()),
            closes_at: schedule.closes_at.map(|at| at.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_spelled_as_documented() {
        let product_id = ProductId::new("p").unwrap();
        let job_id = JobId(uuid::Uuid::nil());
        let json = [
            serde_json::to_string(&StockUpdate {
                product_id: product_id.clone(),
                stock: 3,
            }),
            serde_json::to_string(&LaneProgress {
                product_id: product_id.clone(),
                settled: 812,
                waiting: 5,
            }),
            serde_json::to_string(&SaleStatus {
                sale: SaleId::new("drop").unwrap(),
                status: "Open",
                opens_at: None,
                closes_at: None,
            }),
            serde_json::to_string(&OrderConfirmed {
                job_id,
                order_id: 7,
                product_id: product_id.clone(),
                expires_at: None,
            }),
            serde_json::to_string(&OrderConfirmed {
                job_id,
                order_id: 7,
                product_id: product_id.clone(),
                expires_at: Some("2026-01-01T00:00:00.000Z".to_owned()),
            }),
            serde_json::to_string(&OrderPaid {
                job_id,
                order_id: 7,
                product_id: product_id.clone(),
            }),
            serde_json::to_string(&OrderCancelled {
                job_id,
                order_id: 7,
                product_id: product_id.clone(),
                reason: None,
            }),
            serde_json::to_string(&OrderRejected {
                job_id,
                product_id,
                reason: Outcome::SoldOut,
            }),
        ]
        .map(Result::unwrap)
        .join("\n");
        insta::assert_snapshot!(json, @r#"
        {"productId":"p","stock":3}
        {"productId":"p","settled":812,"waiting":5}
        {"sale":"drop","status":"Open","opensAt":null,"closesAt":null}
        {"jobId":"00000000-0000-0000-0000-000000000000","orderId":7,"productId":"p"}
        {"jobId":"00000000-0000-0000-0000-000000000000","orderId":7,"productId":"p","expiresAt":"2026-01-01T00:00:00.000Z"}
        {"jobId":"00000000-0000-0000-0000-000000000000","orderId":7,"productId":"p"}
        {"jobId":"00000000-0000-0000-0000-000000000000","orderId":7,"productId":"p","reason":null}
        {"jobId":"00000000-0000-0000-0000-000000000000","productId":"p","reason":"sold_out"}
        "#);
    }
}
