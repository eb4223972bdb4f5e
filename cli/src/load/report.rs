//! What came of a crowd, for people and for programs.

use std::{collections::BTreeMap, fmt, time::Duration};

use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::{
    book::{Book, LatencySummaries},
    counts::Counts,
    latency::{LatencySummary, readable},
};
use crate::figures::grouped;

/// How many buys without an outcome are named.
const NAMED: usize = 20;

/// What came of a crowd.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// How many shoppers there were.
    pub shoppers: usize,
    /// The instant that the first press was meant for, by this machine's clock.
    pub started_at: Timestamp,
    /// From the first press meant to the last answer, in seconds.
    pub seconds: f64,
    /// Final answers and outcomes.
    pub counts: Counts,
    /// How long they took.
    pub latencies: LatencySummaries,
    /// Refusals and failures by reason.
    pub trouble: BTreeMap<String, u64>,
    /// Acknowledged buys without an outcome.
    pub lost: usize,
    /// The first of them.
    pub lost_jobs: Vec<Uuid>,
    /// Acknowledged buys that were told two different outcomes.
    pub contradictions: u64,
}

impl Report {
    /// The report of `book`, which began at `started_at`, after `elapsed`, when `lost` have no
    /// outcome.
    #[must_use]
    pub fn new(book: &Book, started_at: Timestamp, elapsed: Duration, lost: &[Uuid]) -> Self {
        Self {
            shoppers: book.crowd().shoppers(),
            started_at,
            seconds: elapsed.as_secs_f64(),
            counts: book.counts(),
            latencies: book.latencies(),
            trouble: book.trouble(),
            lost: lost.len(),
            lost_jobs: lost.iter().take(NAMED).copied().collect(),
            contradictions: book.contradictions(),
        }
    }

    /// Whether every acknowledged buy reached exactly one outcome.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.lost == 0 && self.contradictions == 0
    }

    fn answers(&self) -> [(&'static str, u64); 8] {
        let counts = &self.counts;
        [
            ("queued", counts.queued),
            ("sold out at once", counts.sold_out),
            ("replayed", counts.replayed),
            ("rate limited", counts.rate_limited),
            ("not open", counts.not_open),
            ("closed", counts.closed),
            ("refused", counts.refused),
            ("gave up", counts.gave_up),
        ]
    }

    fn outcomes(&self) -> [(&'static str, u64); 5] {
        let counts = &self.counts;
        [
            ("confirmed", counts.confirmed),
            ("sold out in the lane", counts.sold_out_in_lane),
            ("limit reached", counts.limit_reached),
            ("failed", counts.failed),
            ("without outcome", counts.unsettled()),
        ]
    }
}

/// Answers and outcomes that most crowds never get; left out of the table while they are 0.
const RARE: [&str; 5] = [
    "not open",
    "closed",
    "refused",
    "gave up",
    "without outcome",
];

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shoppers = grouped(u64::try_from(self.shoppers).unwrap_or(u64::MAX));
        let asked = self.counts.asked;
        writeln!(formatter, "  {:<22} {shoppers:>12}", "shoppers")?;
        write!(formatter, "  {:<22} {:>12}", "asked", grouped(asked))?;
        writeln!(formatter, "   in {:.1} s", self.seconds)?;
        rows(formatter, 4, &self.answers())?;
        writeln!(
            formatter,
            "  {:<22} {:>12}",
            "of those queued",
            grouped(self.counts.queued)
        )?;
        rows(formatter, 4, &self.outcomes())?;
        if self.counts.repeats > 0 {
            let repeats = grouped(self.counts.repeats);
            writeln!(
                formatter,
                "  {:<22} {repeats:>12}   after errors, same key",
                "tried again"
            )?;
        }
        for (reason, count) in &self.trouble {
            writeln!(formatter, "    {reason}: {}", grouped(*count))?;
        }
        latency_table(formatter, &self.latencies)?;
        self.lost_lines(formatter)
    }
}

impl Report {
    fn lost_lines(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.contradictions > 0 {
            writeln!(
                formatter,
                "  {} buys were told two outcomes",
                self.contradictions
            )?;
        }
        if self.lost > 0 {
            writeln!(
                formatter,
                "  {} acknowledged buys have no outcome:",
                self.lost
            )?;
        }
        for job in &self.lost_jobs {
            writeln!(formatter, "    {job}")?;
        }
        Ok(())
    }
}

fn rows(formatter: &mut fmt::Formatter<'_>, indent: usize, rows: &[(&str, u64)]) -> fmt::Result {
    for (name, count) in rows {
        if *count > 0 || !RARE.contains(name) {
            let width = 24 - indent;
            writeln!(
                formatter,
                "{:indent$}{name:<width$} {:>12}",
                "",
                grouped(*count)
            )?;
        }
    }
    Ok(())
}

fn latency_table(formatter: &mut fmt::Formatter<'_>, latencies: &LatencySummaries) -> fmt::Result {
    writeln!(
        formatter,
        "  {:<22} {:>12} {:>10} {:>10} {:>10}",
        "", "p50", "p99", "p99.9", "max"
    )?;
    let lines = [
        ("buy to ack", latencies.ack),
        ("buy to any answer", latencies.answer),
        // Without events nobody knows when; see `--redis-url`.
        ("buy to confirmation", latencies.confirmation),
    ];
    for (name, summary) in lines {
        match summary {
            Some(summary) => latency_line(formatter, name, summary)?,
            None => writeln!(formatter, "  {name:<22} {:>12}", "not timed")?,
        }
    }
    Ok(())
}

fn latency_line(
    formatter: &mut fmt::Formatter<'_>,
    name: &str,
    summary: LatencySummary,
) -> fmt::Result {
    writeln!(
        formatter,
        "  {name:<22} {:>12} {:>10} {:>10} {:>10}",
        readable(summary.p50_us),
        readable(summary.p99_us),
        readable(summary.p999_us),
        readable(summary.max_us)
    )
}
