//! Who settles how much of what, how.

use crate::metrics::table::{DEFAULT_BATCH, PRODUCTS, WORKERS};

/// Most jobs of a scenario that no promise is about.
const MOST_JOBS: u32 = 100_000;

/// Most batches of a scenario like that: small batches take so long each that fewer orders are
/// seconds of work.
const MOST_BATCHES: u32 = 3_000;

/// The same where PostgreSQL is away, and every batch waits for the way.
const MOST_FAR_BATCHES: u32 = 300;

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

pub(super) const MANY_WORKERS: Scenario = Scenario {
    workers: WORKERS,
    ..JUDGED
};

pub(super) const MANY_PRODUCTS: Scenario = Scenario {
    products: PRODUCTS,
    ..JUDGED
};

impl Scenario {
    pub(super) fn series(self) -> String {
        let Self {
            workers,
            products,
            batch,
            away_ms,
        } = self;
        match away_ms {
            0 => format!("settlement workers={workers} products={products} batch={batch}"),
            _ => format!("far-settlement ms={away_ms} batch={batch}"),
        }
    }

    /// The limit that stands beside it, however many workers there are.
    pub(super) fn limit_series(self) -> String {
        let Self {
            products,
            batch,
            away_ms,
            ..
        } = self;
        match away_ms {
            0 => format!("plain-batches products={products} batch={batch}"),
            _ => format!("far-plain-batches ms={away_ms} batch={batch}"),
        }
    }

    /// Lanes that one worker drives at once, so that together they drive all.
    pub(super) fn lanes(self) -> u32 {
        self.products.div_ceil(self.workers)
    }

    /// How many jobs, of `chosen` for those that promises compare.
    pub(super) fn jobs(self, chosen: u32) -> u32 {
        if [JUDGED, MANY_WORKERS, MANY_PRODUCTS].contains(&self) {
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
        for scenario in [JUDGED, MANY_WORKERS, MANY_PRODUCTS] {
            assert_eq!(scenario.jobs(200_000), 200_000);
        }
    }

    #[test]
    fn small_batches_and_distant_ones_are_fewer() {
        let jobs = |batch, away_ms| {
            Scenario {
                batch,
                away_ms,
                ..JUDGED
            }
            .jobs(200_000)
        };
        assert_eq!(jobs(1, 0), 3_000);
        assert_eq!(jobs(2_000, 0), 100_000);
        assert_eq!(jobs(100, 5), 30_000);
        assert_eq!(jobs(DEFAULT_BATCH, 5), 100_000);
    }

    #[test]
    fn lanes_of_all_workers_hold_all_products() {
        assert_eq!(
            Scenario {
                workers: 8,
                ..MANY_PRODUCTS
            }
            .lanes(),
            2
        );
    }
}
