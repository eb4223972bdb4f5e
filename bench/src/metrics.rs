//! What is measured: every line of the report, where it stands, and what it is held against.
//!
//! A line shows a *series*: the id of a metric with its labels, e.g.
//! `settlement workers=8 products=1 batch=1000`. Measurements record values under such names and
//! know nothing else of the report. [`table::SECTIONS`] says the rest of each, in one place.

pub(crate) mod table;

use std::{collections::BTreeSet, sync::LazyLock};

use flashsale_testbed::figures::grouped;
use table::{QUANTILES, SECTIONS};

/// What a value counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Orders, buys or requests per second.
    PerSecond,
    Milliseconds,
    Microseconds,
    /// Milliseconds of processor time per second; ten are a hundredth of a core.
    MillisecondsPerSecond,
    /// Of 1,000,000 bytes.
    Megabytes,
    Bytes,
    /// A number of things.
    Count,
    /// How many times as much one thing is as another.
    Times,
    /// What part of another thing it is, shown in percent.
    Share,
}

/// A quantity, or one for each combination of the labels that it stands below.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Metric {
    /// Its id and labels; `{label}` stands for the label's value.
    series: &'static str,
    /// What its line is called; `{label}` stands for the label's text.
    title: &'static str,
    unit: Unit,
    /// A label of its own, whose values stand one below the other.
    label: Option<Label>,
    limit: Limit,
}

/// What a metric is shown as a share of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    None,
    /// Nothing: it is itself a limit.
    Itself,
    /// Itself at the first value of its own label.
    Smallest,
    /// This series, which is itself a limit; `{label}` stands for the label's value. Where it is
    /// not measured for a value of a label, there is no limit either.
    Series(&'static str),
}

/// A label with the values that are measured.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Label {
    /// Name; what is counted, in the singular, or nothing; numbers, shown with that.
    Numbers(&'static str, &'static str, &'static [u32]),
    /// Name; words, each with what is shown.
    Words(&'static str, &'static [(&'static str, &'static str)]),
    /// `quantile`; so many of [`QUANTILES`].
    Quantiles(usize),
}

/// Lines that stand together: all metrics for the first combination of the labels' values, then all
/// for the next.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Block {
    labels: &'static [Label],
    metrics: &'static [Metric],
}

/// Lines under one heading.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Section {
    pub(crate) title: &'static str,
    /// Each limit stands above what is held against it.
    blocks: &'static [Block],
}

/// One line of the report.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    /// The heading that it stands under.
    pub(crate) section: &'static str,
    /// What values are recorded under.
    pub(crate) series: String,
    /// What it is called; no other line is called so.
    pub(crate) title: String,
    /// What its values count.
    pub(crate) unit: Unit,
    /// The series that it is shown as a share of.
    pub(crate) limit: Option<String>,
    /// Whether it is itself a limit.
    pub(crate) is_limit: bool,
}

/// All lines, in the order of the report.
pub(crate) fn rows() -> &'static [Row] {
    static ROWS: LazyLock<Vec<Row>> = LazyLock::new(|| {
        let mut rows: Vec<Row> = SECTIONS.iter().flat_map(Section::rows).collect();
        let all: BTreeSet<String> = rows.iter().map(|row| row.series.clone()).collect();
        for row in &mut rows {
            row.limit.take_if(|limit| !all.contains(limit));
        }
        rows
    });
    &ROWS
}

/// The line of `series`.
pub(crate) fn row(series: &str) -> Option<&'static Row> {
    rows().iter().find(|row| row.series == series)
}

impl Unit {
    /// The unit as it is written behind a value, and in the report for programs.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::PerSecond => "/s",
            Self::Milliseconds => "ms",
            Self::Microseconds => "µs",
            Self::MillisecondsPerSecond => "ms/s",
            Self::Megabytes => "MB",
            Self::Bytes => "B",
            Self::Count => "",
            Self::Times => "×",
            Self::Share => "share",
        }
    }

    /// A value with its unit: `53,201 /s`, `2.91 ms`, `51 %`.
    pub(crate) fn format(self, value: f64) -> String {
        match self {
            Self::Count | Self::Share => self.number(value),
            _ => format!("{} {}", self.number(value), self.as_str()),
        }
    }

    /// A value without its unit, with as many digits as mean something.
    pub(crate) fn number(self, value: f64) -> String {
        match self {
            Self::PerSecond | Self::Bytes | Self::Count => grouped(format_args!("{value:.0}")),
            Self::Milliseconds | Self::MillisecondsPerSecond => format!("{value:.2}"),
            Self::Megabytes | Self::Microseconds | Self::Times => format!("{value:.1}"),
            Self::Share => format!("{:.0} %", value * 100.0),
        }
    }
}

/// A label's name, one of its values, and how that is shown.
type Chosen = (&'static str, String, String);

impl Label {
    fn choices(self) -> Vec<Chosen> {
        let choice = |name, value: &str, text: &str| (name, value.to_owned(), text.to_owned());
        match self {
            Self::Numbers(name, noun, numbers) => {
                let text = |number: u32| match (noun, number) {
                    ("", _) => number.to_string(),
                    (_, 1) => format!("1 {noun}"),
                    _ => format!("{number} {noun}s"),
                };
                let choice = |number: &u32| (name, number.to_string(), text(*number));
                numbers.iter().map(choice).collect()
            }
            Self::Words(name, words) => {
                let choice = |(value, text): &(&str, &str)| choice(name, value, text);
                words.iter().map(choice).collect()
            }
            Self::Quantiles(shown) => {
                let choice = |(name, _): &(&str, f64)| choice("quantile", name, name);
                QUANTILES[..shown].iter().map(choice).collect()
            }
        }
    }
}

impl Section {
    fn rows(&self) -> Vec<Row> {
        let mut rows: Vec<Row> = Vec::new();
        for block in self.blocks {
            for chosen in combinations(block.labels) {
                for metric in block.metrics {
                    let first = rows.len();
                    for own in combinations(metric.label.as_slice()) {
                        let mut row = self.row(metric, &[chosen.as_slice(), &own].concat());
                        if metric.limit == Limit::Smallest {
                            row.limit = rows.get(first).map(|smallest| smallest.series.clone());
                        }
                        rows.push(row);
                    }
                }
            }
        }
        rows
    }

    fn row(&self, metric: &Metric, chosen: &[Chosen]) -> Row {
        let series = filled(metric.series, chosen, |(_, value, _)| value);
        let limit = match metric.limit {
            Limit::Series(limit) => Some(filled(limit, chosen, |(_, value, _)| value)),
            Limit::None | Limit::Itself | Limit::Smallest => None,
        };
        let is_limit = metric.limit == Limit::Itself || limit.as_ref() == Some(&series);
        Row {
            section: self.title,
            title: filled(metric.title, chosen, |(_, _, text)| text),
            unit: metric.unit,
            limit: limit.filter(|_| !is_limit),
            is_limit,
            series,
        }
    }
}

/// Every choice of each label with every choice of the others, those of the last label nearest.
fn combinations(labels: &[Label]) -> Vec<Vec<Chosen>> {
    let mut all = vec![Vec::new()];
    for label in labels {
        let choices = label.choices();
        let with_each = |before: Vec<Chosen>| {
            let with = |choice: &Chosen| [&before, std::slice::from_ref(choice)].concat();
            choices.iter().map(with).collect::<Vec<_>>()
        };
        all = all.into_iter().flat_map(with_each).collect();
    }
    all
}

/// The template with a part of each choice in the place of its label.
fn filled(template: &str, chosen: &[Chosen], part: impl Fn(&Chosen) -> &String) -> String {
    chosen.iter().fold(template.to_owned(), |text, choice| {
        text.replace(&format!("{{{}}}", choice.0), part(choice))
    })
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    #[test]
    fn every_line_is_there_once_and_its_limit_stands_above_it() {
        let (mut above, mut titles) = (BTreeSet::new(), BTreeSet::new());
        for row in rows() {
            let limit = row.limit.as_deref();
            assert!(limit.is_none_or(|limit| above.contains(limit)), "{row:?}");
            assert!(above.insert(row.series.as_str()), "{row:?} stands twice");
            assert!(titles.insert(&row.title), "{row:?} is called as another");
            let mut texts = [&row.series, &row.title].into_iter();
            assert!(texts.all(|text| !text.contains('{')), "{row:?}");
        }
    }

    #[test]
    fn no_limit_is_one_that_is_never_measured() {
        let blocks = SECTIONS.iter().flat_map(|section| section.blocks);
        let metrics = blocks.flat_map(|block| block.metrics);
        for metric in metrics.filter(|metric| matches!(metric.limit, Limit::Series(_))) {
            let id = metric.series.split('{').next().unwrap();
            let mut lines = rows().iter().filter(|row| row.series.starts_with(id));
            assert!(lines.any(|row| row.limit.is_some()), "{metric:?}");
        }
    }

    /// All measurements' source.
    fn sources(directory: &Path) -> String {
        let mut text = String::new();
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            text += &if path.is_dir() {
                sources(&path)
            } else {
                fs::read_to_string(&path).unwrap()
            };
        }
        text
    }

    #[test]
    fn every_metric_is_recorded_by_a_measurement_with_each_word_of_its_labels() {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let table = fs::read_to_string(source.join("metrics/table.rs")).unwrap();
        let (constants, _) = table.split_once("macro_rules!").unwrap();
        let folders = ["measurements", "environment", "load"].map(|one| sources(&source.join(one)));
        let text = folders.concat() + constants;
        for row in rows() {
            let (id, labels) = row.series.split_once(' ').unwrap_or((&row.series, ""));
            let is_recorded = ["\"", " "].map(|end| text.contains(&format!("\"{id}{end}")));
            assert!(is_recorded.contains(&true), "nothing records `{id}`");
            let values = labels.split(' ').filter_map(|label| label.split_once('='));
            for (_, value) in values.filter(|(_, value)| value.parse::<u32>().is_err()) {
                assert!(text.contains(value), "nothing records `{}`", row.series);
            }
        }
    }

    #[test]
    fn labels_are_shown_with_what_they_count() {
        let one = row("settlement workers=1 products=10 batch=1000").unwrap();
        assert_eq!(one.title, "1 worker, 10 products, batches of 1000");
        let limit = one.limit.as_deref();
        assert_eq!(limit, Some("plain-batches products=10 batch=1000"));
        assert!(row(limit.unwrap()).unwrap().is_limit);
    }

    #[test]
    fn growth_is_held_against_the_smallest_size() {
        let limit = |series| row(series).unwrap().limit.as_deref();
        let smallest = "queued-bytes jobs=10000";
        assert_eq!(limit(smallest), None);
        assert_eq!(limit("queued-bytes jobs=1000000"), Some(smallest));
    }

    #[test]
    fn values_are_written_as_people_read_them() {
        assert_eq!(Unit::PerSecond.format(53_201.4), "53,201 /s");
        assert_eq!(Unit::PerSecond.format(999.0), "999 /s");
        assert_eq!(Unit::Count.format(1_000_000.0), "1,000,000");
        assert_eq!(Unit::Milliseconds.format(2.912), "2.91 ms");
        assert_eq!(Unit::Megabytes.format(41.26), "41.3 MB");
        assert_eq!(Unit::Share.format(0.507), "51 %");
    }
}
