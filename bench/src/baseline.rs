//! What was reached once and must not be lost: ratios, each with the margin that noise may take.
//!
//! Ratios and not times, so that one file holds on any machine of a kind: what slows the machine
//! slows both sides of a ratio. A short form of the measurements ([`short`]) is taken and held
//! against the file. What fell is measured once more, since noise seldom strikes the same ratio
//! twice and a regression does.

pub mod ratio;
pub mod run;
pub mod short;
pub mod verdict;

use std::{collections::BTreeMap, fs, io, path::Path};

use serde::{Deserialize, Serialize};

use crate::{error::BenchError, figures::Figures};

use ratio::Ratio;
use verdict::Verdict;

/// The greatest margin that is written: with more, a ratio could halve unseen.
const GREATEST_MARGIN: f64 = 0.4;

/// Digits behind the point that a file has: fewer than noise changes.
const DIGITS: f64 = 1e3;

/// What is wrong with a baseline.
#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    /// The file cannot be read.
    #[error("could not read the baseline `{file}` ({source}); write one with --write-baseline")]
    Read {
        /// The file.
        file: String,
        /// What the system said.
        source: io::Error,
    },
    /// The file has another form.
    #[error("the baseline `{file}` is not understood ({source}); renew it with --write-baseline")]
    Form {
        /// The file.
        file: String,
        /// What the parser said.
        source: serde_json::Error,
    },
    /// A ratio is not in the file, so nobody would notice if it fell.
    #[error("the baseline `{file}` says nothing of {ratio}; renew it with --write-baseline")]
    Incomplete {
        /// The file.
        file: String,
        /// The ratio.
        ratio: Ratio,
    },
    /// A ratio to be written was not measured.
    #[error("{0} was not measured; this is a bug of the bench")]
    Unmeasured(Ratio),
    /// The program is not optimized.
    #[error("a debug build says nothing about speed: build with --release")]
    DebugBuild,
}

/// What a ratio was, and how much worse it may be.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Held {
    /// The ratio, or bytes.
    pub value: f64,
    /// By which share of the value it may be worse.
    pub margin: f64,
}

/// All ratios of a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Baseline {
    /// By their names in the file.
    ratios: BTreeMap<Ratio, Held>,
}

impl Baseline {
    /// Reads `file`, which must hold all ratios.
    pub fn read(file: &Path) -> Result<Self, BenchError> {
        let text = fs::read_to_string(file).map_err(|source| BaselineError::Read {
            file: file.display().to_string(),
            source,
        })?;
        Ok(Self::parse(&text, &file.display().to_string())?)
    }

    fn parse(text: &str, file: &str) -> Result<Self, BaselineError> {
        let file = file.to_owned();
        let baseline: Self = match serde_json::from_str(text) {
            Ok(baseline) => baseline,
            Err(source) => return Err(BaselineError::Form { file, source }),
        };
        let missing = Ratio::ALL
            .into_iter()
            .find(|ratio| !baseline.ratios.contains_key(ratio));
        match missing {
            Some(ratio) => Err(BaselineError::Incomplete { file, ratio }),
            None => Ok(baseline),
        }
    }

    /// What was measured, with margins over the noise that showed itself meanwhile.
    pub fn of(figures: &Figures) -> Result<Self, BaselineError> {
        let held = |ratio: Ratio| {
            let samples = ratio.samples(figures)?;
            let (value, (least, most)) = (samples.median()?, samples.range()?);
            let noise = (most - least) / value;
            let margin = noise.max(ratio.least_margin()).min(GREATEST_MARGIN);
            let (value, margin) = (rounded(value), rounded(margin));
            Some((ratio, Held { value, margin }))
        };
        let ratios = Ratio::ALL
            .into_iter()
            .map(|ratio| held(ratio).ok_or(BaselineError::Unmeasured(ratio)))
            .collect::<Result<_, _>>()?;
        Ok(Self { ratios })
    }

    /// Writes it to `file`.
    pub fn write(&self, file: &Path) -> Result<(), BenchError> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        fs::write(file, text).map_err(BenchError::file(file))
    }

    /// Holds what was measured against it.
    #[must_use]
    pub fn judge(&self, figures: &Figures) -> Vec<Verdict> {
        let measured = |ratio: Ratio| ratio.samples(figures)?.median();
        self.ratios
            .iter()
            .map(|(ratio, held)| Verdict {
                ratio: *ratio,
                held: *held,
                measured: measured(*ratio),
            })
            .collect()
    }
}

fn rounded(value: f64) -> f64 {
    (value * DIGITS).round() / DIGITS
}

#[cfg(test)]
#[path = "baseline/tests.rs"]
mod tests;
