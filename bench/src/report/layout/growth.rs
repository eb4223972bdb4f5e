//! The rows of growth: each cost at every size, smallest first.

use super::Section;
use crate::measure::{
    Measure,
    growth::{BUYS, Cost, JOBS, PRODUCTS, SALES, Size},
};

/// The sections of growth. The share in a row is of the same cost at the smallest size.
pub(super) fn sections() -> Vec<Section> {
    vec![
        Section {
            title: "Buys through one sale, beside the fewest",
            rows: rows(
                BUYS.map(Size::Buys),
                &[
                    Cost::Orders,
                    Cost::GatewayMemory,
                    Cost::WorkerMemory,
                    Cost::RedisSettled,
                    Cost::Deleting,
                    Cost::RedisLeft,
                ],
            ),
        },
        Section {
            title: "Jobs in one lane, beside the fewest",
            rows: rows(
                JOBS.map(Size::Jobs),
                &[
                    Cost::Orders,
                    Cost::PostgresForOrder,
                    Cost::WorkerForOrder,
                    Cost::RedisForOrder,
                    Cost::WorkerMemory,
                    Cost::RedisQueued,
                    Cost::RedisSettled,
                ],
            ),
        },
        Section {
            title: "Products of one sale, 8 lanes at a time",
            rows: rows(
                PRODUCTS.map(Size::Products),
                &[
                    Cost::GatewayForBuy,
                    Cost::RedisForBuy,
                    Cost::Orders,
                    Cost::Emptying,
                    Cost::PostgresForOrder,
                    Cost::WorkerForOrder,
                    Cost::RedisForOrder,
                ],
            ),
        },
        Section {
            title: "Open sales, all but one asleep",
            rows: rows(
                SALES.map(Size::Sales),
                &[
                    Cost::GatewayAsleep,
                    Cost::WorkerAsleep,
                    Cost::RedisAsleep,
                    Cost::CommandsAsleep,
                    Cost::GatewayForBuy,
                    Cost::GatewayMemory,
                    Cost::WorkerMemory,
                ],
            ),
        },
    ]
}

fn rows<const SIZES: usize>(sizes: [Size; SIZES], costs: &[Cost]) -> Vec<Measure> {
    costs
        .iter()
        .flat_map(|cost| sizes.map(|size| Measure::Growth(size, *cost)))
        .collect()
}
