//! The rows of settlement.

use super::Section;
use crate::measure::{
    DEFAULT_BATCH, Measure, one_worker,
    settlement::{ASSORTMENTS, BATCHES, CROWDS, DISTANCES, FAR_BATCHES, Form, PlainBatches},
};

/// The sections of settlement.
pub(super) fn sections() -> Vec<Section> {
    vec![
        Section {
            title: "Settlement, orders: 1 product, 1 worker",
            rows: batches(),
        },
        Section {
            title: "Settlement, orders: workers and products",
            rows: workers_and_products(),
        },
        Section {
            title: "Settlement, orders: PostgreSQL a round trip away",
            rows: far(),
        },
    ]
}

fn batches() -> Vec<Measure> {
    let (products, batch) = (1, DEFAULT_BATCH);
    let mut rows = vec![
        Measure::Pgbench { products, batch },
        Measure::PlainBatches(PlainBatches {
            form: Form::Copy,
            products,
            batch,
            away_ms: 0,
        }),
    ];
    for batch in BATCHES {
        rows.extend(below_its_limit(one_worker(batch)));
    }
    rows
}

/// Those with one of either stand among the batches.
fn workers_and_products() -> Vec<Measure> {
    let batch = DEFAULT_BATCH;
    let of = |workers, products| Measure::Settlement {
        workers,
        products,
        batch,
    };
    let crowds = CROWDS.into_iter().filter(|workers| *workers > 1);
    let assortments = ASSORTMENTS.into_iter().filter(|products| *products > 1);
    let mut rows: Vec<Measure> = crowds.map(|workers| of(workers, 1)).collect();
    rows.extend(assortments.flat_map(|products| below_its_limit(of(1, products))));
    rows
}

fn far() -> Vec<Measure> {
    let each = DISTANCES
        .into_iter()
        .flat_map(|away_ms| FAR_BATCHES.map(|batch| Measure::FarSettlement { away_ms, batch }));
    each.flat_map(below_its_limit).collect()
}

fn below_its_limit(measure: Measure) -> impl Iterator<Item = Measure> {
    measure.limit().into_iter().chain([measure])
}
