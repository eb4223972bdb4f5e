//! What is wrong, row by row, as far as a person can read it.

use serde::Serialize;

/// How many rows of each kind are told in words; the rest is counted. A broken sale can have
/// thousands, and twenty show the pattern.
pub const SHOWN: usize = 20;

/// Offending rows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Findings {
    /// How many there are.
    pub total: u64,
    /// The first of them in words, at most [`SHOWN`] of each kind.
    pub rows: Vec<String>,
}

impl Findings {
    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// Counts a row, and keeps its words if there is room.
    pub(super) fn add(&mut self, row: impl FnOnce() -> String) {
        self.total += 1;
        if self.rows.len() < SHOWN {
            self.rows.push(row());
        }
    }

    /// Takes in findings of another kind.
    pub(super) fn extend(&mut self, other: Self) {
        self.total += other.total;
        self.rows.extend(other.rows);
    }
}

/// A count, which PostgreSQL gives as a signed number.
pub(super) fn unsigned(count: i64) -> Result<u64, sqlx::Error> {
    u64::try_from(count).map_err(|error| sqlx::Error::Decode(error.into()))
}
