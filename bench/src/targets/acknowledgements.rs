//! What was promised of acknowledgements.

use super::{Bound, Judgement, amount, share};
use crate::{
    figures::Figures,
    measure::{
        Measure,
        confirmation::Quantile,
        http::{Aspect, Target},
        open_loop::{Figure, Load},
    },
};

/// Share of the empty route's requests that the gateway acknowledges at least.
const SHARE_OF_EMPTY_ROUTE: f64 = 0.5;

/// Milliseconds within which 99 of 100 buys are acknowledged at half of the greatest rate.
const PERCENTILE99_MS: f64 = 10.0;

/// Share of the buys acknowledged with `appendfsync everysec` that are with `always`, at least.
const SHARE_OF_EVERY_SECOND: f64 = 0.4;

/// Share of the buys acknowledged beside a replica that are when it must have each of them, at least.
const SHARE_OF_FOLLOWED: f64 = 0.4;

/// Judges acknowledgements.
pub(super) fn judge(figures: &Figures) -> Vec<Judgement> {
    let rate = |target| Measure::Http(target, Aspect::Rate);
    let latency = Measure::OpenLoop(
        Target::Gateway,
        Load::Half,
        Figure::Latency(Quantile::Percentile99),
    );
    let judgements = [
        share(
            figures,
            "buys acknowledged as a share of an empty route",
            [rate(Target::Gateway), rate(Target::EmptyRoute)],
            SHARE_OF_EMPTY_ROUTE,
        ),
        amount(
            figures,
            "p99 at half of the most buys a second",
            latency,
            Bound::Below(PERCENTILE99_MS),
        ),
        share(
            figures,
            "buys with appendfsync always beside everysec",
            [rate(Target::GatewaySyncing), rate(Target::Gateway)],
            SHARE_OF_EVERY_SECOND,
        ),
        share(
            figures,
            "buys with redisReplicas 1 beside 0, one replica",
            [
                rate(Target::GatewayReplicated),
                rate(Target::GatewayFollowed),
            ],
            SHARE_OF_FOLLOWED,
        ),
    ];
    judgements.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn met(empty_route: f64, gateway: f64, [syncing, replicated]: [f64; 2], p99: f64) -> Vec<bool> {
        let mut figures = Figures::default();
        for (target, rate) in [
            (Target::EmptyRoute, empty_route),
            (Target::Gateway, gateway),
            (Target::GatewaySyncing, syncing),
            (Target::GatewayFollowed, gateway),
            (Target::GatewayReplicated, replicated),
        ] {
            figures.add(Measure::Http(target, Aspect::Rate), rate);
        }
        let figure = Figure::Latency(Quantile::Percentile99);
        let half = Measure::OpenLoop(Target::Gateway, Load::Half, figure);
        figures.add(half, p99);
        judge(&figures).iter().map(Judgement::is_met).collect()
    }

    #[test]
    fn each_promise_can_be_missed() {
        let slow = [12_000.0, 12_000.0];
        let all = [true, true, true, true];
        assert_eq!(met(60_000.0, 30_000.0, slow, 9.9), all);
        let missed = [false, true, true, true];
        assert_eq!(met(60_000.0, 29_000.0, slow, 9.9), missed);
        let missed = [true, true, false, true];
        assert_eq!(met(60_000.0, 30_000.0, [11_000.0, 12_000.0], 9.9), missed);
        let missed = [true, true, true, false];
        assert_eq!(met(60_000.0, 30_000.0, [12_000.0, 11_000.0], 9.9), missed);
        assert_eq!(
            met(60_000.0, 30_000.0, slow, 10.0),
            [true, false, true, true]
        );
    }
}
