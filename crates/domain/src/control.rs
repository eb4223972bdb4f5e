//! The control loop's mind: what a sale needs from second to second, as a pure function of what
//! was read of it. `flashsale up` acts on it with processes, the operator with Deployments.
//!
//! A reading that failed is `None` and never an empty or zero reading, and it changes nothing:
//! no worker goes and no record is rewritten because of it.

mod drivers;
mod republish;
mod retirement;
mod went_back;

use std::{collections::HashSet, time::Duration};

use jiff::Timestamp;

use crate::{
    id::ProductId,
    lifecycle::{self, Announced, Phase, Readings},
    observation::SaleObservation,
    sale::Sale,
    scaling::{self, Ask, Autoscaler, Decision, Need},
    stock::StockLevel,
};

use drivers::DriverWatch;
use went_back::LedgerWatch;

pub use went_back::WentBack;

/// What was read of one sale at one moment.
#[derive(Debug, Clone, Default)]
pub struct Look {
    /// What Redis says is in force; `Some(None)` when it says that the sale is not.
    pub announced: Option<Option<Announced>>,
    /// What the ledger has left of the sale's products; those that it does not offer are not in it.
    pub ledger: Option<Vec<StockLevel>>,
    /// Orders of the sale's products that wait for their payment, in the ledger.
    pub pending: Option<u64>,
    /// Products with changed orders that shoppers were not told of yet, as the ledger says.
    pub changed: Vec<ProductId>,
    /// Products that the ledger keeps for the sale although it does not offer them any more.
    pub unlisted: Option<Vec<ProductId>>,
    /// The Redis server that answered (its `run_id`).
    pub server: Option<String>,
    /// What its lanes look like.
    pub lanes: Option<SaleObservation>,
}

/// What is to be done about one sale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Where the sale stands.
    pub phase: Phase,
    /// The record that Redis must be told (again); none when it holds the sale as it shall.
    pub announce: Option<Announced>,
    /// Stock that Redis must be told.
    pub publish: Vec<StockLevel>,
    /// Whether the products must be declared again: the ledger was read and does not offer all of
    /// them, since it was rebuilt or restored to before the sale. Those of a sale that is over are not
    /// missed, since another sale may have taken them.
    pub declare: bool,
    /// Products of which the ledger has forgotten what it told: it went back.
    pub went_back: Vec<WentBack>,
    /// Products that the sale does not offer and that could still be bought: Redis must forget their
    /// stock.
    pub forget: Vec<ProductId>,
    /// Products that the sale does not offer any more and whose lanes are empty for good: the ledger
    /// can let them go.
    pub release: Vec<ProductId>,
    /// Products whose orders a worker has to look at, whether or not their lanes have jobs.
    pub remind: Vec<ProductId>,
    /// The Redis server that is to be given every outcome of the ledger: it was lost, restarted or
    /// replaced, and may have lost some.
    pub restore: Option<String>,
    /// How many workers to have, and why.
    pub decision: Decision,
    /// What the lanes ask for, before any pacing; none when they could not be read.
    pub need: Option<Need>,
}

impl Step {
    /// How many workers to have.
    pub fn workers(&self) -> u32 {
        self.decision.workers
    }
}

/// The mind of one sale's loop.
#[derive(Debug)]
pub struct Controller {
    /// The sale as it shall be.
    desired: Announced,
    /// Products taken out of the sale that the ledger still keeps for it, by name.
    retired: Vec<ProductId>,
    autoscaler: Autoscaler,
    ledger_watch: LedgerWatch,
    driver_watch: DriverWatch,
    /// Orders that waited for their payment when the ledger was last read.
    pending: Option<u64>,
}

impl Controller {
    /// A controller that keeps the sale as `desired`.
    pub fn new(mut desired: Announced) -> Self {
        Self {
            retired: std::mem::take(&mut desired.sale.retired),
            desired,
            autoscaler: Autoscaler::default(),
            ledger_watch: LedgerWatch::default(),
            driver_watch: DriverWatch::default(),
            pending: None,
        }
    }

    /// The sale as it shall be, without what was taken out of it.
    pub fn desired(&self) -> &Announced {
        &self.desired
    }

    /// The record that Redis shall hold: the sale as it shall be, and the products that were taken
    /// out of it while jobs stood in their lanes.
    pub fn record(&self) -> Announced {
        let mut record = self.desired.clone();
        record.sale.retired.clone_from(&self.retired);
        record
    }

    /// From now on the sale shall be like this: its spec was edited. What was learned of the past
    /// (needs, scale events, stock) is kept.
    pub fn set_desired(&mut self, mut desired: Announced) {
        // What was taken out of it is learned from the stores.
        desired.sale.retired.clear();
        self.desired = desired;
    }

    /// From now on the sale shall be closed.
    pub fn close(&mut self) {
        self.desired.closing = true;
    }

    /// What is to be done at `now`, by the clock of the sale, and at `monotonic` by a clock that
    /// never jumps, when there are `workers`.
    pub fn step(&mut self, look: &Look, now: Timestamp, monotonic: Duration, workers: u32) -> Step {
        self.note_retired(look);
        self.pending = look.pending.or(self.pending);
        let sale = &self.desired.sale;
        let lacks_products = !self.desired.closing && self.lacks_products(look);
        // A ledger without its products was lost, not sold out.
        let levels = look.ledger.as_deref().filter(|_| !lacks_products);
        let readings = Readings {
            remaining: levels.map(remaining),
            ..readings(sale, look)
        };
        let phase = lifecycle::phase(sale.schedule, self.desired.switches(), readings, now);
        // Of a sale that is over, only jobs that wait need the products: another sale may have them.
        let is_over = matches!(phase, Phase::Draining | Phase::Settling | Phase::Closed);
        let has_jobs = readings.queue_depth.is_some_and(|depth| depth > 0);
        let declare = lacks_products && (!is_over || has_jobs);
        let ask = Ask {
            spare: self.driver_watch.is_spare_needed(look, monotonic),
            ..ask(&self.desired, look, self.pending, now)
        };
        Step {
            phase,
            announce: self.record_to_announce(look),
            publish: republish::due(look.ledger.as_deref(), look.lanes.as_ref()),
            remind: look.changed.clone(),
            restore: outcomes_to_restore(look),
            forget: retirement::to_forget(look.unlisted.as_deref(), look.lanes.as_ref()),
            release: if readings.pending == Some(0) {
                retirement::to_release(look.unlisted.as_deref(), look.lanes.as_ref())
            } else {
                Vec::new()
            },
            declare,
            went_back: self
                .ledger_watch
                .went_back(look.ledger.as_deref(), look.lanes.as_ref()),
            decision: self
                .autoscaler
                .decide(&sale.workers, monotonic, workers, ask),
            need: scaling::need(&sale.workers, ask),
        }
    }

    fn lacks_products(&self, look: &Look) -> bool {
        let lacks = |levels: &Vec<StockLevel>| {
            let offered: HashSet<&ProductId> = levels.iter().map(|level| &level.product).collect();
            let mut products = self.desired.sale.products.iter();
            products.any(|product| !offered.contains(&product.id))
        };
        look.ledger.as_ref().is_some_and(lacks)
    }

    /// Remembers which products were taken out of the sale. As long as the ledger cannot be asked,
    /// those that Redis has beyond the sale are taken for such, so that no lane loses its driver.
    fn note_retired(&mut self, look: &Look) {
        let offered = &self.desired.sale.products;
        let is_offered = |id: &ProductId| offered.iter().any(|product| product.id == *id);
        if let Some(unlisted) = &look.unlisted {
            self.retired.clone_from(unlisted);
        } else if let Some(Some(announced)) = &look.announced {
            self.retired.extend(announced.sale.lanes().cloned());
        }
        self.retired.retain(|id| !is_offered(id));
        self.retired.sort_unstable();
        self.retired.dedup();
    }

    fn record_to_announce(&self, look: &Look) -> Option<Announced> {
        let announced = look.announced.as_ref()?;
        let is_listed = look.lanes.as_ref().is_none_or(|lanes| lanes.is_listed);
        let is_right = is_listed && self.is_record(announced.as_ref());
        (!is_right).then(|| self.record())
    }

    /// Whether what Redis holds is the [`record`](Self::record).
    pub fn is_record(&self, announced: Option<&Announced>) -> bool {
        announced.is_some_and(|announced| {
            announced.closing == self.desired.closing
                && announced.sale.retired == self.retired
                && announced.sale.is_declared_as(&self.desired.sale)
        })
    }
}

/// Outcomes are given back to a sale that is in force, once for each run of a Redis server.
fn outcomes_to_restore(look: &Look) -> Option<String> {
    let in_force = matches!(look.announced, Some(Some(_)));
    let (server, lanes) = (look.server.as_ref()?, look.lanes.as_ref()?);
    let has_them = lanes.outcomes_of.as_ref() == Some(server);
    (in_force && !has_them && look.ledger.is_some()).then(|| server.clone())
}

/// What was read of the sale's jobs and orders, its stock aside.
fn readings(sale: &Sale, look: &Look) -> Readings {
    Readings {
        queue_depth: look.lanes.as_ref().map(SaleObservation::depth),
        remaining: None,
        pending: match sale.payment {
            None => Some(0),
            Some(_) => look.pending,
        },
    }
}

/// What the sale asks of the scaling rules.
fn ask(desired: &Announced, look: &Look, pending: Option<u64>, now: Timestamp) -> Ask {
    let Announced { sale, .. } = desired;
    let readings = Readings {
        pending,
        ..readings(sale, look)
    };
    let is_prewarming = !desired.closing
        && !sale.suspended
        && lifecycle::is_prewarming(sale.schedule, &sale.workers, now);
    Ask {
        demand: look.lanes.as_ref().map(SaleObservation::demand),
        in_force: lifecycle::is_in_force(
            sale.schedule,
            desired.switches(),
            &sale.workers,
            readings,
            now,
        ),
        unpaid: pending.is_some_and(|pending| pending > 0) || !look.changed.is_empty(),
        expected_lanes: if is_prewarming {
            u32::try_from(sale.products.len()).unwrap_or(u32::MAX)
        } else {
            0
        },
        spare: false,
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
