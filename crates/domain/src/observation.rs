//! What was seen of a sale's lanes, which the control loop scales by.

use std::collections::HashMap;

use crate::{
    id::{ProductId, SaleId},
    scaling::Demand,
    stock::KnownStock,
};

/// A sale's lanes as of one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaleObservation {
    /// The sale.
    pub sale: SaleId,
    /// Whether `fs:sales` lists it, without which nobody finds its record.
    pub is_listed: bool,
    /// Its lanes, in the order of [`Sale::lanes`].
    pub lanes: Vec<LaneObservation>,
    /// Dead letters.
    pub dead: u64,
    /// Orders that wait for their payment, as whoever runs the sale told lately; always 0 in a sale without
    /// payment, none when nobody told.
    pub pending: Option<u64>,
    /// The greatest order number that a shopper of the sale was told; none before the first order.
    pub last_order: Option<i64>,
    /// Products that Redis has a stock of, so that they could be bought, and that the sale does not
    /// offer.
    pub strays: Vec<ProductId>,
    /// When the ledger was seen to have gone back, in milliseconds since the Unix epoch; none once
    /// `flashsale repair` has settled what it lost.
    pub went_back_ms: Option<i64>,
    /// The Redis server that was given every outcome of the ledger (its `run_id`); none
    /// in a sale that was just announced, or that Redis has lost.
    pub outcomes_of: Option<String>,
}

/// A lane as of one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneObservation {
    /// Its product.
    pub product: ProductId,
    /// Whether the product was taken out of the sale.
    pub is_retired: bool,
    /// Jobs in it, waiting or being settled.
    pub depth: u64,
    /// When its oldest job was appended, in milliseconds since the Unix epoch.
    pub oldest_ms: Option<i64>,
    /// The worker that drives it.
    pub driver: Option<String>,
    /// What Redis knows of its stock.
    pub stock: KnownStock,
}

impl SaleObservation {
    /// Jobs over all lanes.
    pub fn depth(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.depth).sum()
    }

    /// The lane of `product`, if it is one of the sale's.
    pub fn lane(&self, product: &ProductId) -> Option<&LaneObservation> {
        self.lanes.iter().find(|lane| lane.product == *product)
    }

    /// The lanes by their products, for whoever looks many of them up.
    pub fn by_product(&self) -> HashMap<&ProductId, &LaneObservation> {
        let lanes = self.lanes.iter();
        lanes.map(|lane| (&lane.product, lane)).collect()
    }

    /// Units left over all products on offer; none as long as one product's stock is not known.
    pub fn remaining(&self) -> Option<u64> {
        let offered = self.lanes.iter().filter(|lane| !lane.is_retired);
        offered
            .map(|lane| u64::try_from(lane.stock.stock?).ok())
            .sum()
    }

    /// What the lanes ask of the scaling rules.
    pub fn demand(&self) -> Demand {
        let busy = self.lanes.iter().filter(|lane| lane.depth > 0).count();
        Demand {
            depth: self.depth(),
            busy_lanes: u32::try_from(busy).unwrap_or(u32::MAX),
        }
    }
}
