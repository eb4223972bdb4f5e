//! A verdict in words, and for programs.

use std::fmt::Write as _;

use flashsale_testbed::figures::grouped;
use serde_json::{Value, json};
use strum::VariantArray as _;

use super::verdict::{Law, Store, Verdict};

/// How many rows of each law, and of each store, are told in words; the rest is counted.
const SHOWN: usize = 20;

/// The verdict for people.
pub fn words(verdict: &Verdict) -> String {
    let mut text = counts(verdict);
    let by_law = verdict.by_law();
    for &law in Law::VARIANTS {
        let rows = verdict.violations.iter().filter(|row| row.law == law);
        let rows = rows.map(|row| format!("{}: {}", row.subject, row.what));
        let count = by_law.get(&law).copied().unwrap_or(0);
        section(&mut text, &law.to_string(), count, "violations", rows);
    }
    for store in [Store::Redis, Store::Ledger] {
        let lost = verdict
            .lost_with_store
            .iter()
            .filter(|row| row.store == store);
        let count = u64::try_from(lost.clone().count()).unwrap_or(u64::MAX);
        let rows = lost.map(|row| format!("{}: {}", row.subject, row.what));
        section(
            &mut text,
            "lost with the store",
            count,
            &store.to_string(),
            rows,
        );
    }
    for note in &verdict.notes {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "note: {note}");
    }
    text
}

/// The line that says it all.
pub fn headline(verdict: &Verdict) -> String {
    let count = |number: usize| grouped(u64::try_from(number).unwrap_or(u64::MAX));
    format!(
        "{} violations · {} lost with a store",
        count(verdict.violations.len()),
        count(verdict.lost_with_store.len())
    )
}

fn counts(verdict: &Verdict) -> String {
    let counts = &verdict.counts;
    let files = match counts.histories {
        1 => "1 history".to_owned(),
        files => format!("{files} histories"),
    };
    let mut text = format!(
        "check of {files}: {} requests, {} answers, {} events, {} polls\n",
        grouped(counts.requests),
        grouped(counts.answers),
        grouped(counts.events),
        grouped(counts.polls)
    );
    let parts = [
        (counts.confirmed, "confirmed", true),
        (counts.sold_out, "sold out", true),
        (counts.limit_reached, "limit reached", true),
        (counts.failed, "failed", true),
        (counts.renamed, "ended as another job of their key", false),
        (counts.waiting, "waiting", false),
        (counts.without_outcome, "without outcome", false),
    ];
    let parts: Vec<String> = parts
        .into_iter()
        .filter(|(count, _, always)| *always || *count > 0)
        .map(|(count, name, _)| format!("{} {name}", grouped(count)))
        .collect();
    let acknowledged = grouped(counts.acknowledged);
    let _ = writeln!(
        text,
        "  {acknowledged} acknowledged = {}",
        parts.join(" + ")
    );
    text
}

fn section(
    text: &mut String,
    name: &str,
    count: u64,
    of_what: &str,
    rows: impl Iterator<Item = String>,
) {
    let _ = writeln!(text, "  {name:<20} {:>6} {of_what}", grouped(count));
    let mut told = 0;
    for row in rows.take(SHOWN) {
        let _ = writeln!(text, "      - {row}");
        told += 1;
    }
    if count > told {
        let _ = writeln!(text, "      - and {} more", grouped(count - told));
    }
}

/// The verdict for programs: every row of it.
pub fn json(verdict: &Verdict) -> Value {
    json!({
        "clean": verdict.is_clean(),
        "counts": verdict.counts,
        "violationsByLaw": verdict.by_law(),
        "violations": verdict.violations,
        "lostWithStore": verdict.lost_with_store,
        "notes": verdict.notes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::verdict::Subject;

    #[test]
    fn of_many_rows_some_are_told_and_all_are_counted() {
        let mut verdict = Verdict::default();
        for number in 0..30_u128 {
            let subject = Subject {
                job: Some(uuid::Uuid::from_u128(number)),
                ..Subject::default()
            };
            verdict.violate(Law::NoLostAck, subject.clone(), "was lost");
            verdict.lose(Store::Redis, subject, "went with it");
        }
        verdict.finish();
        let text = words(&verdict);
        assert!(
            text.contains("2 no lost ack            30 violations"),
            "{text}"
        );
        assert!(text.contains("lost with the store      30 Redis"), "{text}");
        assert_eq!(text.matches("and 10 more").count(), 2, "{text}");
        assert_eq!(headline(&verdict), "30 violations · 30 lost with a store");
        let json = json(&verdict);
        assert_eq!(json["violations"].as_array().unwrap().len(), 30);
        assert_eq!(json["violationsByLaw"]["no-lost-ack"], 30);
        assert_eq!(
            json["violations"][0]["job"],
            "00000000-0000-0000-0000-000000000000"
        );
    }
}
