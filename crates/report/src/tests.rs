//! The report as it is printed.

use std::collections::BTreeMap;

use flashsale_domain::id::SaleId;
use flashsale_ledger::ProductReport;
use flashsale_queue::answers::Answers;
use jiff::Timestamp;

use crate::{SaleReport, Sources};

fn product() -> ProductReport {
    ProductReport {
        product: "sneaker_1".to_owned(),
        incarnation: 2,
        is_on: true,
        name: Some("A pair".to_owned()),
        listed: Some(true),
        declared: Some(1_500),
        on_offer: Some(1_600),
        units_left: Some(100),
        units_sold: Some(1_500),
        returned: Some(0),
        pay_seconds: Some(600),
        sold_out: Some(7),
        limit_reached: Some(3),
        restocks: Some(1),
        restocked: Some(100),
        statuses: ["CANCELLED", "CANCELLED", "COMPLETED", "PENDING"]
            .map(str::to_owned)
            .into(),
        reasons: vec![
            Some("expired".to_owned()),
            Some("refunded".to_owned()),
            None,
            None,
        ],
        counts: vec![2, 1, 1_499, 1],
        amounts: vec![200, 100, 149_900, 100],
        first_order_ms: Some(1_000),
        last_order_ms: Some(61_000),
        last_change_ms: Some(700_000),
        first_job_ms: Some(900),
        last_job_ms: Some(60_900),
        undated: 3,
        out_of_order: 2,
        most_ahead_ms: Some(1_234),
        late: 0,
    }
}

fn report(answers: Result<Option<Answers>, String>, products: &[ProductReport]) -> SaleReport {
    SaleReport::new(Sources {
        sale: &SaleId::new("drop").unwrap(),
        at: Timestamp::UNIX_EPOCH,
        declared: None,
        answers,
        products,
    })
}

fn answers(counts: &[(&str, u64)]) -> Answers {
    let counts = counts.iter();
    Answers {
        since_ms: Some(500),
        by_answer: counts
            .map(|(answer, count)| ((*answer).to_owned(), *count))
            .collect::<BTreeMap<_, _>>(),
    }
}

#[test]
fn the_markdown_has_every_figure() {
    let counts = answers(&[("queued", 1_513), ("replayed", 4), ("sold-out", 9_000)]);
    insta::assert_snapshot!(report(Ok(Some(counts)), &[product()]).to_markdown());
}

#[test]
fn the_json_is_stable() {
    let counts = answers(&[("queued", 1_513), ("sold-out", 9_000)]);
    let report = report(Ok(Some(counts)), &[product()]);
    insta::assert_snapshot!(serde_json::to_string_pretty(&report).unwrap());
}

#[test]
fn what_is_lost_is_unknown_and_counts_that_miss_something_say_so() {
    let over = ProductReport {
        is_on: false,
        name: None,
        on_offer: None,
        sold_out: None,
        ..product()
    };
    let lost = report(Ok(None), &[product(), over]);
    assert_eq!(
        (&lost.buys, &lost.total.stock, &lost.total.turned_away),
        (&None, &None, &None)
    );
    assert!(
        lost.to_markdown()
            .contains("| asked | unknown | gateways |")
    );
    let few = report(Ok(Some(answers(&[("queued", 10)]))), &[product()]);
    assert!(
        few.buys_note
            .unwrap()
            .contains("counted 10 buys as queued, and 1513 were settled")
    );
    let away = report(Err("Redis is away.".to_owned()), &[]);
    assert_eq!(away.buys_note.as_deref(), Some("Redis is away."));
}
