//! Which rows stand where: each limit above what is held against it.

use crate::measure::{
    Aspect, BATCHES, Consumer, DEFAULT_BATCH, Measure, PRODUCTS, Target, WORKERS, one_worker,
};

/// Rows under one heading.
#[derive(Debug, Clone, PartialEq)]
pub struct Section {
    /// The heading.
    pub title: &'static str,
    /// The rows.
    pub rows: Vec<Measure>,
}

/// All sections.
#[must_use]
pub fn sections() -> Vec<Section> {
    vec![
        Section {
            title: "Settlement, orders",
            rows: settlement(),
        },
        Section {
            title: "Turnstile, buys",
            rows: vec![Measure::PlainWrites, Measure::Turnstile],
        },
        Section {
            title: "Acknowledgements, 64 connections",
            rows: acknowledgements(),
        },
        Section {
            title: "Processor time",
            rows: Consumer::ALL
                .into_iter()
                .map(Measure::ProcessorTime)
                .collect(),
        },
        Section {
            title: "Memory",
            rows: vec![
                Measure::JobsQueued,
                Measure::GatewayMemory,
                Measure::WorkerMemory,
                Measure::RedisQueued,
                Measure::RedisSettled,
            ],
        },
    ]
}

fn settlement() -> Vec<Measure> {
    let settlement = |workers, products| Measure::Settlement {
        workers,
        products,
        batch: DEFAULT_BATCH,
    };
    let mut rows = Vec::new();
    for batch in BATCHES {
        rows.extend([Measure::Pgbench { products: 1, batch }, one_worker(batch)]);
        if batch == DEFAULT_BATCH {
            rows.push(settlement(WORKERS, 1));
        }
    }
    let limit = Measure::Pgbench {
        products: PRODUCTS,
        batch: DEFAULT_BATCH,
    };
    rows.extend([limit, settlement(1, PRODUCTS)]);
    rows
}

fn acknowledgements() -> Vec<Measure> {
    let targets = [
        Target::EmptyRoute,
        Target::Gateway,
        Target::GatewayAndWorker,
        Target::GatewaySyncing,
    ];
    let aspects = [Aspect::Rate, Aspect::Median, Aspect::Percentile99];
    targets
        .into_iter()
        .flat_map(|target| aspects.map(|aspect| Measure::Http(target, aspect)))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_limit_stands_above_what_is_held_against_it() {
        let rows: Vec<Measure> = sections()
            .into_iter()
            .flat_map(|section| section.rows)
            .collect();
        let mut above = BTreeSet::new();
        for row in rows {
            assert!(
                row.limit().is_none_or(|limit| above.contains(&limit)),
                "{row}"
            );
            assert!(above.insert(row), "{row} stands twice");
        }
    }

    #[test]
    fn no_two_rows_have_one_name() {
        let rows: Vec<Measure> = sections()
            .into_iter()
            .flat_map(|section| section.rows)
            .collect();
        let names: BTreeSet<String> = rows.iter().map(ToString::to_string).collect();
        assert_eq!(names.len(), rows.len());
    }
}
