//! The control loop's mind: what a sale needs from second to second, as a pure function of what
//! was read of it. `flashsale up` acts on it with processes; an operator would with Deployments.
//!
//! A reading that failed is `None` and never an empty or zero reading, and it changes nothing:
//! no worker goes and no record is rewritten because of it.

mod republish;

use std::time::Duration;

use flashsale_core::{
    catalogue::Announced,
    id::ProductId,
    ledger::StockLevel,
    lifecycle::{self, Phase, Readings},
    observation::SaleObservation,
    scaling::{self, Need, Stabilizer},
};
use jiff::Timestamp;

use republish::Republisher;

/// What was read of one sale at one moment.
#[derive(Debug, Clone, Default)]
pub struct Look {
    /// What Redis says is in force; `Some(None)` when it says that the sale is not.
    pub announced: Option<Option<Announced>>,
    /// What the ledger has left.
    pub ledger: Option<Vec<StockLevel>>,
    /// What its lanes look like.
    pub lanes: Option<SaleObservation>,
}

/// What is to be done about one sale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Where the sale stands.
    pub phase: Phase,
    /// Whether Redis must be told the sale (again).
    pub announce: bool,
    /// Stock that Redis must be told.
    pub publish: Vec<StockLevel>,
    /// How many workers to have.
    pub workers: u32,
    /// What the lanes ask for, before stabilization; none when they could not be read.
    pub need: Option<Need>,
}

/// The mind of one sale's loop.
#[derive(Debug)]
pub struct Controller {
    /// The sale as it shall be.
    desired: Announced,
    stabilizer: Stabilizer,
    republisher: Republisher,
}

impl Controller {
    /// A controller that keeps the sale as `desired`.
    #[must_use]
    pub fn new(desired: Announced) -> Self {
        Self {
            desired,
            stabilizer: Stabilizer::default(),
            republisher: Republisher::default(),
        }
    }

    /// The sale as it shall be.
    #[must_use]
    pub fn desired(&self) -> &Announced {
        &self.desired
    }

    /// From now on the sale shall be closed.
    pub fn close(&mut self) {
        self.desired.closing = true;
    }

    /// What is to be done at `now`, by the clock of the sale, and at `monotonic` by a clock that
    /// never jumps, when there are `workers`.
    pub fn step(&mut self, look: &Look, now: Timestamp, monotonic: Duration, workers: u32) -> Step {
        let sale = &self.desired.sale;
        let readings = Readings {
            queue_depth: look.lanes.as_ref().map(SaleObservation::depth),
            remaining: look.ledger.as_deref().map(remaining),
        };
        let phase = lifecycle::phase(sale.schedule, self.desired.switches(), readings, now);
        let need = look.lanes.as_ref().map(|lanes| {
            let prewarming = lifecycle::is_prewarming(sale.schedule, &sale.workers, now);
            need(phase, &self.desired, lanes, prewarming)
        });
        let replicas = need.map(|need| need.replicas);
        Step {
            phase,
            announce: self.must_announce(look),
            publish: self
                .republisher
                .due(look.ledger.as_deref(), look.lanes.as_ref()),
            workers: self
                .stabilizer
                .decide(&sale.workers, monotonic, workers, replicas),
            need,
        }
    }

    fn must_announce(&self, look: &Look) -> bool {
        look.announced
            .as_ref()
            .is_some_and(|announced| announced.as_ref() != Some(&self.desired))
    }
}

/// A closed sale whose lanes are empty needs nobody; any other what the scaling rule says.
fn need(phase: Phase, desired: &Announced, lanes: &SaleObservation, prewarming: bool) -> Need {
    if phase == Phase::Closed {
        return Need {
            replicas: 0,
            limited_by_hot_products: false,
        };
    }
    scaling::need(&desired.sale.workers, lanes.demand(prewarming))
}

/// Units left over all products.
fn remaining(levels: &[StockLevel]) -> u64 {
    levels
        .iter()
        .filter_map(|level| u64::try_from(level.stock).ok())
        .sum()
}

/// What the loop saw last, for displays.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// Every lane of every sale.
    pub lanes: Vec<LaneView>,
    /// Worker processes.
    pub workers: usize,
    /// The sales and where they stand.
    pub phases: Vec<(flashsale_core::id::SaleId, Phase)>,
    /// Jobs over all lanes; none when the last look failed.
    pub depth: Option<u64>,
}

/// One lane.
#[derive(Debug, Clone)]
pub struct LaneView {
    /// Its product.
    pub product: ProductId,
    /// Jobs in it.
    pub depth: u64,
    /// Units left, as far as Redis knows.
    pub stock: Option<i32>,
}

#[cfg(test)]
mod tests;
