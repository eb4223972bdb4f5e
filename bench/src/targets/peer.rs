//! What is promised beside the usual stack.

use crate::{
    figures::Figures,
    measure::{
        Aspect, Measure, Unit,
        peer::{Contest, Stack},
    },
};

use super::{Bound, Judgement};

/// How many times the usual stack's acknowledgements ours are at least.
const TIMES_ACKNOWLEDGED: f64 = 10.0;

/// How many times its orders of one hot product ours are at least.
const TIMES_SETTLED: f64 = 80.0;

/// Judges what was measured in turn with the usual stack.
pub(super) fn judge(figures: &Figures) -> impl Iterator<Item = Judgement> {
    let promises = [
        (
            "buys acknowledged beside Express and BullMQ",
            (|stack| Contest::Acknowledged(stack, Aspect::Rate)) as fn(Stack) -> Contest,
            TIMES_ACKNOWLEDGED,
        ),
        (
            "orders of one hot product beside them",
            Contest::Settled,
            TIMES_SETTLED,
        ),
    ];
    let judged = promises.map(|(promise, contest, least)| {
        let of = |stack| Measure::Peer(contest(stack));
        Some(Judgement {
            promise: promise.to_owned(),
            measured: figures.share(of(Stack::Flashsale), of(Stack::ExpressBullmq))?,
            bound: Bound::AtLeast(least),
            unit: Some(Unit::Times),
        })
    });
    judged.into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eighty_times_the_orders_are_promised_and_no_less() {
        let met = |ours: f64| {
            let mut figures = Figures::default();
            figures.add(Measure::Peer(Contest::Settled(Stack::ExpressBullmq)), 500.0);
            figures.add(Measure::Peer(Contest::Settled(Stack::Flashsale)), ours);
            let judged: Vec<bool> = judge(&figures).map(|judged| judged.is_met()).collect();
            judged
        };
        assert_eq!(met(40_000.0), [true]);
        assert_eq!(met(39_000.0), [false]);
    }
}
