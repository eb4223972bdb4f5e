//! The control loop's mind: what a sale needs from second to second, as a pure function of what
//! was read of it. `flashsale up` acts on it with processes, the operator with Deployments.
//!
//! A reading that failed is `None` and never an empty or zero reading, and it changes nothing:
//! no worker goes and no record is rewritten because of it.

mod republish;

use std::time::Duration;

use jiff::Timestamp;

use crate::{
    catalogue::Announced,
    ledger::StockLevel,
    lifecycle::{self, Phase, Readings},
    observation::SaleObservation,
    scaling::{self, Ask, Autoscaler, Decision, Need},
};

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
    /// How many workers to have, and why.
    pub decision: Decision,
    /// What the lanes ask for, before any pacing; none when they could not be read.
    pub need: Option<Need>,
}

impl Step {
    /// How many workers to have.
    #[must_use]
    pub fn workers(&self) -> u32 {
        self.decision.workers
    }
}

/// The mind of one sale's loop.
#[derive(Debug)]
pub struct Controller {
    /// The sale as it shall be.
    desired: Announced,
    autoscaler: Autoscaler,
    republisher: Republisher,
}

impl Controller {
    /// A controller that keeps the sale as `desired`.
    #[must_use]
    pub fn new(desired: Announced) -> Self {
        Self {
            desired,
            autoscaler: Autoscaler::default(),
            republisher: Republisher::default(),
        }
    }

    /// The sale as it shall be.
    #[must_use]
    pub fn desired(&self) -> &Announced {
        &self.desired
    }

    /// From now on the sale shall be like this: its spec was edited. What was learned of the past
    /// (needs, scale events, stock) is kept.
    pub fn set_desired(&mut self, desired: Announced) {
        self.desired = desired;
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
        let ask = ask(&self.desired, look, now);
        Step {
            phase,
            announce: self.must_announce(look),
            publish: self
                .republisher
                .due(look.ledger.as_deref(), look.lanes.as_ref()),
            decision: self
                .autoscaler
                .decide(&sale.workers, monotonic, workers, ask),
            need: scaling::need(&sale.workers, ask),
        }
    }

    fn must_announce(&self, look: &Look) -> bool {
        look.announced
            .as_ref()
            .is_some_and(|announced| announced.as_ref() != Some(&self.desired))
    }
}

/// What the sale asks of the scaling rules.
fn ask(desired: &Announced, look: &Look, now: Timestamp) -> Ask {
    let Announced { sale, .. } = desired;
    let depth = look.lanes.as_ref().map(SaleObservation::depth);
    let is_prewarming = !desired.closing
        && !sale.suspended
        && lifecycle::is_prewarming(sale.schedule, &sale.workers, now);
    Ask {
        demand: look.lanes.as_ref().map(SaleObservation::demand),
        in_force: lifecycle::is_in_force(
            sale.schedule,
            desired.switches(),
            &sale.workers,
            depth,
            now,
        ),
        expected_lanes: if is_prewarming {
            u32::try_from(sale.products.len()).unwrap_or(u32::MAX)
        } else {
            0
        },
    }
}

/// Units left over all products.
fn remaining(levels: &[StockLevel]) -> u64 {
    levels
        .iter()
        .filter_map(|level| u64::try_from(level.stock).ok())
        .sum()
}

#[cfg(test)]
mod tests;
