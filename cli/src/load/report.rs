//! What came of a crowd, for people and for programs.

use std::{
    collections::BTreeMap,
    fmt,
    ops::{Add, AddAssign},
    time::Duration,
};

use flashsale_domain::order::OrderState;
use flashsale_testbed::figures::grouped;
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::{
    book::{Book, LatencySummaries},
    counts::Counts,
    latency::readable,
    verify::Verified,
};

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
    /// Where the orders of the confirmed buys stood at the end; null when that could not be read.
    pub orders: Option<OrderCounts>,
}

/// Orders that are not simply completed. Their buys count as confirmed all the same: they had their unit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderCounts {
    /// Waited for their payment.
    pub unpaid: u64,
    /// Were cancelled, by whomever or because they were not paid in time.
    pub cancelled: u64,
}

impl OrderCounts {
    /// Counts an order.
    pub fn count(&mut self, state: &OrderState) {
        match state {
            OrderState::Pending { .. } => self.unpaid += 1,
            OrderState::Cancelled { .. } => self.cancelled += 1,
            OrderState::Completed => {}
        }
    }
}

impl Add for OrderCounts {
    type Output = Self;

    fn add(self, more: Self) -> Self {
        Self {
            unpaid: self.unpaid + more.unpaid,
            cancelled: self.cancelled + more.cancelled,
        }
    }
}

impl AddAssign for OrderCounts {
    fn add_assign(&mut self, more: Self) {
        *self = *self + more;
    }
}

impl Report {
    /// The report of `book`, which began at `started_at`, after `elapsed`, with what was
    /// found out afterwards.
    pub fn new(book: &Book, started_at: Timestamp, elapsed: Duration, verified: &Verified) -> Self {
        let lost = &verified.lost;
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
            orders: verified.orders,
        }
    }

    /// Whether every acknowledged buy reached exactly one outcome.
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

    /// Where the orders of the confirmed buys stood, as far as they are not simply completed.
    fn order_rows(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(orders) = self.orders else {
            return writeln!(formatter, "  {:<22} {:>12}", "orders unpaid", "unknown");
        };
        if orders == OrderCounts::default() {
            return Ok(());
        }
        row(formatter, "of those confirmed", self.counts.confirmed, "")?;
        row(formatter, "  unpaid", orders.unpaid, "")?;
        row(formatter, "  cancelled", orders.cancelled, "")
    }

    fn lost_lines(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.contradictions > 0 {
            let twice = self.contradictions;
            writeln!(formatter, "  {twice} buys were told two outcomes")?;
        }
        if self.lost > 0 {
            let lost = self.lost;
            writeln!(formatter, "  {lost} acknowledged buys have no outcome:")?;
        }
        for job in &self.lost_jobs {
            writeln!(formatter, "    {job}")?;
        }
        Ok(())
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
        let seconds = format!("   in {:.1} s", self.seconds);
        row(formatter, "shoppers", self.shoppers as u64, "")?;
        row(formatter, "asked", self.counts.asked, &seconds)?;
        indented_rows(formatter, &self.answers())?;
        row(formatter, "of those queued", self.counts.queued, "")?;
        indented_rows(formatter, &self.outcomes())?;
        self.order_rows(formatter)?;
        if self.counts.repeats > 0 {
            let repeats = self.counts.repeats;
            row(
                formatter,
                "tried again",
                repeats,
                "   after errors, same key",
            )?;
        }
        for (reason, count) in &self.trouble {
            writeln!(formatter, "    {reason}: {}", grouped(*count))?;
        }
        latency_table(formatter, &self.latencies)?;
        self.lost_lines(formatter)
    }
}

fn row(formatter: &mut fmt::Formatter<'_>, name: &str, count: u64, rest: &str) -> fmt::Result {
    writeln!(formatter, "  {name:<22} {:>12}{rest}", grouped(count))
}

fn indented_rows(formatter: &mut fmt::Formatter<'_>, rows: &[(&str, u64)]) -> fmt::Result {
    let shown = |(name, count): &&(&str, u64)| *count > 0 || !RARE.contains(name);
    for (name, count) in rows.iter().filter(shown) {
        row(formatter, &format!("  {name}"), *count, "")?;
    }
    Ok(())
}

fn latency_table(formatter: &mut fmt::Formatter<'_>, latencies: &LatencySummaries) -> fmt::Result {
    let columns = ["p50", "p99", "p99.9", "max"].map(str::to_owned);
    latency_line(formatter, "", &columns)?;
    for (name, summary) in [
        ("buy to ack", latencies.ack),
        ("buy to any answer", latencies.answer),
        // Without events nobody knows when; see `--redis-url`.
        ("buy to confirmation", latencies.confirmation),
    ] {
        let Some(of) = summary else {
            writeln!(formatter, "  {name:<22} {:>12}", "not timed")?;
            continue;
        };
        let columns = [of.p50_us, of.p99_us, of.p999_us, of.max_us].map(readable);
        latency_line(formatter, name, &columns)?;
    }
    Ok(())
}

fn latency_line(
    formatter: &mut fmt::Formatter<'_>,
    name: &str,
    [p50, p99, p999, max]: &[String; 4],
) -> fmt::Result {
    writeln!(
        formatter,
        "  {name:<22} {p50:>12} {p99:>10} {p999:>10} {max:>10}"
    )
}
