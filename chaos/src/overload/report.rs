//! What was found, line by line, and the tables of it.

use std::{fmt::Write as _, path::Path};

use serde::Serialize;
use serde_json::Value;

use crate::{error::ChaosError, files};

/// Something that has to hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// What is judged.
    pub what: String,
    /// What was measured.
    pub measured: String,
    /// What it has to be.
    pub limit: String,
    /// Whether it is.
    pub holds: bool,
}

impl Check {
    /// A line of the verdict.
    pub fn new(
        what: impl Into<String>,
        measured: impl Into<String>,
        limit: impl Into<String>,
        holds: bool,
    ) -> Self {
        Self {
            what: what.into(),
            measured: measured.into(),
            limit: limit.into(),
            holds,
        }
    }

    /// A rate that must reach `least`.
    pub fn at_least(what: impl Into<String>, measured: f64, least: f64) -> Self {
        let (limit, holds) = (format!("at least {least:.0}"), measured >= least);
        Self::new(what, format!("{measured:.0}"), limit, holds)
    }

    /// That every acknowledged buy has an outcome; `lost` have none.
    pub fn none_lost(what: &str, lost: u64) -> Self {
        Self::new(what, lost.to_string(), "0", lost == 0)
    }

    /// It for people, in one line.
    pub fn line(&self) -> String {
        let verdict = if self.holds { "holds" } else { "FAILED" };
        format!(
            "{verdict:<6} {}: {} (limit: {})",
            self.what, self.measured, self.limit
        )
    }
}

/// What a part found.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// What has to hold.
    pub checks: Vec<Check>,
    /// A table beside the verdict, in Markdown.
    pub table: String,
    /// Everything that was measured.
    pub figures: Value,
}

impl Finding {
    /// Whether everything holds.
    pub fn holds(&self) -> bool {
        self.checks.iter().all(|check| check.holds)
    }

    /// The finding of the part `name` for docs/overload.md.
    pub fn markdown(&self, name: &str) -> String {
        let mut text =
            format!("### {name}\n\n| what | measured | limit | verdict |\n|---|---|---|---|\n");
        for check in &self.checks {
            let verdict = if check.holds { "holds" } else { "**failed**" };
            // Writing into a string does not fail.
            let _ = writeln!(
                text,
                "| {} | {} | {} | {verdict} |",
                check.what, check.measured, check.limit
            );
        }
        if !self.table.is_empty() {
            let _ = write!(text, "\n{}", self.table);
        }
        text
    }

    /// Writes it into `directory` as `result.json` and `result.md`.
    pub fn save(&self, name: &str, directory: &Path) -> Result<(), ChaosError> {
        files::write_json(&directory.join("result.json"), self)?;
        files::write(&directory.join("result.md"), self.markdown(name))
    }
}

/// Milliseconds for people.
pub fn millis(value: Option<f64>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| format!("{value:.1} ms"))
}

/// Bytes for people.
#[must_use]
#[expect(
    clippy::cast_precision_loss,
    reason = "memory of one machine in bytes is below 2^52"
)]
pub fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_broken_line_breaks_the_verdict() {
        let mut finding = Finding::default();
        finding
            .checks
            .push(Check::new("memory", "1 MB", "2 MB", true));
        assert!(finding.holds());
        finding
            .checks
            .push(Check::new("probes", "1 failed", "0", false));
        assert!(!finding.holds());
        assert_eq!(
            finding.checks[1].line(),
            "FAILED probes: 1 failed (limit: 0)"
        );
        let text = finding.markdown("attack-off");
        assert!(
            text.contains("| probes | 1 failed | 0 | **failed** |"),
            "{text}"
        );
    }
}
