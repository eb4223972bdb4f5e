//! What is to be thought of a ratio that was measured again.

use std::fmt::Write as _;

use crate::report::value;

use super::{Held, ratio::Ratio};

/// Width of the names, as in the table of figures.
const NAME: usize = 52;

/// Width of a value.
const VALUE: usize = 13;

/// Width of what the baseline says.
const EXPECTED: usize = 32;

/// A ratio beside what it was.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Verdict {
    /// The ratio.
    pub ratio: Ratio,
    /// What it was.
    pub held: Held,
    /// What it is; none when it was not measured.
    pub measured: Option<f64>,
}

impl Verdict {
    /// By which share of what it was it has become better; negative when it became worse, and as
    /// bad as can be when nobody knows.
    #[must_use]
    pub fn gain(&self) -> f64 {
        let change = match self.measured {
            Some(measured) if measured.is_finite() => measured / self.held.value - 1.0,
            _ => return f64::NEG_INFINITY,
        };
        if self.ratio.is_better_higher() {
            change
        } else {
            -change
        }
    }

    /// Whether it became worse by more than its margin.
    #[must_use]
    pub fn fell(&self) -> bool {
        self.gain() < -self.held.margin
    }

    /// In one word.
    fn word(&self) -> &'static str {
        if self.fell() {
            "FELL"
        } else if self.gain() > self.held.margin {
            "better: renew"
        } else {
            "ok"
        }
    }
}

/// Whether any of them fell.
#[must_use]
pub fn any_fell(verdicts: &[Verdict]) -> bool {
    verdicts.iter().any(Verdict::fell)
}

/// Of two looks at the same ratios the better one each: only what falls twice has fallen.
#[must_use]
pub fn better_of(first: &[Verdict], second: &[Verdict]) -> Vec<Verdict> {
    let better = |(first, second): (&Verdict, &Verdict)| {
        if first.gain() > second.gain() {
            *first
        } else {
            *second
        }
    };
    first.iter().zip(second).map(better).collect()
}

/// All of them as a table.
#[must_use]
pub fn render(verdicts: &[Verdict]) -> String {
    let mut text = String::from("\nBaseline\n");
    for verdict in verdicts {
        let name = format!("  {}", verdict.ratio);
        let measured = match verdict.measured {
            Some(measured) => amount(verdict.ratio, measured),
            None => "not measured".to_owned(),
        };
        let (held, word) = (verdict.held, verdict.word());
        let expected = format!(
            "was {}, may be {} worse",
            amount(verdict.ratio, held.value),
            value::share(held.margin)
        );
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{name:<NAME$}{measured:>VALUE$}  {expected:<EXPECTED$}{word}"
        );
    }
    text
}

fn amount(ratio: Ratio, amount: f64) -> String {
    ratio
        .unit()
        .map_or_else(|| value::share(amount), |unit| value::format(amount, unit))
}
