//! The values measured, one a round, and what is made of them.

use std::collections::BTreeMap;

use crate::measure::Measure;

/// The values of one measure, in the order of the rounds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Samples(Vec<f64>);

impl Samples {
    /// The value in the middle; the mean of both when there are two.
    #[must_use]
    pub fn median(&self) -> Option<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        let upper = *sorted.get(middle)?;
        if sorted.len().is_multiple_of(2) {
            Some(f64::midpoint(sorted[middle - 1], upper))
        } else {
            Some(upper)
        }
    }

    /// The least and the greatest value.
    #[must_use]
    pub fn range(&self) -> Option<(f64, f64)> {
        let least = self.0.iter().copied().min_by(f64::total_cmp)?;
        let greatest = self.0.iter().copied().max_by(f64::total_cmp)?;
        Some((least, greatest))
    }

    /// All values.
    #[must_use]
    pub fn values(&self) -> &[f64] {
        &self.0
    }

    /// What each value is as a share of the other's value of the same round.
    pub(crate) fn over(&self, other: &Self) -> Self {
        Self(
            self.0
                .iter()
                .zip(&other.0)
                .map(|(value, of)| value / of)
                .collect(),
        )
    }
}

impl FromIterator<f64> for Samples {
    fn from_iter<T: IntoIterator<Item = f64>>(values: T) -> Self {
        Self(values.into_iter().collect())
    }
}

/// Everything measured in a run.
#[derive(Debug, Clone, Default)]
pub struct Figures(BTreeMap<Measure, Samples>);

impl Figures {
    /// Adds this round's value of `measure`.
    pub fn add(&mut self, measure: Measure, value: f64) {
        self.0.entry(measure).or_default().0.push(value);
    }

    /// The values of `measure`; none when it was not measured.
    #[must_use]
    pub fn samples(&self, measure: Measure) -> Option<&Samples> {
        self.0.get(&measure)
    }

    /// The median of `measure`.
    #[must_use]
    pub fn median(&self, measure: Measure) -> Option<f64> {
        self.samples(measure)?.median()
    }

    /// The median over the rounds of `measure` as a share of `other`. Both were measured one
    /// right after the other, so what slows the machine for a while slows both.
    #[must_use]
    pub fn share(&self, measure: Measure, other: Measure) -> Option<f64> {
        self.samples(measure)?.over(self.samples(other)?).median()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        let median = |values: &[f64]| values.iter().copied().collect::<Samples>().median();
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[9.0, 1.0, 5.0]), Some(5.0));
        assert_eq!(median(&[1.0, 9.0]), Some(5.0));
    }

    #[test]
    fn a_share_compares_values_of_the_same_round() {
        let mut figures = Figures::default();
        for (script, plain) in [(50.0, 100.0), (10.0, 20.0), (30.0, 40.0)] {
            figures.add(Measure::Turnstile, script);
            figures.add(Measure::PlainWrites, plain);
        }
        assert_eq!(
            figures.share(Measure::Turnstile, Measure::PlainWrites),
            Some(0.5)
        );
    }

    #[test]
    fn what_was_not_measured_has_no_figure() {
        let mut figures = Figures::default();
        figures.add(Measure::Turnstile, 1.0);
        assert_eq!(
            figures.share(Measure::Turnstile, Measure::PlainWrites),
            None
        );
        assert_eq!(figures.median(Measure::PlainWrites), None);
    }
}
