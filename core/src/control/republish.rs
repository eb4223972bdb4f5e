//! Which stock Redis must be told of, because nobody else did.
//!
//! The turnstile lets a buy pass while stock exceeds the jobs in the lane, so Redis must learn of
//! a settled batch and lose its jobs in one instant, which is what a worker's acknowledgement
//! does. Told in between, Redis would count the batch twice and turn shoppers away. So a figure
//! is passed on only if Redis has none at all (it was lost), or if it is still behind a figure
//! that was read at the look before: by then the batch's acknowledgement has come, or its worker
//! has died, or the ledger was changed by hand.

use std::collections::HashMap;

use crate::{id::ProductId, ledger::StockLevel, observation::SaleObservation};

/// Remembers what the ledger said at the last look.
#[derive(Debug, Default)]
pub(super) struct Republisher {
    last: HashMap<ProductId, StockLevel>,
}

impl Republisher {
    /// The figures to pass on, given what the ledger and Redis say now. Nothing, when either
    /// could not be read.
    pub(super) fn due(
        &mut self,
        ledger: Option<&[StockLevel]>,
        lanes: Option<&SaleObservation>,
    ) -> Vec<StockLevel> {
        let (Some(ledger), Some(lanes)) = (ledger, lanes) else {
            return Vec::new();
        };
        let mut due = Vec::new();
        for level in ledger {
            let lane = lanes
                .lanes
                .iter()
                .find(|lane| lane.product == level.product);
            let Some(lane) = lane else { continue };
            let behind = self
                .last
                .get(&level.product)
                .filter(|last| lane.stock.version < last.version);
            if lane.stock.stock.is_none() {
                due.push(level.clone());
            } else if let Some(last) = behind {
                due.push(last.clone());
            }
        }
        self.last = ledger
            .iter()
            .map(|level| (level.product.clone(), level.clone()))
            .collect();
        due
    }
}
