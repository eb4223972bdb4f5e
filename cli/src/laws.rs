//! The laws in a report: those that both stores can judge afterwards with their counts, the others by name.

use std::fmt::Write as _;

use flashsale_audit::{Findings, SaleAudit};
use serde::Serialize;

use crate::audit_report;

/// What a report says of one law.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Law {
    /// Its number in ARCHITECTURE.md.
    number: u8,
    /// What it says, in a few words.
    name: &'static str,
    verdict: Verdict,
    /// By how much it is broken; none where it was not judged.
    broken_by: Option<u64>,
    /// The counts behind the verdict, or where the law is judged.
    detail: String,
    /// The first rows that break it.
    findings: Vec<String>,
}

/// Whether a law holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
enum Verdict {
    Holds,
    Broken,
    /// What both stores keep does not tell.
    NotJudged,
}

/// Laws about what shoppers were answered, and when. No store keeps that.
const NOT_JUDGED: [(u8, &str, &str); 4] = [
    (
        4,
        "PostgreSQL judges",
        "what Redis let through is not kept; `flashsale check` judges it on the history of a load, and \
         chaos/ and e2e/tests/restore try it with a Redis that loses data",
    ),
    (
        5,
        "time",
        "when buys were answered is not kept by Redis's clock; `flashsale check` judges it on the history of a load, \
         and e2e/tests/availability/opening.rs and crates/queue/tests/queue/turnstile.rs try it",
    ),
    (
        6,
        "privacy",
        "who was told what is not kept; `flashsale check` judges it on the history of a load, and \
         gateway/tests/gateway/orders.rs and events.rs try it",
    ),
    (
        7,
        "tidy end",
        "it is about the time after this report: conditions and events of the FlashSale tell of it, `flashsale sales \
         --orphans` finds what was left, and e2e/tests/operator/lifecycle.rs tries it",
    ),
];

impl Law {
    /// Every law, by its number.
    pub(crate) fn of(audit: &SaleAudit) -> Vec<Self> {
        let judged = audit_report::judged(audit).into_iter().map(|law| {
            Self::judged(
                law.number,
                law.name,
                law.broken_by,
                law.numbers,
                law.findings,
            )
        });
        let others = NOT_JUDGED.into_iter().map(|(number, name, detail)| Self {
            number,
            name,
            verdict: Verdict::NotJudged,
            broken_by: None,
            detail: detail.to_owned(),
            findings: Vec::new(),
        });
        let mut laws: Vec<Self> = judged.chain(others).collect();
        // Nothing is known of what was acknowledged once the records are gone.
        let outcomes = &audit.outcomes;
        if outcomes.jobs == 0
            && outcomes.orders_without_record + outcomes.rejections_without_record > 0
        {
            for law in laws.iter_mut().filter(|law| law.number == 2) {
                law.verdict = Verdict::NotJudged;
                law.broken_by = None;
            }
        }
        laws.sort_by_key(|law| law.number);
        laws
    }

    fn judged(
        number: u8,
        name: &'static str,
        broken_by: u64,
        detail: String,
        findings: &Findings,
    ) -> Self {
        Self {
            number,
            name,
            verdict: if findings.is_empty() {
                Verdict::Holds
            } else {
                Verdict::Broken
            },
            broken_by: Some(broken_by),
            detail,
            findings: findings.rows.clone(),
        }
    }

    /// The last section of a report.
    pub(crate) fn to_markdown(laws: &[Self]) -> String {
        let mut text = String::from("\n## Laws\n\n| law | verdict | counts |\n|---|---|---|\n");
        for law in laws {
            let verdict = match law.verdict {
                Verdict::Holds => "holds".to_owned(),
                Verdict::Broken => format!("**broken by {}**", law.broken_by.unwrap_or_default()),
                Verdict::NotJudged => "not judged here".to_owned(),
            };
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "| {}, {} | {verdict} | {} |",
                law.number, law.name, law.detail
            );
        }
        for law in laws.iter().filter(|law| !law.findings.is_empty()) {
            let _ = writeln!(text, "\nLaw {} is broken by:\n", law.number);
            for row in &law.findings {
                let _ = writeln!(text, "- {row}");
            }
        }
        text
    }
}
