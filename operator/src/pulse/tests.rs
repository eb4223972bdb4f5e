use flashsale_domain::{
    id::SaleId,
    lifecycle::{Readings, Switches},
    observation::SaleObservation,
    sale::{spec::FlashSaleSpec, validation},
    scaling::{Decision, Reason},
};
use jiff::SignedDuration;
use serde_json::json;

use super::*;

const OPENS: &str = "2030-01-01T10:00:00Z";
const CLOSES: &str = "2030-01-01T11:00:00Z";

fn announced(spec: &serde_json::Value) -> Announced {
    let mut spec = spec.clone();
    spec["products"] = json!([{"id": "shoe", "name": "Shoe", "price": 1, "stock": 5}]);
    let spec: FlashSaleSpec = serde_json::from_value(spec).unwrap();
    Announced {
        sale: validation::check_spec(SaleId::new("shop.drop").unwrap(), &spec).unwrap(),
        closing: false,
    }
}

/// The sale as it is in force, without buys, seen at `now`.
fn quiet(announced: &Announced, now: Timestamp) -> Observation {
    let sale = &announced.sale;
    let readings = Readings {
        queue_depth: Some(0),
        remaining: Some(5),
        pending: Some(0),
    };
    Observation {
        announced: Some(true),
        lanes: Some(SaleObservation {
            pending: Some(0),
            sale: sale.id.clone(),
            is_listed: true,
            lanes: Vec::new(),
            dead: 0,
            last_order: None,
            strays: Vec::new(),
            went_back_ms: None,
            outcomes_of: None,
        }),
        phase: Some(lifecycle::phase(
            sale.schedule,
            Switches::default(),
            readings,
            now,
        )),
        decision: Some(Decision {
            workers: 0,
            reason: Reason::Dormant,
        }),
        ..Observation::default()
    }
}

/// Every instant near `instant` at which a look may fall, a millisecond or more apart.
fn around(instant: &str) -> impl Iterator<Item = (Timestamp, Timestamp)> {
    let instant: Timestamp = instant.parse().unwrap();
    (-40_000..5_000)
        .filter(|offset| offset % 97 == 0 || (-5..5).contains(offset))
        .map(move |offset| (instant + SignedDuration::from_millis(offset), instant))
}

/// The sale is seen within one beat of `instant`, by however many looks before it.
fn assert_seen(announced: &Announced, now: Timestamp, instant: Timestamp) {
    let next = now + next_look(announced, &quiet(announced, now), now);
    assert!(
        next <= instant.max(now) + BEAT,
        "after a look at {now} the next one is at {next}, and {instant} lies between them"
    );
}

#[test]
fn no_sale_sleeps_through_its_opening() {
    // The workers need no time before the opening, so that nothing else keeps the sale awake.
    for prewarm in [0, 8] {
        let announced = announced(&json!({
            "opensAt": OPENS, "worker": {"minReplicas": 0, "prewarmSeconds": prewarm},
        }));
        for (now, opens) in around(OPENS) {
            assert_seen(&announced, now, opens);
        }
    }
}

#[test]
fn no_sale_sleeps_through_its_closing() {
    let announced = announced(&json!({"opensAt": OPENS, "closesAt": CLOSES}));
    for (now, closes) in around(CLOSES).filter(|(now, closes)| now < closes) {
        assert_seen(&announced, now, closes);
    }
}

#[test]
fn a_sale_that_is_far_from_its_opening_sleeps() {
    let announced = announced(&json!({"opensAt": OPENS, "worker": {"prewarmSeconds": 8}}));
    let opens: Timestamp = OPENS.parse().unwrap();
    let now = opens - SignedDuration::from_mins(5);
    let wait = next_look(&announced, &quiet(&announced, now), now);
    assert_eq!(wait, SLEEP);
}

#[test]
fn many_lanes_are_looked_at_in_parts() {
    let sale = |products: usize| {
        let mut record = announced(&json!({}));
        let product = record.sale.products[0].clone();
        record.sale.products = vec![product; products];
        record
    };
    let sizes = |sales: &[usize]| -> Vec<Vec<usize>> {
        let parts = parts(sales.iter().map(|products| sale(*products)).collect());
        let sizes = |part: &Vec<Announced>| part.iter().map(|r| r.sale.products.len()).collect();
        parts.iter().map(sizes).collect()
    };
    assert_eq!(sizes(&[]), Vec::<Vec<usize>>::new());
    assert_eq!(sizes(&[3_000]), [[3_000]]);
    assert_eq!(
        sizes(&[900, 900, 900, 200, 1_000, 5]),
        [vec![900, 900], vec![900, 200], vec![1_000, 5]]
    );
    let many = parts(vec![sale(300); 100]);
    assert!(many.iter().all(|part| part.len() <= 6), "of 300 lanes each");
}
