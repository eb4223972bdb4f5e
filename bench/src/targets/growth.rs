//! What was promised of growth.

use super::{Bound, Judgement, amount};
use crate::{
    figures::Figures,
    measure::{
        Measure, Unit,
        growth::{BUYS, Cost, JOBS, PRODUCTS, SALES, Size},
    },
};

/// What memory may grow to from the first hundred thousand buys to a million.
const FLAT: f64 = 1.2;

/// Bytes of Redis for a queued buy, which must stay below.
const QUEUED_BYTES: f64 = 700.0;

/// Bytes of Redis for a settled buy, which must stay below.
const SETTLED_BYTES: f64 = 400.0;

/// Megabytes of Redis that a deleted sale may leave behind: what connections and statistics differ
/// by, far from anything that grows with buys.
const LEFT_MEGABYTES: f64 = 5.0;

/// Share of the speed with a tenth of the jobs that a lane of a million is emptied at, at least:
/// "no slower", less noise.
const SHARE_OF_SHORTER_LANE: f64 = 0.9;

/// Share of the speed of one lane that a thousand lanes are emptied at, at least. Their batches
/// hold a hundred jobs and so cost ten times the commits.
const SHARE_OF_ONE_LANE: f64 = 0.5;

/// What a buy may cost the gateway, of what it costs with one product, when there are a thousand.
const BUY_AMONG_PRODUCTS: f64 = 2.0;

/// Milliseconds of processor time a second, of gateway, worker and Redis together, that
/// sleeping sales may cost: a hundredth of a core.
const ASLEEP_MILLISECONDS: f64 = 10.0;

/// Judges what was measured of growth.
pub(super) fn judge(figures: &Figures) -> Vec<Judgement> {
    let [few, many] = BUYS.map(Size::Buys);
    let [_, long, longest] = JOBS.map(Size::Jobs);
    let [one, .., thousand] = PRODUCTS.map(Size::Products);
    let flat = |promise: &str, cost| ratio(figures, promise, cost, [many, few], Bound::Below(FLAT));
    let judgements = [
        flat(
            "gateway's memory, a million buys beside 100,000",
            Cost::GatewayMemory,
        ),
        flat(
            "worker's memory, a million buys beside 100,000",
            Cost::WorkerMemory,
        ),
        below(
            figures,
            "Redis, a queued buy of a million",
            longest,
            Cost::RedisQueued,
            QUEUED_BYTES,
        ),
        below(
            figures,
            "Redis, a settled buy of a million",
            many,
            Cost::RedisSettled,
            SETTLED_BYTES,
        ),
        below(
            figures,
            "Redis, left of a deleted sale",
            many,
            Cost::RedisLeft,
            LEFT_MEGABYTES,
        ),
        ratio(
            figures,
            "a lane of a million jobs beside 100,000",
            Cost::Orders,
            [longest, long],
            Bound::AtLeast(SHARE_OF_SHORTER_LANE),
        ),
        ratio(
            figures,
            "orders of 1,000 products beside 1",
            Cost::Orders,
            [thousand, one],
            Bound::AtLeast(SHARE_OF_ONE_LANE),
        ),
        ratio(
            figures,
            "gateway, a buy among 1,000 products beside 1",
            Cost::GatewayForBuy,
            [thousand, one],
            Bound::Below(BUY_AMONG_PRODUCTS),
        ),
        asleep(figures),
    ];
    judgements.into_iter().flatten().collect()
}

fn below(figures: &Figures, promise: &str, size: Size, cost: Cost, most: f64) -> Option<Judgement> {
    amount(
        figures,
        promise,
        Measure::Growth(size, cost),
        Bound::Below(most),
    )
}

/// The first size as a share of the second. Each has its own number of samples, so medians are
/// compared.
fn ratio(
    figures: &Figures,
    promise: &str,
    cost: Cost,
    [size, of]: [Size; 2],
    bound: Bound,
) -> Option<Judgement> {
    let median = |size| figures.median(Measure::Growth(size, cost));
    Some(Judgement {
        promise: promise.to_owned(),
        measured: median(size)? / median(of)?,
        bound,
        unit: None,
    })
}

/// What the most sales cost more than one while all of them sleep.
fn asleep(figures: &Figures) -> Option<Judgement> {
    let [one, .., most] = SALES.map(Size::Sales);
    let together = |size| {
        [Cost::GatewayAsleep, Cost::WorkerAsleep, Cost::RedisAsleep]
            .into_iter()
            .map(|cost| figures.median(Measure::Growth(size, cost)))
            .sum::<Option<f64>>()
    };
    Some(Judgement {
        promise: "99 sleeping sales, all processes together".to_owned(),
        measured: together(most)? - together(one)?,
        bound: Bound::Below(ASLEEP_MILLISECONDS),
        unit: Some(Unit::MillisecondsASecond),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdicts(values: &[(Size, Cost, f64)]) -> Vec<bool> {
        let mut figures = Figures::default();
        for (size, cost, value) in values {
            figures.add(Measure::Growth(*size, *cost), *value);
        }
        judge(&figures).iter().map(Judgement::is_met).collect()
    }

    #[test]
    fn memory_that_grows_with_the_buys_is_a_miss() {
        let memory = |many| {
            verdicts(&[
                (Size::Buys(BUYS[0]), Cost::GatewayMemory, 30.0),
                (Size::Buys(BUYS[1]), Cost::GatewayMemory, many),
            ])
        };
        assert_eq!(memory(35.0), [true]);
        assert_eq!(memory(37.0), [false]);
    }

    #[test]
    fn sleeping_sales_are_judged_by_what_they_add() {
        let asleep = |redis| {
            let mut values = Vec::new();
            for sales in [SALES[0], SALES[2]] {
                values.push((Size::Sales(sales), Cost::GatewayAsleep, 20.0));
                values.push((Size::Sales(sales), Cost::WorkerAsleep, 20.0));
            }
            values.push((Size::Sales(SALES[0]), Cost::RedisAsleep, 1.0));
            values.push((Size::Sales(SALES[2]), Cost::RedisAsleep, redis));
            verdicts(&values)
        };
        assert_eq!(asleep(2.0), [true]);
        assert_eq!(asleep(12.0), [false]);
    }

    #[test]
    fn the_longest_lane_is_held_against_the_one_before() {
        let lanes = |longest| {
            verdicts(&[
                (Size::Jobs(JOBS[1]), Cost::Orders, 40_000.0),
                (Size::Jobs(JOBS[2]), Cost::Orders, longest),
            ])
        };
        assert_eq!(lanes(37_000.0), [true]);
        assert_eq!(lanes(35_000.0), [false]);
    }
}
