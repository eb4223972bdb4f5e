//! What a run shows at its end: a table for people, and JSON for programs.

use serde_json::{Value, json};

use crate::{
    figures::Figures,
    machine::Machine,
    metrics::{self, Row, Unit, rows, table::SECTIONS},
    targets::{Bound, Judgement},
};

pub(crate) const TITLE: usize = 52;

/// Width of a value and of a share.
pub(crate) const VALUE: usize = 13;

const RANGE: usize = 19;

/// Everything that was measured, and what is to be thought of it.
pub(crate) fn table(
    machine: &Machine,
    figures: &Figures,
    judgements: &[Judgement],
    rounds: u32,
) -> String {
    let mut lines = vec![format!("{}\n", machine.describe())];
    for warning in machine.warnings() {
        lines.push(format!("WARNING: {warning}\n"));
    }
    lines.push(match rounds {
        1 => "one round: an impression, not a figure\n".to_owned(),
        rounds => format!("medians of {rounds} rounds, and their range\n"),
    });
    for section in SECTIONS {
        let mut rows = rows().iter().filter(|row| row.section == section.title);
        let shown = rows.clone().filter_map(|row| row_line(row, figures));
        let shown: Vec<String> = shown.collect();
        if !shown.is_empty() {
            let has_limits = rows.any(|row| row.is_limit);
            let share = if has_limits { "of its limit" } else { "" };
            lines.extend(["\n".to_owned(), columns(section.title, "", "", share)]);
            lines.extend(shown);
        }
    }
    if !judgements.is_empty() {
        lines.push("\nTargets\n".to_owned());
    }
    lines.extend(judgements.iter().map(target_line));
    lines.concat()
}

/// A line without blanks at its end.
fn columns(title: &str, value: &str, range: &str, share: &str) -> String {
    let line = format!("{title:<TITLE$}{value:>VALUE$}  {range:<RANGE$}{share:>VALUE$}");
    format!("{}\n", line.trim_end())
}

fn row_line(row: &Row, figures: &Figures) -> Option<String> {
    let samples = figures.samples(&row.series)?;
    let (median, (least, most)) = (samples.median()?, samples.range()?);
    let unit = row.unit;
    let range = match samples.values().len() {
        1 => String::new(),
        _ => format!("{} – {}", unit.number(least), unit.number(most)),
    };
    let share = match share(row, figures) {
        Some(share) => Unit::Share.format(share),
        None if row.is_limit => "limit".to_owned(),
        None => String::new(),
    };
    let title = format!("  {}", row.title);
    Some(columns(&title, &unit.format(median), &range, &share))
}

/// The median over the rounds of the value as a share of its limit.
fn share(row: &Row, figures: &Figures) -> Option<f64> {
    figures.share(&row.series, row.limit.as_deref()?)
}

fn target_line(judgement: &Judgement) -> String {
    let unit = judgement.unit();
    let bound = match judgement.target.bound {
        Bound::AtLeast(least) => format!("at least {}", unit.format(least)),
        Bound::Below(most) => format!("below {}", unit.format(most)),
    };
    let promise = format!("  {}", judgement.target.promise);
    let verdict = if judgement.is_met() { "ok" } else { "MISSED" };
    columns(&promise, &unit.format(judgement.measured), &bound, verdict)
}

/// The same for programs.
pub(crate) fn json(
    machine: &Machine,
    figures: &Figures,
    judgements: &[Judgement],
    (jobs, load_seconds): (u32, u32),
) -> Result<String, serde_json::Error> {
    let rows = rows().iter().filter_map(|row| figure(row, figures));
    let report = json!({
        "machine": machine,
        "jobs": jobs,
        "loadSeconds": load_seconds,
        "figures": rows.collect::<Vec<_>>(),
        "targets": judgements.iter().map(target).collect::<Vec<_>>(),
    });
    Ok(serde_json::to_string_pretty(&report)? + "\n")
}

fn figure(row: &Row, figures: &Figures) -> Option<Value> {
    let samples = figures.samples(&row.series)?;
    let limit = row.limit.as_deref().and_then(metrics::row);
    Some(json!({
        "section": row.section,
        "name": row.title,
        "unit": row.unit.as_str(),
        "median": samples.median()?,
        // One value a round.
        "samples": samples.values(),
        "limit": limit.map(|limit| &limit.title),
        "share": share(row, figures),
    }))
}

fn target(judgement: &Judgement) -> Value {
    let (at_least, below) = match judgement.target.bound {
        Bound::AtLeast(least) => (Some(least), None),
        Bound::Below(most) => (None, Some(most)),
    };
    json!({
        "promise": judgement.target.promise,
        "unit": judgement.unit().as_str(),
        "measured": judgement.measured,
        "atLeast": at_least,
        "below": below,
        "met": judgement.is_met(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::targets::judge;

    const HOT: &str = "settlement workers=1 products=1 batch=1000";

    fn figures() -> Figures {
        let mut figures = Figures::default();
        for (limit, ours) in [(60e3, 20e3), (50e3, 24e3), (40e3, 22e3)] {
            figures.add("plain-batches products=1 batch=1000", limit);
            figures.add(HOT, ours);
        }
        figures
    }

    #[test]
    fn a_line_has_median_range_and_share() {
        let line = row_line(metrics::row(HOT).unwrap(), &figures()).unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        let expected = "1 worker, 1 product, batches of 1000 22,000 /s 20,000 – 24,000 48 %";
        assert_eq!(words.join(" "), expected);
    }

    #[test]
    fn a_missed_target_cannot_be_overlooked() {
        let figures = figures();
        let text = table(&Machine::default(), &figures, &judge(&figures), 3);
        assert!(text.contains("MISSED"), "{text}");
        assert!(!text.contains("Memory"), "{text}");
    }

    #[test]
    fn programs_get_the_same_names_and_shares() {
        let figures = figures();
        let text = json(&Machine::default(), &figures, &judge(&figures), (1, 1)).unwrap();
        let report: serde_json::Value = serde_json::from_str(&text).unwrap();
        let hot = &report["figures"][1];
        assert_eq!(hot["name"], "1 worker, 1 product, batches of 1000");
        assert_eq!(hot["limit"], report["figures"][0]["name"]);
        assert_eq!(hot["share"], 0.48);
        assert_eq!(report["targets"][1]["unit"], "share");
    }
}
