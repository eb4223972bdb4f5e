//! Which stock Redis is to be told, because nobody else did.
//!
//! The turnstile lets a buy pass while stock exceeds the jobs in the lane, so Redis must learn of
//! a settled batch and lose its jobs in one instant, which is what a worker's acknowledgement
//! does. Told in between, Redis would count the batch twice and turn shoppers away from units that
//! are left. Every figure therefore says which batches it contains (`settled_version`), and
//! `stock::publish` of the queue refuses one whose last batch may still be in the lane. The rule here
//! is the same: it only spares Redis figures that it would refuse.

use crate::{observation::SaleObservation, stock::StockLevel};

/// The figures to pass on, given what the ledger and Redis say now. Nothing, when either could not
/// be read.
pub(super) fn due(
    ledger: Option<&[StockLevel]>,
    lanes: Option<&SaleObservation>,
) -> Vec<StockLevel> {
    let (Some(ledger), Some(lanes)) = (ledger, lanes) else {
        return Vec::new();
    };
    let lanes = lanes.by_product();
    let is_due = |level: &&StockLevel| {
        lanes.get(&level.product).is_some_and(|lane| {
            let is_settled = lane.depth == 0 || lane.stock.version >= level.settled_version;
            lane.stock.stock.is_none() || (lane.stock.version < level.version && is_settled)
        })
    };
    ledger.iter().filter(is_due).cloned().collect()
}
