//! The table on the terminal.

use std::fmt::Write as _;

use crate::{
    figures::Figures,
    machine::Machine,
    measure::Measure,
    report::{
        layout::{self, Section},
        value,
    },
    targets::{Bound, Judgement},
};

/// Width of the rows' names.
const NAME: usize = 52;

/// Width of a value and of a share.
const VALUE: usize = 13;

/// Width of the range.
const RANGE: usize = 19;

/// Everything that was measured, and what is to be thought of it.
#[must_use]
pub fn render(
    machine: &Machine,
    figures: &Figures,
    judgements: &[Judgement],
    rounds: u32,
) -> String {
    let mut text = format!("{}\n", machine.describe());
    for warning in machine.warnings() {
        line(&mut text, &format!("WARNING: {warning}"));
    }
    let taken = match rounds {
        1 => "one round: an impression, not a figure".to_owned(),
        rounds => format!("medians of {rounds} rounds, and their range"),
    };
    line(&mut text, &taken);
    for section in layout::sections() {
        render_section(&mut text, &section, figures);
    }
    render_targets(&mut text, judgements);
    text
}

fn render_section(text: &mut String, section: &Section, figures: &Figures) {
    let rows: Vec<String> = section
        .rows
        .iter()
        .filter_map(|measure| row(*measure, figures))
        .collect();
    if rows.is_empty() {
        return;
    }
    let has_limits = section.rows.iter().any(|measure| measure.is_limit());
    let (title, share) = (section.title, if has_limits { "of its limit" } else { "" });
    line(text, "");
    line(
        text,
        &format!(
            "{title:<NAME$}{:>VALUE$}  {:<RANGE$}{share:>VALUE$}",
            "", ""
        ),
    );
    for row in rows {
        line(text, &row);
    }
}

fn row(measure: Measure, figures: &Figures) -> Option<String> {
    let samples = figures.samples(measure)?;
    let (median, (least, most)) = (samples.median()?, samples.range()?);
    let unit = measure.unit();
    let range = match samples.values().len() {
        1 => String::new(),
        _ => format!(
            "{} – {}",
            value::number(least, unit),
            value::number(most, unit)
        ),
    };
    let share = match measure
        .limit()
        .and_then(|limit| figures.share(measure, limit))
    {
        Some(share) => value::share(share),
        None if measure.is_limit() => "limit".to_owned(),
        None => String::new(),
    };
    let (name, value) = (format!("  {measure}"), value::format(median, unit));
    Some(format!(
        "{name:<NAME$}{value:>VALUE$}  {range:<RANGE$}{share:>VALUE$}"
    ))
}

fn render_targets(text: &mut String, judgements: &[Judgement]) {
    if judgements.is_empty() {
        return;
    }
    line(text, "");
    line(text, "Targets");
    for judgement in judgements {
        let measured = amount(judgement, judgement.measured);
        let bound = match judgement.bound {
            Bound::AtLeast(least) => format!("at least {}", amount(judgement, least)),
            Bound::Below(most) => format!("below {}", amount(judgement, most)),
        };
        let verdict = if judgement.is_met() { "ok" } else { "MISSED" };
        let promise = format!("  {}", judgement.promise);
        line(
            text,
            &format!("{promise:<NAME$}{measured:>VALUE$}  {bound:<RANGE$}{verdict:>VALUE$}"),
        );
    }
}

fn amount(judgement: &Judgement, amount: f64) -> String {
    judgement
        .unit
        .map_or_else(|| value::share(amount), |unit| value::format(amount, unit))
}

/// Adds a line without blanks at its end.
fn line(text: &mut String, line: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{}", line.trim_end());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{measure::one_worker, targets::judge};

    fn machine() -> Machine {
        Machine {
            processor: Some("Some CPU".to_owned()),
            cores: 2,
            postgres: "15.1".to_owned(),
            fsync: "on".to_owned(),
            synchronous_commit: "on".to_owned(),
            redis: "7.0.15".to_owned(),
            in_memory: false,
            others_used: 0.0,
            debug_build: false,
        }
    }

    fn figures() -> Figures {
        let mut figures = Figures::default();
        let plain = one_worker(1_000).limit().unwrap();
        for (limit, ours) in [
            (60_000.0, 20_000.0),
            (50_000.0, 24_000.0),
            (40_000.0, 22_000.0),
        ] {
            figures.add(plain, limit);
            figures.add(one_worker(1_000), ours);
        }
        figures
    }

    #[test]
    fn a_row_has_median_range_and_share() {
        let row = row(one_worker(1_000), &figures()).unwrap();
        let words: Vec<&str> = row.split_whitespace().collect();
        assert_eq!(
            words.join(" "),
            "1 worker, 1 product, batches of 1000 22,000 /s 20,000 – 24,000 48 %"
        );
    }

    #[test]
    fn a_missed_target_cannot_be_overlooked() {
        let figures = figures();
        let text = render(&machine(), &figures, &judge(&figures), 3);
        assert!(text.contains("MISSED"), "{text}");
        assert!(!text.contains("Memory"), "{text}");
    }
}
