//! All figures for programs.

use serde::Serialize;

use crate::{
    figures::Figures,
    machine::Machine,
    measure::{Measure, Unit},
    report::layout,
    targets::{Bound, Judgement},
};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    machine: &'a Machine,
    jobs: u32,
    load_seconds: u32,
    figures: Vec<Figure>,
    targets: Vec<TargetReport>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Figure {
    section: &'static str,
    name: String,
    unit: &'static str,
    median: f64,
    /// One value a round.
    samples: Vec<f64>,
    limit: Option<String>,
    /// Median over the rounds of the value as a share of its limit.
    share: Option<f64>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct TargetReport {
    promise: String,
    unit: &'static str,
    measured: f64,
    at_least: Option<f64>,
    below: Option<f64>,
    met: bool,
}

/// All figures as JSON.
pub fn render(
    machine: &Machine,
    figures: &Figures,
    judgements: &[Judgement],
    (jobs, load_seconds): (u32, u32),
) -> Result<String, serde_json::Error> {
    let rows = layout::sections().into_iter().flat_map(|section| {
        section
            .rows
            .into_iter()
            .filter_map(move |measure| figure(section.title, measure, figures))
    });
    let report = Report {
        machine,
        jobs,
        load_seconds,
        figures: rows.collect(),
        targets: judgements.iter().map(target).collect(),
    };
    Ok(serde_json::to_string_pretty(&report)? + "\n")
}

fn figure(section: &'static str, measure: Measure, figures: &Figures) -> Option<Figure> {
    let samples = figures.samples(measure)?;
    let limit = measure.limit();
    Some(Figure {
        section,
        name: measure.to_string(),
        unit: measure.unit().as_str(),
        median: samples.median()?,
        samples: samples.values().to_vec(),
        limit: limit.map(|limit| limit.to_string()),
        share: limit.and_then(|limit| figures.share(measure, limit)),
    })
}

fn target(judgement: &Judgement) -> TargetReport {
    let (at_least, below) = match judgement.bound {
        Bound::AtLeast(least) => (Some(least), None),
        Bound::Below(most) => (None, Some(most)),
    };
    TargetReport {
        promise: judgement.promise.clone(),
        unit: judgement.unit.map_or("share", Unit::as_str),
        measured: judgement.measured,
        at_least,
        below,
        met: judgement.is_met(),
    }
}
