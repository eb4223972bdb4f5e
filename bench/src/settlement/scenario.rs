//! Who settles how much of what, how.

use crate::measure::{
    DEFAULT_BATCH, Measure, PRODUCTS, WORKERS,
    settlement::{Form, PlainBatches},
};

/// Most jobs of a scenario that no promise is about.
const MOST_JOBS: u32 = 100_000;

/// Most batches of a scenario like that: small batches take so long each that fewer orders are
/// seconds of work.
const MOST_BATCHES: u32 = 3_000;

/// The same where PostgreSQL is away, and every batch waits for the way.
const MOST_FAR_BATCHES: u32 = 300;

/// One settlement.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scenario {
    pub(super) workers: u32,
    pub(super) products: u32,
    pub(super) batch: u32,
    /// Milliseconds of a round trip to PostgreSQL; 0 for one on this machine.
    pub(super) away_ms: u32,
}

/// The scenario that targets are judged at.
pub(super) const JUDGED: Scenario = Scenario {
    workers: 1,
    products: 1,
    batch: DEFAULT_BATCH,
    away_ms: 0,
};

impl Scenario {
    /// One worker on one product.
    pub(super) fn of_batch(batch: u32) -> Self {
        Self { batch, ..JUDGED }
    }

    pub(super) fn of_workers(workers: u32) -> Self {
        Self { workers, ..JUDGED }
    }

    pub(super) fn of_products(products: u32) -> Self {
        Self { products, ..JUDGED }
    }

    pub(super) fn away(away_ms: u32, batch: u32) -> Self {
        Self {
            batch,
            away_ms,
            ..JUDGED
        }
    }

    pub(super) fn measure(self) -> Measure {
        let Self {
            workers,
            products,
            batch,
            away_ms,
        } = self;
        match away_ms {
            0 => Measure::Settlement {
                workers,
                products,
                batch,
            },
            _ => Measure::FarSettlement { away_ms, batch },
        }
    }

    /// The limit that stands beside it, however many workers there are.
    pub(super) fn limit(self, form: Form) -> PlainBatches {
        PlainBatches {
            form,
            products: self.products,
            batch: self.batch,
            away_ms: self.away_ms,
        }
    }

    /// Lanes that one worker drives at once, so that together they drive all.
    pub(super) fn lanes(self) -> u32 {
        self.products.div_ceil(self.workers)
    }

    /// How many jobs, of `chosen` for those that promises compare.
    pub(super) fn jobs(self, chosen: u32) -> u32 {
        let promised = [
            JUDGED,
            Self::of_workers(WORKERS),
            Self::of_products(PRODUCTS),
        ];
        if promised.contains(&self) {
            return chosen;
        }
        let most = match self.away_ms {
            0 => MOST_BATCHES,
            _ => MOST_FAR_BATCHES,
        };
        chosen.min(MOST_JOBS).min(self.batch * most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_promises_compare_is_equally_much_work() {
        for workers in [1, WORKERS] {
            assert_eq!(Scenario::of_workers(workers).jobs(200_000), 200_000);
        }
        assert_eq!(Scenario::of_products(PRODUCTS).jobs(200_000), 200_000);
    }

    #[test]
    fn small_batches_and_distant_ones_are_fewer() {
        assert_eq!(Scenario::of_batch(1).jobs(200_000), 3_000);
        assert_eq!(Scenario::of_batch(2_000).jobs(200_000), 100_000);
        assert_eq!(Scenario::away(5, 100).jobs(200_000), 30_000);
        assert_eq!(Scenario::away(5, DEFAULT_BATCH).jobs(200_000), 100_000);
    }

    #[test]
    fn lanes_of_all_workers_hold_all_products() {
        let scenario = Scenario {
            workers: 8,
            ..Scenario::of_products(10)
        };
        assert_eq!(scenario.lanes(), 2);
    }
}
