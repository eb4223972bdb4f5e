//! What the system has promised, and whether it holds.

use crate::{
    figures::Figures,
    measure::{Aspect, DEFAULT_BATCH, Measure, Target, Unit, WORKERS, one_worker},
};

/// Orders a second of one hot product, at least.
const ORDERS_A_SECOND: f64 = 25_000.0;

/// Share of the pgbench figure that settling reaches at least.
const SHARE_OF_PGBENCH: f64 = 0.5;

/// Share of one worker's speed that [`WORKERS`] workers reach at least on one product: "no
/// slower", less the noise of a machine on which they also compete for two cores.
const SHARE_OF_ONE_WORKER: f64 = 0.9;

/// Share of the empty route's requests that the gateway acknowledges at least.
const SHARE_OF_EMPTY_ROUTE: f64 = 0.3;

/// Megabytes that a gateway has resident at most.
const GATEWAY_MEGABYTES: f64 = 100.0;

/// Megabytes that a worker has resident at most.
const WORKER_MEGABYTES: f64 = 150.0;

/// A promise, and what was measured about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// What was promised, without the number.
    pub promise: String,
    /// What was measured.
    pub measured: f64,
    /// What it is to be held against.
    pub bound: Bound,
    /// What both count; none for shares.
    pub unit: Option<Unit>,
}

/// Which side of a number is the good one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bound {
    /// No less than this.
    AtLeast(f64),
    /// Less than this.
    Below(f64),
}

impl Judgement {
    /// Whether the promise was kept.
    #[must_use]
    pub fn is_met(&self) -> bool {
        match self.bound {
            Bound::AtLeast(least) => self.measured >= least,
            Bound::Below(most) => self.measured < most,
        }
    }
}

/// Judges what was measured; a part that was not measured is not judged.
#[must_use]
pub fn judge(figures: &Figures) -> Vec<Judgement> {
    let hot = one_worker(DEFAULT_BATCH);
    let rate = |target| Measure::Http(target, Aspect::Rate);
    let pgbench = Measure::Pgbench {
        products: 1,
        batch: DEFAULT_BATCH,
    };
    let crowd = Measure::Settlement {
        workers: WORKERS,
        products: 1,
        batch: DEFAULT_BATCH,
    };
    let orders = format!("one hot product is settled, batches of {DEFAULT_BATCH}");
    let together = format!("{WORKERS} workers on one product beside 1");
    let judgements = [
        amount(figures, &orders, hot, Bound::AtLeast(ORDERS_A_SECOND)),
        share(
            figures,
            "the same as a share of pgbench",
            [hot, pgbench],
            SHARE_OF_PGBENCH,
        ),
        share(figures, &together, [crowd, hot], SHARE_OF_ONE_WORKER),
        share(
            figures,
            "buys acknowledged as a share of an empty route",
            [rate(Target::Gateway), rate(Target::EmptyRoute)],
            SHARE_OF_EMPTY_ROUTE,
        ),
        amount(
            figures,
            "gateway with a full lane",
            Measure::GatewayMemory,
            Bound::Below(GATEWAY_MEGABYTES),
        ),
        amount(
            figures,
            "worker draining a full lane",
            Measure::WorkerMemory,
            Bound::Below(WORKER_MEGABYTES),
        ),
    ];
    judgements.into_iter().flatten().collect()
}

fn amount(figures: &Figures, promise: &str, measure: Measure, bound: Bound) -> Option<Judgement> {
    Some(Judgement {
        promise: promise.to_owned(),
        measured: figures.median(measure)?,
        bound,
        unit: Some(measure.unit()),
    })
}

/// The first measure as a share of the second.
fn share(
    figures: &Figures,
    promise: &str,
    [measure, of]: [Measure; 2],
    least: f64,
) -> Option<Judgement> {
    Some(Judgement {
        promise: promise.to_owned(),
        measured: figures.share(measure, of)?,
        bound: Bound::AtLeast(least),
        unit: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_measured_is_not_judged() {
        assert_eq!(judge(&Figures::default()), Vec::new());
    }

    #[test]
    fn a_slow_settlement_is_a_miss_even_when_its_share_is_high() {
        let mut figures = Figures::default();
        figures.add(one_worker(DEFAULT_BATCH), 20_000.0);
        let pgbench = Measure::Pgbench {
            products: 1,
            batch: DEFAULT_BATCH,
        };
        figures.add(pgbench, 21_000.0);
        let met: Vec<bool> = judge(&figures).iter().map(Judgement::is_met).collect();
        assert_eq!(met, [false, true]);
    }

    #[test]
    fn memory_must_stay_below_its_bound() {
        let mut figures = Figures::default();
        figures.add(Measure::GatewayMemory, 100.0);
        assert!(!judge(&figures)[0].is_met());
    }
}
