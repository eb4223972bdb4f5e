//! The values measured, one a round, and what is made of them.

use std::collections::BTreeMap;

use crate::metrics::{self, Unit};

/// Values in the order of the rounds.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    /// The value in the middle; the mean of both when there are two.
    pub(crate) fn median(&self) -> Option<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let upper = *sorted.get(sorted.len() / 2)?;
        let lower = sorted[(sorted.len() - 1) / 2];
        Some(f64::midpoint(lower, upper))
    }

    /// The least and the greatest value.
    pub(crate) fn range(&self) -> Option<(f64, f64)> {
        let values = || self.0.iter().copied();
        values()
            .min_by(f64::total_cmp)
            .zip(values().max_by(f64::total_cmp))
    }

    pub(crate) fn values(&self) -> &[f64] {
        &self.0
    }

    /// Both in each round, together.
    fn with(&self, other: &Self, together: impl Fn(f64, f64) -> f64) -> Self {
        let rounds = self.0.iter().zip(&other.0);
        Self(rounds.map(|(one, other)| together(*one, *other)).collect())
    }
}

/// Everything measured in a run, by its series.
#[derive(Debug, Clone, Default)]
pub(crate) struct Figures(BTreeMap<String, Samples>);

impl Figures {
    /// Adds this round's value of `series`.
    pub(crate) fn add(&mut self, series: &str, value: f64) {
        self.0.entry(series.to_owned()).or_default().0.push(value);
    }

    /// The values of `series`; none when it was not measured.
    pub(crate) fn samples(&self, series: &str) -> Option<&Samples> {
        self.0.get(series)
    }

    pub(crate) fn median(&self, series: &str) -> Option<f64> {
        self.samples(series)?.median()
    }

    /// The median over the rounds of `series` as a share of `limit`. Both were measured one right
    /// after the other, so what slows the machine for a while slows both.
    pub(crate) fn share(&self, series: &str, limit: &str) -> Option<f64> {
        let (series, limit) = (self.samples(series)?, self.samples(limit)?);
        series.with(limit, |one, limit| one / limit).median()
    }

    /// What `all` come to together, round by round.
    fn sum(&self, all: &[&str]) -> Option<Samples> {
        let mut all = all.iter().map(|series| self.samples(series));
        let first = all.next()??.clone();
        all.try_fold(first, |sum, one| Some(sum.with(one?, |sum, one| sum + one)))
    }
}

/// Something that is judged, made of one or more series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quantity {
    /// A series as it is.
    Of(&'static str),
    /// What the first come to together as a share of the second, round by round.
    Share(&'static [&'static str], &'static str),
    /// The same, shown as how many times as much.
    Times(&'static [&'static str], &'static str),
    /// The median of the first as a share of that of the second, where each has its own number of
    /// samples.
    ShareOfMedians(&'static str, &'static str),
    /// What the first, of one unit, come to more than the second.
    More(&'static [&'static str], &'static [&'static str]),
}

impl Quantity {
    /// Its values; none when not all of it was measured.
    pub(crate) fn samples(self, figures: &Figures) -> Option<Samples> {
        match self {
            Self::Of(series) => figures.samples(series).cloned(),
            Self::Share(some, other) | Self::Times(some, other) => {
                let (some, other) = (figures.sum(some)?, figures.samples(other)?);
                Some(some.with(other, |some, other| some / other))
            }
            Self::ShareOfMedians(one, other) => {
                Some(Samples(vec![figures.median(one)? / figures.median(other)?]))
            }
            Self::More(some, others) => {
                let (more, less) = (figures.sum(some)?, figures.sum(others)?);
                Some(more.with(&less, |more, less| more - less))
            }
        }
    }

    pub(crate) fn unit(self) -> Unit {
        match self {
            Self::Of(series) | Self::More(&[series, ..], _) => {
                metrics::row(series).map_or(Unit::Count, |row| row.unit)
            }
            Self::Times(..) => Unit::Times,
            _ => Unit::Share,
        }
    }

    /// The series that it is made of.
    #[cfg(test)]
    pub(crate) fn series(self) -> Vec<&'static str> {
        match self {
            Self::Of(one) => vec![one],
            Self::ShareOfMedians(one, other) => vec![one, other],
            Self::Share(some, other) | Self::Times(some, other) => [some, &[other]].concat(),
            Self::More(some, others) => [some, others].concat(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        let median = |values: &[f64]| Samples(values.to_vec()).median();
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[9.0, 1.0, 5.0]), Some(5.0));
        assert_eq!(median(&[1.0, 9.0]), Some(5.0));
    }

    #[test]
    fn a_share_compares_values_of_the_same_round() {
        let mut figures = Figures::default();
        for (script, plain) in [(50.0, 100.0), (10.0, 20.0), (30.0, 40.0)] {
            figures.add("turnstile", script);
            figures.add("plain-writes", plain);
        }
        assert_eq!(figures.share("turnstile", "plain-writes"), Some(0.5));
        assert_eq!(figures.share("turnstile", "jobs-queued"), None);
        let cost = Quantity::Share(&["turnstile", "plain-writes"], "turnstile");
        assert_eq!(cost.samples(&figures).unwrap().median(), Some(3.0));
        let medians = Quantity::ShareOfMedians("turnstile", "plain-writes");
        assert_eq!(medians.samples(&figures).unwrap().median(), Some(0.75));
    }

    #[test]
    fn what_was_not_measured_has_no_figure() {
        let mut figures = Figures::default();
        figures.add("turnstile", 1.0);
        assert_eq!(figures.median("plain-writes"), None);
        for quantity in [
            Quantity::Share(&["turnstile", "plain-writes"], "turnstile"),
            Quantity::More(&["turnstile"], &["plain-writes"]),
        ] {
            assert_eq!(quantity.samples(&figures), None);
        }
    }
}
