//! What the system has promised, and whether it holds.

mod acknowledgements;
mod growth;
mod peer;
mod settlement;
mod shoppers;
mod tokens;

use crate::{
    figures::Figures,
    measure::{Measure, Unit},
};

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
    let judgements = [
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
    settlement::judge(figures)
        .into_iter()
        .chain(judgements.into_iter().flatten())
        .chain(acknowledgements::judge(figures))
        .chain(tokens::judge(figures))
        .chain(shoppers::judge(figures))
        .chain(growth::judge(figures))
        .chain(peer::judge(figures))
        .collect()
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
    fn memory_must_stay_below_its_bound() {
        let mut figures = Figures::default();
        figures.add(Measure::GatewayMemory, 100.0);
        assert!(!judge(&figures)[0].is_met());
    }
}
