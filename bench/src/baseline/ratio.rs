//! The ratios that a baseline holds.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    figures::{Figures, Samples},
    measure::{Aspect, Consumer, DEFAULT_BATCH, Measure, Target, Unit, WORKERS, one_worker},
};

/// The least margin of a comparison of speeds: two cores are shared by all that takes part, and
/// from hour to hour the same build differed by as much. What halves a speed is found all the same.
const SPEED_MARGIN: f64 = 0.35;

/// The same of processor time, which depends less on what else the machine does.
const COST_MARGIN: f64 = 0.3;

/// The same of bytes, which differ only by when Redis grows its tables.
const BYTES_MARGIN: f64 = 0.05;

/// One thing that must not get worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Ratio {
    /// Orders a second of one worker on one product, of the plain statements of its batches.
    SettlementOfLimit,
    /// Orders a second of several workers on one product, of one worker's.
    ManyWorkersOfOne,
    /// Buys a second through the turnstile's script, of the same writes by plain commands.
    TurnstileOfPlainWrites,
    /// Buys acknowledged a second, of the empty route's requests.
    BuysOfEmptyRoute,
    /// Processor time of gateway and Redis for a buy, of the empty route's for a request.
    BuyCostOfEmptyRoute,
    /// Processor time of PostgreSQL, worker and Redis for an order, of PostgreSQL's for pgbench's.
    OrderCostOfPgbench,
    /// Bytes of Redis for a queued buy.
    QueuedBytes,
    /// Bytes of Redis for a settled buy.
    SettledBytes,
}

impl Ratio {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::SettlementOfLimit,
        Self::ManyWorkersOfOne,
        Self::TurnstileOfPlainWrites,
        Self::BuysOfEmptyRoute,
        Self::BuyCostOfEmptyRoute,
        Self::OrderCostOfPgbench,
        Self::QueuedBytes,
        Self::SettledBytes,
    ];

    /// Its value in each round; none when it was not measured.
    #[must_use]
    pub fn samples(self, figures: &Figures) -> Option<Samples> {
        let speed = |measure, of| Some(figures.samples(measure)?.over(figures.samples(of)?));
        let cost = |of: &[Consumer], limit| Some(sum(figures, of)?.over(&sum(figures, &[limit])?));
        let requests = |target| Measure::Http(target, Aspect::Rate);
        let (products, batch) = (1, DEFAULT_BATCH);
        match self {
            Self::SettlementOfLimit => speed(one_worker(batch), one_worker(batch).limit()?),
            Self::ManyWorkersOfOne => {
                let workers = WORKERS;
                let many = Measure::Settlement {
                    workers,
                    products,
                    batch,
                };
                speed(many, one_worker(batch))
            }
            Self::TurnstileOfPlainWrites => speed(Measure::Turnstile, Measure::PlainWrites),
            Self::BuysOfEmptyRoute => {
                speed(requests(Target::Gateway), requests(Target::EmptyRoute))
            }
            Self::BuyCostOfEmptyRoute => cost(
                &[Consumer::Gateway, Consumer::RedisForGateway],
                Consumer::EmptyRoute,
            ),
            Self::OrderCostOfPgbench => cost(
                &[
                    Consumer::PostgresForWorker,
                    Consumer::Worker,
                    Consumer::RedisForWorker,
                ],
                Consumer::PostgresForPgbench,
            ),
            Self::QueuedBytes => figures.samples(Measure::RedisQueued).cloned(),
            Self::SettledBytes => figures.samples(Measure::RedisSettled).cloned(),
        }
    }

    /// Whether more of it is better.
    #[must_use]
    pub fn is_better_higher(self) -> bool {
        self.unit().is_none()
            && !matches!(self, Self::BuyCostOfEmptyRoute | Self::OrderCostOfPgbench)
    }

    /// The least margin that a baseline gives it.
    #[must_use]
    pub fn least_margin(self) -> f64 {
        match self {
            Self::QueuedBytes | Self::SettledBytes => BYTES_MARGIN,
            Self::BuyCostOfEmptyRoute | Self::OrderCostOfPgbench => COST_MARGIN,
            _ => SPEED_MARGIN,
        }
    }

    /// What it counts; none for a share.
    #[must_use]
    pub fn unit(self) -> Option<Unit> {
        matches!(self, Self::QueuedBytes | Self::SettledBytes).then_some(Unit::Bytes)
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::SettlementOfLimit => "orders settled, of the plain batches'",
            Self::ManyWorkersOfOne => "orders of 8 workers, of 1 worker's",
            Self::TurnstileOfPlainWrites => "turnstile's buys, of the plain writes'",
            Self::BuysOfEmptyRoute => "buys acknowledged, of an empty route's",
            Self::BuyCostOfEmptyRoute => "processor time of a buy, of an empty route's",
            Self::OrderCostOfPgbench => "processor time of an order, of pgbench's",
            Self::QueuedBytes => "Redis, for one queued buy",
            Self::SettledBytes => "Redis, for one settled buy",
        })
    }
}

/// What `consumers` used together, round by round.
fn sum(figures: &Figures, consumers: &[Consumer]) -> Option<Samples> {
    let mut total: Vec<f64> = Vec::new();
    for consumer in consumers {
        let used = figures.samples(Measure::ProcessorTime(*consumer))?.values();
        total.resize(used.len(), 0.0);
        for (total, used) in total.iter_mut().zip(used) {
            *total += used;
        }
    }
    Some(total.into_iter().collect())
}
