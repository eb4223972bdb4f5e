//! What Prometheus sees of a sale: the last look, and never a zero for what could not be read.

use flashsale_core::{id::SaleId, observation::SaleObservation, scaling};

use crate::{
    context::Workers,
    metrics::{Metrics, SaleFigures},
    roster::Sight,
};

/// Shows `sight`. To be called while the sale is held in the roster, so that a sale that was taken
/// out is not shown again.
pub(super) fn show(metrics: &Metrics, sale: &SaleId, sight: &Sight, workers: Workers) {
    let queue_up = sight.queue_error.is_none();
    let ledger_up = sight.ledger_error.is_none();
    let decision = sight.decision;
    let figures = SaleFigures {
        queue_depth: sight
            .lanes
            .as_ref()
            .filter(|_| queue_up)
            .map(SaleObservation::depth),
        remaining: sight.remaining().filter(|_| ledger_up),
        desired: decision.map_or(0, |decision| decision.workers),
        ready: workers.ready,
        limited: decision
            .is_some_and(|decision| decision.reason == scaling::Reason::LimitedByHotProducts),
        queue_up,
        ledger_up,
        durable: sight.durability.as_ref().and_then(|found| found.holds),
        oversold: sight.oversold,
        ledger_went_back: sight.ledger_went_back(),
        unfenced_batches: sight
            .stock
            .as_ref()
            .filter(|_| ledger_up)
            .map(|stock| stock.unfenced_batches),
    };
    metrics.sale(sale, &figures);
}
