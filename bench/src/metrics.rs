//! What is measured: every line of the report, where it stands, and what it is held against.
//!
//! A line shows a *series*: the id of a metric with its labels, e.g.
//! `settlement workers=8 products=1 batch=1000`. Measurements record values under such names and
//! know nothing else of the report. [`table::SECTIONS`] says the rest of each, in one place.

pub mod table;

use std::{borrow::Cow, sync::LazyLock};

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

/// Lines that stand together.
#[derive(Debug, Clone, Copy)]
pub enum Block {
    /// All metrics for the first combination of the labels' values, then all for the next.
    Rows(&'static [Label], &'static [Metric]),
    /// Each metric at every value of the label, as a share of what it is at the first. The label
    /// is added to series and titles.
    Growth(Label, &'static [Metric]),
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
type Chosen = (&'static str, Cow<'static, str>, Cow<'static, str>);

impl Label {
    fn choices(self) -> Vec<Chosen> {
        match self {
            Self::Numbers(name, numbers) => {
                let text = |number: &u32| Cow::Owned(number.to_string());
                numbers
                    .iter()
                    .map(|one| (name, text(one), text(one)))
                    .collect()
            }
            Self::Counts(name, noun, numbers) => {
                let shown = |number: &u32| match number {
                    1 => format!("1 {noun}"),
                    _ => format!("{number} {noun}s"),
                };
                let choice = |one: &u32| (name, one.to_string().into(), shown(one).into());
                numbers.iter().map(choice).collect()
            }
            Self::Words(name, words) => {
                let choice = |(value, text): &(&'static str, &'static str)| {
                    (name, Cow::Borrowed(*value), Cow::Borrowed(*text))
                };
                words.iter().map(choice).collect()
            }
        }
    }
}

impl Section {
    /// Its lines.
    fn rows(&self) -> Vec<Row> {
        let rows = |block: &Block| match block {
            Block::Rows(labels, metrics) => self.combined(labels, metrics),
            Block::Growth(label, metrics) => self.grown(*label, metrics),
        };
        self.blocks.iter().flat_map(rows).collect()
    }

    fn combined(&self, labels: &[Label], metrics: &[Metric]) -> Vec<Row> {
        let mut combinations: Vec<Vec<Chosen>> = vec![Vec::new()];
        for label in labels {
            let with = |before: &Vec<Chosen>| {
                let one_more = |choice| [before.as_slice(), &[choice]].concat();
                label
                    .choices()
                    .into_iter()
                    .map(one_more)
                    .collect::<Vec<_>>()
            };
            combinations = combinations.iter().flat_map(with).collect();
        }
        let of_one = |chosen: &Vec<Chosen>| {
            let row = |metric: &Metric| self.row(metric, chosen);
            metrics.iter().map(row).collect::<Vec<_>>()
        };
        combinations.iter().flat_map(of_one).collect()
    }

    fn row(&self, metric: &Metric, chosen: &[Chosen]) -> Row {
        let series = filled(metric.series, chosen, |(name, value, _)| (name, value));
        let limit = match metric.limit {
            Limit::Series(limit) => Some(filled(limit, chosen, |(name, value, _)| (name, value))),
            Limit::None | Limit::Itself => None,
        };
        let is_limit = matches!(metric.limit, Limit::Itself) || limit.as_ref() == Some(&series);
        Row {
            section: self.title,
            title: filled(metric.title, chosen, |(name, _, text)| (name, text)),
            unit: metric.unit,
            limit: limit.filter(|_| !is_limit),
            is_limit,
            series,
        }
    }

    fn grown(&self, label: Label, metrics: &[Metric]) -> Vec<Row> {
        let choices = label.choices();
        let at_all_sizes = |metric: &Metric| {
            let series = |(name, value, _): &Chosen| format!("{} {name}={value}", metric.series);
            let smallest = choices.first().map(series);
            let row = |choice: &Chosen| Row {
                section: self.title,
                series: series(choice),
                title: format!("{}: {}", choice.2, metric.title),
                unit: metric.unit,
                limit: smallest.clone().filter(|limit| *limit != series(choice)),
                is_limit: false,
            };
            choices.iter().map(row).collect::<Vec<_>>()
        };
        metrics.iter().flat_map(at_all_sizes).collect()
    }
}

/// The template with the labels' values or texts in their places.
fn filled<'a>(
    template: &str,
    chosen: &'a [Chosen],
    part: impl Fn(&'a Chosen) -> (&'a &'static str, &'a Cow<'static, str>),
) -> String {
    let fill = |text: String, (name, part): (&&str, &Cow<'_, str>)| {
        text.replace(&format!("{{{name}}}"), part)
    };
    chosen.iter().map(part).fold(template.to_owned(), fill)
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
    fn every_metric_is_recorded_by_a_measurement() {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let text = sources(&source.join("measurements")) + &sources(&source.join("fixtures"));
        for row in rows() {
            let id = row.series.split(' ').next().unwrap();
            let is_recorded = ["\"", " "].map(|end| text.contains(&format!("\"{id}{end}")));
            assert!(is_recorded.contains(&true), "nothing records `{id}`");
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
