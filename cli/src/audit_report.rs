//! An audit in words: each law with the numbers behind it, and the rows that break it.

use std::fmt::Write as _;

use flashsale_audit::{Findings, PaymentAudit, SaleAudit};
use flashsale_testbed::figures::grouped;

/// The line that says it all, over some sales: `0 oversold · 0 lost · 0 duplicated`, and ` · 0 unsettled` where
/// orders are paid.
pub fn headline(audits: &[SaleAudit]) -> String {
    let sum = |figure: fn(&SaleAudit) -> u64| grouped(audits.iter().map(figure).sum::<u64>());
    let mut text = format!(
        "{} oversold · {} lost · {} duplicated",
        sum(SaleAudit::oversold),
        sum(SaleAudit::lost),
        sum(SaleAudit::duplicated)
    );
    if audits.iter().any(has_payments) {
        let _ = write!(text, " · {} unsettled", sum(SaleAudit::unsettled));
    }
    text
}

/// Whether orders of the sale wait for their payment, or have one.
fn has_payments(audit: &SaleAudit) -> bool {
    audit.payments != PaymentAudit::default()
}

/// One sale, law by law.
pub fn details(audit: &SaleAudit) -> String {
    let mut text = format!("audit of sale {}\n", audit.sale);
    for law in judged(audit) {
        write_law(&mut text, &law);
    }
    text
}

/// What an audit says of one law.
pub(crate) struct JudgedLaw<'a> {
    /// Its number in ARCHITECTURE.md.
    pub(crate) number: u8,
    /// What it says, in a few words.
    pub(crate) name: &'static str,
    /// By how much it is broken.
    pub(crate) broken_by: u64,
    /// What that is a count of.
    word: &'static str,
    /// The counts behind it.
    pub(crate) numbers: String,
    /// The rows that break it.
    pub(crate) findings: &'a Findings,
}

/// Every law that an audit judges; law 8 where there is something to pay.
pub(crate) fn judged(audit: &SaleAudit) -> Vec<JudgedLaw<'_>> {
    let mut laws = vec![
        JudgedLaw {
            number: 1,
            name: "no oversell",
            broken_by: audit.oversold(),
            word: "oversold",
            numbers: stock_line(audit),
            findings: &audit.stock.findings,
        },
        JudgedLaw {
            number: 2,
            name: "no lost ack",
            broken_by: audit.lost(),
            word: "lost",
            numbers: outcome_line(audit),
            findings: &audit.outcomes.lost,
        },
        JudgedLaw {
            number: 3,
            name: "once",
            broken_by: audit.duplicated(),
            word: "duplicated",
            numbers: order_line(audit),
            findings: &audit.uniqueness.findings,
        },
    ];
    if has_payments(audit) {
        laws.push(JudgedLaw {
            number: 8,
            name: "every payment has one order or one refund",
            broken_by: audit.unsettled(),
            word: "unsettled",
            numbers: payment_line(audit),
            findings: &audit.payments.findings,
        });
    }
    laws
}

fn write_law(text: &mut String, law: &JudgedLaw<'_>) {
    let JudgedLaw {
        word,
        numbers,
        findings,
        ..
    } = law;
    let count = grouped(law.broken_by);
    // Writing to a string cannot fail.
    let _ = writeln!(text, "  {count:>6} {word:<11} {numbers}");
    for row in &findings.rows {
        let _ = writeln!(text, "         - {row}");
    }
    let told = u64::try_from(findings.rows.len()).unwrap_or(u64::MAX);
    if findings.total > told {
        let _ = writeln!(
            text,
            "         - and {} more",
            grouped(findings.total - told)
        );
    }
}

fn stock_line(audit: &SaleAudit) -> String {
    let stock = &audit.stock;
    let products = match stock.products.len() {
        1 => "1 product".to_owned(),
        count => format!("{count} products"),
    };
    let mut text = format!(
        "{} units ever on offer = {} left + {} ordered, {products}",
        signed(stock.total(|books| books.initial)),
        signed(stock.total(|books| books.left)),
        signed(stock.total(|books| books.ordered))
    );
    let returned = stock.total(|books| books.returned);
    if returned > 0 {
        let returned = signed(returned);
        let _ = write!(
            text,
            "; {returned} more came back after their sale was over and are not on offer"
        );
    }
    text
}

fn outcome_line(audit: &SaleAudit) -> String {
    let outcomes = &audit.outcomes;
    let mut text = format!(
        "{} acknowledged = {} confirmed + {} sold out + {} limit reached + {} failed + {} queued",
        grouped(outcomes.jobs),
        grouped(outcomes.confirmed),
        grouped(outcomes.sold_out),
        grouped(outcomes.limit_reached),
        grouped(outcomes.failed),
        grouped(outcomes.queued),
    );
    let unrecorded = "Redis has no record of ";
    let notes = [
        (
            outcomes.letters_discarded,
            "",
            "dead letters were discarded",
        ),
        (outcomes.orders_without_record, unrecorded, "older orders"),
        (
            outcomes.rejections_without_record,
            unrecorded,
            "older rejections",
        ),
    ];
    for (count, before, after) in notes.into_iter().filter(|(count, ..)| *count > 0) {
        let _ = write!(text, "; {before}{} {after}", grouped(count));
    }
    text
}

fn order_line(audit: &SaleAudit) -> String {
    let orders = &audit.uniqueness;
    let (all, cancelled) = (grouped(orders.orders), grouped(orders.cancelled));
    let each = if orders.findings.is_empty() {
        "each of its own key, its own job and a known product"
    } else {
        "some of them not alone with their key or job, or of no known product"
    };
    format!("{all} orders ({cancelled} cancelled), {each}")
}

fn payment_line(audit: &SaleAudit) -> String {
    let payments = &audit.payments;
    let mut text = format!(
        "{} payments, {} of them an order's money and {} given back",
        grouped(payments.payments),
        grouped(payments.paid),
        grouped(payments.refunded)
    );
    let notes = [
        (payments.pending, "orders wait for their payment"),
        (payments.unfinished, "sessions to end or payments to refund"),
    ];
    for (count, what) in notes.into_iter().filter(|(count, _)| *count > 0) {
        let _ = write!(text, "; {} {what}", grouped(count));
    }
    text
}

fn signed(number: i64) -> String {
    let digits = grouped(number.unsigned_abs());
    if number < 0 {
        format!("-{digits}")
    } else {
        digits
    }
}
