//! What was promised about settling orders.

use crate::{
    figures::Figures,
    measure::{DEFAULT_BATCH, Measure, PRODUCTS, WORKERS, one_worker},
};

use super::{Bound, Judgement, amount, share};

/// Orders a second of one hot product, at least.
const ORDERS_A_SECOND: f64 = 45_000.0;

/// Share of the plain statements' figure that settling reaches at least.
const SHARE_OF_PLAIN: f64 = 0.75;

/// Share of the figure of pgbench, to which no row is sent, that settling reaches at least.
const SHARE_OF_PGBENCH: f64 = 0.5;

/// What "no slower" is judged by, for [`WORKERS`] workers on one product and for [`PRODUCTS`]
/// products beside one: less the noise of a machine on which all compete for two cores, where one
/// and the same measurement differs by a tenth from minute to minute.
const NO_SLOWER: f64 = 0.9;

/// Judges settlement.
pub(super) fn judge(figures: &Figures) -> Vec<Judgement> {
    let hot = one_worker(DEFAULT_BATCH);
    let of = |workers, products| Measure::Settlement {
        workers,
        products,
        batch: DEFAULT_BATCH,
    };
    let orders = format!("one hot product is settled, batches of {DEFAULT_BATCH}");
    let judgements = [
        amount(figures, &orders, hot, Bound::AtLeast(ORDERS_A_SECOND)),
        hot.limit().and_then(|limit| {
            let promise = "the same as a share of the plain statements";
            share(figures, promise, [hot, limit], SHARE_OF_PLAIN)
        }),
        share(
            figures,
            "the same as a share of pgbench",
            [
                hot,
                Measure::Pgbench {
                    products: 1,
                    batch: DEFAULT_BATCH,
                },
            ],
            SHARE_OF_PGBENCH,
        ),
        share(
            figures,
            &format!("{WORKERS} workers on one product beside 1"),
            [of(WORKERS, 1), hot],
            NO_SLOWER,
        ),
        share(
            figures,
            &format!("1 worker on {PRODUCTS} products beside 1"),
            [of(1, PRODUCTS), hot],
            NO_SLOWER,
        ),
    ];
    judgements.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn met(figures: &Figures) -> Vec<bool> {
        judge(figures).iter().map(Judgement::is_met).collect()
    }

    #[test]
    fn a_slow_settlement_is_a_miss_even_when_its_share_is_high() {
        let hot = one_worker(DEFAULT_BATCH);
        let mut figures = Figures::default();
        figures.add(hot, 44_000.0);
        figures.add(hot.limit().unwrap(), 45_000.0);
        assert_eq!(met(&figures), [false, true]);
    }

    #[test]
    fn a_fast_settlement_far_from_its_limit_is_a_miss() {
        let hot = one_worker(DEFAULT_BATCH);
        let mut figures = Figures::default();
        figures.add(hot, 74_000.0);
        figures.add(hot.limit().unwrap(), 100_000.0);
        assert_eq!(met(&figures), [true, false]);
    }

    #[test]
    fn many_workers_and_products_are_held_against_one() {
        let mut figures = Figures::default();
        for (workers, products, orders) in [(1, 1, 50_000.0), (8, 1, 46_000.0), (1, 10, 44_000.0)] {
            let batch = DEFAULT_BATCH;
            let measure = Measure::Settlement {
                workers,
                products,
                batch,
            };
            figures.add(measure, orders);
        }
        assert_eq!(met(&figures), [true, true, false]);
    }
}
