//! Results of rounds, one JSON object per line of a file to which runs are appended, and the table
//! that is made of it.

use std::{collections::BTreeMap, fmt::Write as _, fs::OpenOptions, io::Write as _, path::Path};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{error::ChaosError, faults::Fault, files, round::Finding};

/// Violations named in a line; the evidence has all.
const NAMED: usize = 20;

/// One round.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// When it ended.
    pub at: Timestamp,
    /// Names of its faults, joined by `+`.
    pub fault: String,
    /// What was drawn.
    pub how: String,
    /// What it was drawn by.
    pub seed: u64,
    /// Acknowledged buys.
    pub acks: u64,
    /// Outcomes: orders.
    pub confirmed: u64,
    /// Outcomes: all others.
    pub rejected: u64,
    /// How many violations there are.
    pub violations: usize,
    /// The first of them, in words.
    pub named: Vec<String>,
    /// Buys lost with the data of a store.
    pub lost_with_store: usize,
    /// Milliseconds until everything flowed again.
    pub recovered_ms: u64,
    /// Within how many it had to.
    pub limit_ms: u64,
    /// Whether lanes stood still until the workers were replaced.
    pub stuck: bool,
    /// How long the round took.
    pub seconds: f64,
}

impl Line {
    /// What a round found.
    pub fn of(finding: &Finding) -> Self {
        let episodes = &finding.episodes;
        let join = |text: fn(&crate::round::Episode) -> &str| {
            let texts: Vec<&str> = episodes.iter().map(text).collect();
            texts.join("+")
        };
        let worst = episodes.iter().max_by_key(|episode| episode.recovered_ms);
        let judgement = &finding.judgement;
        Self {
            at: Timestamp::now(),
            fault: join(|episode| &episode.fault),
            how: join(|episode| &episode.how),
            seed: finding.seed,
            acks: judgement.acknowledged,
            confirmed: judgement.confirmed,
            rejected: judgement.rejected,
            violations: judgement.violations.len(),
            named: judgement.violations.iter().take(NAMED).cloned().collect(),
            lost_with_store: judgement.lost_with_store.len(),
            recovered_ms: worst.map_or(0, |episode| episode.recovered_ms),
            limit_ms: worst.map_or(0, |episode| episode.limit_ms),
            stuck: episodes.iter().any(|episode| episode.is_stuck),
            seconds: finding.seconds,
        }
    }

    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.violations == 0 && !self.stuck && self.recovered_ms <= self.limit_ms
    }
}

/// Appends a line to the file, which is made if it is not there.
pub fn append(file: &Path, line: &Line) -> Result<(), ChaosError> {
    if let Some(directory) = file.parent() {
        files::create(directory)?;
    }
    let text = serde_json::to_string(line)
        .map_err(|error| ChaosError::Wrong(format!("a result is no JSON: {error}")))?;
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(file)
        .and_then(|mut opened| opened.write_all(format!("{text}\n").as_bytes()))
        .map_err(ChaosError::file(file))
}

/// Reads what runs have appended.
pub fn read(file: &Path) -> Result<Vec<Line>, ChaosError> {
    let text = files::read(file)?;
    text.lines()
        .map(|line| files::parse_json(file, line))
        .collect()
}

/// The sum of all rounds of one fault.
#[derive(Debug, Default)]
struct Row {
    rounds: usize,
    acks: u64,
    confirmed: u64,
    rejected: u64,
    violations: usize,
    lost_with_store: usize,
    late: usize,
    stuck: usize,
    worst_ms: u64,
    limit_ms: u64,
}

/// The table of all rounds, in Markdown: a row for each fault, in the order of [`Fault::all`].
pub fn table(lines: &[Line]) -> String {
    let mut rows: BTreeMap<(usize, &str), Row> = BTreeMap::new();
    let order = Fault::all();
    for line in lines {
        let place = order.iter().position(|fault| fault.name == line.fault);
        let key = (place.unwrap_or(order.len()), line.fault.as_str());
        let row = rows.entry(key).or_default();
        row.rounds += 1;
        row.acks += line.acks;
        row.confirmed += line.confirmed;
        row.rejected += line.rejected;
        row.violations += line.violations;
        row.lost_with_store += line.lost_with_store;
        row.late += usize::from(line.recovered_ms > line.limit_ms);
        row.stuck += usize::from(line.stuck);
        row.worst_ms = row.worst_ms.max(line.recovered_ms);
        row.limit_ms = row.limit_ms.max(line.limit_ms);
    }
    let mut table = String::from(
        "| fault | rounds | acks | outcomes (orders + rejections) | violations | lost with the store \
         | rounds too late | stuck for good | worst time to recover | limit |\n\
         |---|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    for ((_, fault), row) in rows {
        // Writing into a string does not fail.
        let _ = writeln!(
            table,
            "| {fault} | {} | {} | {} + {} | {} | {} | {} | {} | {:.1} s | {} s |",
            row.rounds,
            row.acks,
            row.confirmed,
            row.rejected,
            row.violations,
            row.lost_with_store,
            row.late,
            row.stuck,
            seconds(row.worst_ms),
            row.limit_ms / 1_000,
        );
    }
    table
}

#[expect(
    clippy::cast_precision_loss,
    reason = "times of rounds are far below 2^52 ms"
)]
fn seconds(ms: u64) -> f64 {
    ms as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(fault: &str, recovered_ms: u64) -> Line {
        Line {
            at: Timestamp::UNIX_EPOCH,
            fault: fault.to_owned(),
            how: String::new(),
            seed: 1,
            acks: 10,
            confirmed: 6,
            rejected: 4,
            violations: 0,
            named: Vec::new(),
            lost_with_store: 1,
            recovered_ms,
            limit_ms: 5_000,
            stuck: false,
            seconds: 30.0,
        }
    }

    #[test]
    fn rounds_add_up_over_runs_and_keep_the_order_of_the_faults() {
        let directory = flashsale_testbed::data_dir::DataDir::temporary().unwrap();
        let file = directory.path().join("deep/results.jsonl");
        for (fault, ms) in [
            ("worker-paused", 100),
            ("worker-killed", 2_500),
            ("worker-killed", 5_500),
        ] {
            append(&file, &line(fault, ms)).unwrap();
        }
        let table = table(&read(&file).unwrap());
        let rows: Vec<&str> = table.lines().skip(2).collect();
        assert_eq!(
            rows,
            [
                "| worker-killed | 2 | 20 | 12 + 8 | 0 | 2 | 1 | 0 | 5.5 s | 5 s |",
                "| worker-paused | 1 | 10 | 6 + 4 | 0 | 1 | 0 | 0 | 0.1 s | 5 s |",
            ]
        );
    }
}
