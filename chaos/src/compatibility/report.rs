//! What came of the combinations, and the table of it.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// What came of one combination.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// Its name.
    pub combination: String,
    /// The servers as they report themselves.
    pub versions: Vec<String>,
    /// Shoppers who came.
    pub shoppers: u64,
    /// Acknowledged buys.
    pub acknowledged: u64,
    /// Those that have an order.
    pub confirmed: u64,
    /// Those that a server lost that died.
    pub lost: usize,
    /// The longest time without an acknowledgement, in milliseconds.
    pub pause_of_buys_ms: u64,
    /// The longest time without an order, in milliseconds.
    pub pause_of_orders_ms: i64,
    /// What happened to the servers; empty where nothing did.
    pub disturbance: String,
    /// Everything that is wrong, in words.
    pub violations: Vec<String>,
    /// How long it took, in seconds.
    pub seconds: f64,
}

impl Row {
    /// A combination that could not be played.
    pub fn impossible(combination: &str, why: String, seconds: f64) -> Self {
        Self {
            combination: combination.to_owned(),
            violations: vec![why],
            seconds,
            ..Self::default()
        }
    }

    /// Whether nothing is wrong.
    pub fn holds(&self) -> bool {
        self.violations.is_empty()
    }

    fn verdict(&self) -> &'static str {
        if self.holds() { "holds" } else { "FAILED" }
    }

    /// The result in one line.
    pub fn line(&self) -> String {
        let mut line = format!(
            "{:<22} {:<6} {} buys, {} confirmed, {} lost, {:.0} s",
            self.combination,
            self.verdict(),
            self.acknowledged,
            self.confirmed,
            self.lost,
            self.seconds,
        );
        for part in [&self.versions.join(", "), &self.disturbance] {
            if !part.is_empty() {
                // Writing into a string does not fail.
                let _ = write!(line, "; {part}");
            }
        }
        line
    }
}

/// The table of all, in Markdown.
pub fn table(rows: &[Row]) -> String {
    let mut table = String::from(
        "| combination | servers | shoppers | buys | confirmed | lost | longest pause of buys, of orders \
         | verdict | time |\n|---|---|---:|---:|---:|---:|---:|---|---:|\n",
    );
    for row in rows {
        let _ = writeln!(
            table,
            "| {} | {} | {} | {} | {} | {} | {} ms, {} ms | {} | {:.0} s |",
            row.combination,
            row.versions.join(", "),
            row.shoppers,
            row.acknowledged,
            row.confirmed,
            row.lost,
            row.pause_of_buys_ms,
            row.pause_of_orders_ms,
            row.verdict(),
            row.seconds,
        );
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_be_played_has_failed() {
        let row = Row::impossible("valkey-9", "could not be had".to_owned(), 0.4);
        assert!(!row.holds());
        assert!(row.line().contains("FAILED"));
        let table = table(&[row]);
        let expected = "| valkey-9 |  | 0 | 0 | 0 | 0 | 0 ms, 0 ms | FAILED | 0 s |";
        assert_eq!(table.lines().nth(2), Some(expected));
    }
}
