//! Products that were taken out of a sale: nobody buys them, the jobs in their lanes are settled, and
//! then the ledger lets them go.

use crate::{id::ProductId, observation::SaleObservation};

/// Products whose stock Redis must forget.
pub(super) fn to_forget(
    unlisted: Option<&[ProductId]>,
    lanes: Option<&SaleObservation>,
) -> Vec<ProductId> {
    let (unlisted, Some(lanes)) = (unlisted.unwrap_or_default(), lanes) else {
        return Vec::new();
    };
    let strays = lanes.strays.iter();
    strays.filter(|id| unlisted.contains(id)).cloned().collect()
}

/// Products that can be let go. Without a stock in Redis the turnstile appends nothing, and the
/// stock was read before the lane: a lane that was empty then stays empty.
pub(super) fn to_release(
    unlisted: Option<&[ProductId]>,
    lanes: Option<&SaleObservation>,
) -> Vec<ProductId> {
    let (unlisted, Some(lanes)) = (unlisted.unwrap_or_default(), lanes) else {
        return Vec::new();
    };
    let is_over = |id: &&ProductId| {
        let lane = lanes.lane(id).filter(|lane| lane.is_retired);
        lane.is_some_and(|lane| lane.depth == 0 && lane.stock.stock.is_none())
    };
    unlisted.iter().filter(is_over).cloned().collect()
}
