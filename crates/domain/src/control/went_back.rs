//! Whether the ledger went back: a failover that lost commits, a restored dump, a rebuilt database.
//!
//! Redis learns a product's stock from the ledger, with the version of that figure, and versions
//! only grow. A ledger whose version is less than one that Redis had at an *earlier* look has
//! therefore forgotten what it told. Compared within one look, a batch committed between the two
//! reads would look the same; compared with the look before, nothing else does. The same version
//! with another figure says the same: the ledger went back and has grown again since.

use std::collections::HashMap;

use crate::{
    id::ProductId,
    observation::SaleObservation,
    stock::{KnownStock, StockLevel},
};

/// A product whose figure in the ledger is older than what the ledger told before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WentBack {
    /// The product.
    pub product: ProductId,
    /// Version of the stock in the ledger now.
    pub version: i64,
    /// The greatest version that Redis was told.
    pub told: i64,
}

/// Remembers what Redis knew at the last look.
#[derive(Debug, Default)]
pub(super) struct LedgerWatch {
    before: HashMap<ProductId, KnownStock>,
}

impl LedgerWatch {
    /// The products whose figures went back, given what the ledger and Redis say now. What Redis
    /// knew is kept while it cannot be read: it stays older than any later reading of the ledger.
    pub(super) fn went_back(
        &mut self,
        ledger: Option<&[StockLevel]>,
        lanes: Option<&SaleObservation>,
    ) -> Vec<WentBack> {
        let found = ledger.unwrap_or_default().iter();
        let found = found.filter_map(|level| self.judge(level));
        let found = found.map(|(level, before)| {
            let now = lanes.and_then(|lanes| lanes.lane(&level.product));
            WentBack {
                product: level.product.clone(),
                version: level.version,
                told: now.map_or(0, |lane| lane.stock.version).max(before.version),
            }
        });
        let found = found.collect();
        for lane in lanes.iter().flat_map(|lanes| &lanes.lanes) {
            if lane.stock.stock.is_some() {
                self.before.insert(lane.product.clone(), lane.stock);
            }
        }
        found
    }

    /// What Redis knew before of a figure that went back.
    fn judge<'a>(&self, level: &'a StockLevel) -> Option<(&'a StockLevel, KnownStock)> {
        let before = self.before.get(&level.product)?;
        let is_older = level.version < before.version;
        let is_another = level.version == before.version && before.stock != Some(level.stock);
        (is_older || is_another).then_some((level, *before))
    }
}
