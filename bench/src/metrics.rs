//! What is measured: every line of the report, where it stands, and what it is held against.
//!
//! A line shows a *series*: the id of a metric with its labels, e.g.
//! `settlement workers=8 products=1 batch=1000`. Measurements record values under such names and
//! know nothing else of the report. [`table::SECTIONS`] says the rest of each, in one place.

pub mod table;

use std::sync::LazyLock;

use table::SECTIONS;

/// What a value counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Orders, buys or requests per second.
    PerSecond,
    /// Milliseconds.
    Milliseconds,
    /// Microseconds.
    Microseconds,
    /// Milliseconds of processor time per second; ten are a hundredth of a core.
    MillisecondsPerSecond,
    /// Megabytes of 1,000,000 bytes.
    Megabytes,
    /// Bytes.
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
pub struct Metric {
    /// Its id and labels; `{label}` stands for the label's value.
    pub series: &'static str,
    /// What its line is called; `{label}` stands for the label's text.
    pub title: &'static str,
    /// What its values count.
    pub unit: Unit,
    /// What it is shown as a share of.
    pub limit: Limit,
}

/// What a metric is shown as a share of.
#[derive(Debug, Clone, Copy)]
pub enum Limit {
    /// Nothing.
    None,
    /// Nothing: it is itself a limit.
    Itself,
    /// This series, which is itself a limit; `{label}` stands for the label's value.
    Series(&'static str),
}

/// A label with the values that are measured.
#[derive(Debug, Clone, Copy)]
pub enum Label {
    /// Name; numbers, shown as they are.
    Numbers(&'static str, &'static [u32]),
    /// Name; what is counted, in the singular; numbers, shown with that.
    Counts(&'static str, &'static str, &'static [u32]),
    /// Name; words, each with what is shown.
    Words(&'static str, &'static [(&'static str, &'static str)]),
}

/// In which order a block's lines stand.
#[derive(Debug, Clone, Copy)]
pub enum Order {
    /// All metrics for the first combination of the labels' values, then all for the next.
    Rows,
    /// Each metric at every value of its one label, as a share of what it is at the first. The label
    /// is added to series and titles.
    Growth,
}

/// Lines that stand together.
#[derive(Debug, Clone, Copy)]
pub struct Block {
    /// Their order.
    pub order: Order,
    /// Labels that their templates name.
    pub labels: &'static [Label],
    /// What is measured.
    pub metrics: &'static [Metric],
}

/// Lines under one heading.
#[derive(Debug, Clone, Copy)]
pub struct Section {
    /// The heading.
    pub title: &'static str,
    /// Its lines, each limit above what is held against it.
    pub blocks: &'static [Block],
}

/// One line of the report.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The heading that it stands under.
    pub section: &'static str,
    /// What values are recorded under.
    pub series: String,
    /// What it is called; no other line is called so.
    pub title: String,
    /// What its values count.
    pub unit: Unit,
    /// The series that it is shown as a share of.
    pub limit: Option<String>,
    /// Whether it is itself a limit.
    pub is_limit: bool,
}

/// All lines, in the order of the report.
#[must_use]
pub fn rows() -> &'static [Row] {
    static ROWS: LazyLock<Vec<Row>> = LazyLock::new(|| {
        let sections = SECTIONS.iter();
        sections.flat_map(Section::rows).collect()
    });
    &ROWS
}

/// The line of `series`.
#[must_use]
pub fn row(series: &str) -> Option<&'static Row> {
    rows().iter().find(|row| row.series == series)
}

impl Unit {
    /// The unit as it is written behind a value, and in the report for programs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
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
    #[must_use]
    pub fn format(self, value: f64) -> String {
        match self {
            Self::Count | Self::Share => self.number(value),
            _ => format!("{} {}", self.number(value), self.as_str()),
        }
    }

    /// A value without its unit, with as many digits as mean something.
    #[must_use]
    pub fn number(self, value: f64) -> String {
        match self {
            Self::PerSecond | Self::Bytes | Self::Count => grouped(value),
            Self::Milliseconds | Self::MillisecondsPerSecond => format!("{value:.2}"),
            Self::Megabytes | Self::Microseconds | Self::Times => format!("{value:.1}"),
            Self::Share => format!("{:.0} %", value * 100.0),
        }
    }
}

/// Rounded to a whole number, its digits in groups of three.
fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A label's name, one of its values, and how that is shown.
type Chosen = (&'static str, String, String);

impl Label {
    fn choices(self) -> Vec<Chosen> {
        match self {
            Self::Numbers(name, numbers) => {
                let choice = |one: &u32| (name, one.to_string(), one.to_string());
                numbers.iter().map(choice).collect()
            }
            Self::Counts(name, noun, numbers) => {
                let plural = |one: &u32| if *one == 1 { "" } else { "s" };
                let choice = |one| {
                    (
                        name,
                        format!("{one}"),
                        format!("{one} {noun}{}", plural(one)),
                    )
                };
                numbers.iter().map(choice).collect()
            }
            Self::Words(name, words) => {
                let choice =
                    |(value, text): &(&str, &str)| (name, (*value).to_owned(), (*text).to_owned());
                words.iter().map(choice).collect()
            }
        }
    }
}

impl Section {
    fn rows(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        for block in self.blocks {
            match block.order {
                Order::Rows => {
                    for chosen in combinations(block.labels) {
                        rows.extend(block.metrics.iter().map(|metric| self.row(metric, &chosen)));
                    }
                }
                Order::Growth => {
                    let sizes = block.labels.iter().flat_map(|label| label.choices());
                    let sizes: Vec<Chosen> = sizes.collect();
                    for metric in block.metrics {
                        rows.extend(self.grown(metric, &sizes));
                    }
                }
            }
        }
        rows
    }

    fn row(&self, metric: &Metric, chosen: &[Chosen]) -> Row {
        let value = |(name, value, _): &Chosen| (format!("{{{name}}}"), value.clone());
        let text = |(name, _, text): &Chosen| (format!("{{{name}}}"), text.clone());
        let series = filled(metric.series, chosen.iter().map(value));
        let limit = match metric.limit {
            Limit::Series(limit) => Some(filled(limit, chosen.iter().map(value))),
            Limit::None | Limit::Itself => None,
        };
        let is_limit = matches!(metric.limit, Limit::Itself) || limit.as_ref() == Some(&series);
        Row {
            section: self.title,
            title: filled(metric.title, chosen.iter().map(text)),
            unit: metric.unit,
            limit: limit.filter(|_| !is_limit),
            is_limit,
            series,
        }
    }

    fn grown(&self, metric: &Metric, sizes: &[Chosen]) -> Vec<Row> {
        let series = |(name, value, _): &Chosen| format!("{} {name}={value}", metric.series);
        let smallest = sizes.first().map(series);
        let row = |size: &Chosen| Row {
            section: self.title,
            series: series(size),
            title: format!("{}: {}", size.2, metric.title),
            unit: metric.unit,
            limit: smallest.clone().filter(|limit| *limit != series(size)),
            is_limit: false,
        };
        sizes.iter().map(row).collect()
    }
}

/// Every choice of each label with every choice of the others, those of the last label nearest.
fn combinations(labels: &[Label]) -> Vec<Vec<Chosen>> {
    let mut all = vec![Vec::new()];
    for label in labels {
        let choices = label.choices();
        let with_each = |before: &Vec<Chosen>| {
            let with = |choice: &Chosen| [before.as_slice(), std::slice::from_ref(choice)].concat();
            choices.iter().map(with).collect::<Vec<_>>()
        };
        all = all.iter().flat_map(with_each).collect();
    }
    all
}

/// The template with every part in the place of its name.
fn filled(template: &str, parts: impl Iterator<Item = (String, String)>) -> String {
    parts.fold(template.to_owned(), |text, (name, part)| {
        text.replace(&name, &part)
    })
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;

    #[test]
    fn every_limit_stands_above_what_is_held_against_it() {
        let mut above = BTreeSet::new();
        for row in rows() {
            let limit = row.limit.as_deref();
            assert!(limit.is_none_or(|limit| above.contains(limit)), "{row:?}");
            assert!(above.insert(row.series.as_str()), "{row:?} stands twice");
            assert!(
                !row.series.contains('{') && !row.title.contains('{'),
                "{row:?}"
            );
        }
    }

    #[test]
    fn no_two_lines_have_one_title() {
        let titles: BTreeSet<&str> = rows().iter().map(|row| row.title.as_str()).collect();
        assert_eq!(titles.len(), rows().len());
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
        let limit = |jobs: u32| {
            row(&format!("queued-bytes jobs={jobs}"))
                .unwrap()
                .limit
                .as_deref()
        };
        assert_eq!(limit(10_000), None);
        assert_eq!(limit(1_000_000), Some("queued-bytes jobs=10000"));
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
