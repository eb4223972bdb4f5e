//! What was promised of shoppers' tokens.

use super::{Bound, Judgement, amount};
use crate::{
    figures::Figures,
    measure::{
        Measure,
        tokens::{Signature, TokenCost, TokenFigure},
    },
};

/// How many times as much processor time as without a token a buy with a known one may cost.
const KNOWN_SHARE: f64 = 1.15;

/// Judges what tokens cost.
pub(super) fn judge(figures: &Figures) -> Vec<Judgement> {
    let judge = |signature: Signature| {
        let first = TokenCost {
            signature,
            figure: TokenFigure::FirstCheck,
        };
        let promise = format!("first check of {}", signature.as_str());
        let bound = Bound::Below(first_check_microseconds(signature));
        let known = TokenCost {
            signature,
            figure: TokenFigure::Known,
        };
        [
            amount(figures, &promise, Measure::TokenCost(first), bound),
            known.limit().and_then(|without| {
                Some(Judgement {
                    promise: format!("a known {} token beside none", signature.as_str()),
                    measured: figures.share(Measure::TokenCost(known), without)?,
                    bound: Bound::Below(KNOWN_SHARE),
                    unit: None,
                })
            }),
        ]
    };
    Signature::ALL
        .into_iter()
        .flat_map(judge)
        .flatten()
        .collect()
}

/// Microseconds that the first check may take.
fn first_check_microseconds(signature: Signature) -> f64 {
    match signature {
        Signature::Rs256 => 45.0,
        Signature::Es256 => 90.0,
        Signature::EdDsa => 60.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn met(first_check: f64, known: f64) -> Vec<bool> {
        let mut figures = Figures::default();
        for cost in TokenCost::all().filter(|cost| cost.signature == Signature::EdDsa) {
            let microseconds = match cost.figure {
                TokenFigure::FirstCheck => first_check,
                TokenFigure::Known => known,
                _ => 100.0,
            };
            figures.add(Measure::TokenCost(cost), microseconds);
        }
        judge(&figures).iter().map(Judgement::is_met).collect()
    }

    #[test]
    fn each_promise_can_be_missed() {
        assert_eq!(met(59.0, 114.0), [true, true]);
        assert_eq!(met(61.0, 114.0), [false, true]);
        assert_eq!(met(59.0, 116.0), [true, false]);
    }
}
