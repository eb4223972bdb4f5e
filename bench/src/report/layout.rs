//! Which rows stand where: each limit above what is held against it.

mod growth;
mod settlement;

use crate::{
    measure::{
        Aspect, Consumer, Measure, Target,
        confirmation::{self, Load},
        http::CONNECTIONS,
        open_loop,
        peer::Contest,
        sockets, tls,
        tokens::TokenCost,
    },
    redis_benchmark::PIPELINES,
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
    let mut sections = settlement::sections();
    sections.extend([
        Section {
            title: "Turnstile, buys",
            rows: turnstile(),
        },
        Section {
            title: "Acknowledgements, 64 connections",
            rows: acknowledgements(),
        },
        Section {
            title: "Acknowledgements, other numbers of connections",
            rows: crowds(),
        },
        Section {
            title: "Open loop, of the most POST /buy does",
            rows: open_loop::rows().collect(),
        },
        Section {
            title: "Processor time",
            rows: Consumer::ALL
                .into_iter()
                .map(Measure::ProcessorTime)
                .collect(),
        },
        Section {
            title: "Tokens of 1 kB, processor time of the gateway",
            rows: TokenCost::all().map(Measure::TokenCost).collect(),
        },
        Section {
            title: "TLS to the stores, processor time",
            rows: tls::rows().collect(),
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
        Section {
            title: "From a buy to order_confirmed",
            rows: Load::ALL.into_iter().flat_map(confirmation::rows).collect(),
        },
        Section {
            title: "Connected shoppers",
            rows: sockets::rows().collect(),
        },
    ]);
    sections.extend(growth::sections());
    sections.push(Section {
        title: "Beside the usual stack, 64 connections",
        rows: Contest::rows().into_iter().map(Measure::Peer).collect(),
    });
    sections
}

fn acknowledgements() -> Vec<Measure> {
    let targets = Target::USUAL.into_iter();
    targets.flat_map(requests).collect()
}

fn crowds() -> Vec<Measure> {
    let targets = CONNECTIONS.into_iter().flat_map(|connections| {
        [
            Target::EmptyRouteOver(connections),
            Target::GatewayOver(connections),
        ]
    });
    targets.flat_map(requests).collect()
}

fn requests(target: Target) -> impl Iterator<Item = Measure> {
    let aspects = Aspect::ALL.into_iter();
    aspects.map(move |aspect| Measure::Http(target, aspect))
}

fn turnstile() -> Vec<Measure> {
    let benchmarks = PIPELINES.map(|pipeline| Measure::RedisBenchmark { pipeline });
    let mut rows = vec![Measure::PlainWrites, Measure::Turnstile];
    rows.extend(benchmarks);
    rows
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
