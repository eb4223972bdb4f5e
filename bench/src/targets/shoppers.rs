//! What shoppers with a socket were promised.

use crate::{
    figures::Figures,
    measure::{
        Measure,
        confirmation::{Load, Quantile, Stage},
        sockets::SocketFigure,
    },
};

use super::{Bound, Judgement, amount};

/// Milliseconds within which half of all buys are confirmed, at 1,000 a second.
const STEADY_MEDIAN_MS: f64 = 15.0;

/// The same for 99 of 100.
const STEADY_PERCENTILE99_MS: f64 = 100.0;

/// Milliseconds within which 99 of 100 buys are confirmed, at 5,000 a second, however many
/// sockets are connected.
const BUSY_PERCENTILE99_MS: f64 = 300.0;

/// Bytes that a socket may cost the gateway.
const SOCKET_BYTES: f64 = 20_000.0;

/// Milliseconds within which a stock update reaches the last socket.
const TOLD_LAST_MS: f64 = 1_000.0;

/// Judges confirmations and sockets.
pub(super) fn judge(figures: &Figures) -> Vec<Judgement> {
    let confirmed = |load, quantile| Measure::Confirmation(load, Stage::Confirmed, quantile);
    let promises = [
        (
            "order_confirmed at 1,000 buys/s, p50",
            confirmed(Load::Steady, Quantile::Median),
            STEADY_MEDIAN_MS,
        ),
        (
            "order_confirmed at 1,000 buys/s, p99",
            confirmed(Load::Steady, Quantile::Percentile99),
            STEADY_PERCENTILE99_MS,
        ),
        (
            "order_confirmed at 5,000 buys/s, p99",
            confirmed(Load::Busy, Quantile::Percentile99),
            BUSY_PERCENTILE99_MS,
        ),
        (
            "the same with all sockets connected",
            confirmed(Load::Crowded, Quantile::Percentile99),
            BUSY_PERCENTILE99_MS,
        ),
        (
            "memory of the gateway for one socket",
            Measure::Sockets(SocketFigure::MemoryTold),
            SOCKET_BYTES,
        ),
        (
            "a stock update reaches the last socket",
            Measure::Sockets(SocketFigure::ToldLastLongest),
            TOLD_LAST_MS,
        ),
    ];
    let judged = promises
        .into_iter()
        .map(|(promise, measure, most)| amount(figures, promise, measure, Bound::Below(most)));
    judged.flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_confirmation_and_a_fat_socket_are_misses() {
        let mut figures = Figures::default();
        let median = Measure::Confirmation(Load::Steady, Stage::Confirmed, Quantile::Median);
        figures.add(median, 14.9);
        figures.add(Measure::Sockets(SocketFigure::MemoryTold), 20_001.0);
        let met: Vec<bool> = judge(&figures).iter().map(Judgement::is_met).collect();
        assert_eq!(met, [true, false]);
    }
}
