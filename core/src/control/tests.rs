use super::*;
use serde_json::json;

use crate::{
    id::{ProductId, SaleId},
    observation::LaneObservation,
    sale::{Sale, spec::FlashSaleSpec, validation},
    scaling::Reason,
    stock::KnownStock,
};

const OPENS: &str = "2030-01-01T10:00:00Z";

fn sale() -> Sale {
    let spec: FlashSaleSpec = serde_json::from_value(json!({
        "opensAt": OPENS,
        "products": [
            {"id": "a", "name": "A", "price": 1, "stock": 100},
            {"id": "b", "name": "B", "price": 1, "stock": 100},
        ],
        "worker": {"minReplicas": 1, "maxReplicas": 10, "lanesPerWorker": 1,
                   "targetQueueDepth": 100, "prewarmSeconds": 30,
                   "scaleDownStabilizationSeconds": 60},
    }))
    .unwrap();
    validation::check_spec(SaleId::new("drop").unwrap(), &spec).unwrap()
}

fn announced() -> Announced {
    Announced {
        sale: sale(),
        closing: false,
    }
}

fn at(offset: i64) -> Timestamp {
    let opens: Timestamp = OPENS.parse().unwrap();
    Timestamp::from_second(opens.as_second() + offset).unwrap()
}

fn level(product: &str, stock: i32, version: i64) -> StockLevel {
    StockLevel {
        product: ProductId::new(product).unwrap(),
        stock,
        version,
    }
}

fn lanes(depths: [u64; 2], known: [Option<(i32, i64)>; 2]) -> SaleObservation {
    let lanes = ["a", "b"].iter().zip(depths).zip(known);
    SaleObservation {
        sale: SaleId::new("drop").unwrap(),
        lanes: lanes
            .map(|((product, depth), known)| LaneObservation {
                product: ProductId::new(*product).unwrap(),
                depth,
                oldest_ms: None,
                driver: None,
                stock: KnownStock {
                    stock: known.map(|(stock, _)| stock),
                    version: known.map_or(0, |(_, version)| version),
                    settled: 0,
                },
            })
            .collect(),
        dead: 0,
    }
}

fn look(depths: [u64; 2]) -> Look {
    Look {
        announced: Some(Some(announced())),
        ledger: Some(vec![level("a", 100, 1), level("b", 100, 1)]),
        lanes: Some(lanes(depths, [Some((100, 1)); 2])),
    }
}

fn step(controller: &mut Controller, look: &Look, second: i64, workers: u32) -> Step {
    let monotonic = Duration::from_secs(u64::try_from(second + 1_000).unwrap());
    controller.step(look, at(second), monotonic, workers)
}

#[test]
fn a_sale_that_is_as_it_shall_be_needs_nothing() {
    let mut controller = Controller::new(announced());
    let step = step(&mut controller, &look([0, 0]), -100, 1);
    assert_eq!(step.phase, Phase::Scheduled);
    assert!(!step.announce && step.publish.is_empty());
    assert_eq!(step.workers(), 1);
}

#[test]
fn workers_for_the_opening_are_there_before_it() {
    let mut controller = Controller::new(announced());
    assert_eq!(step(&mut controller, &look([0, 0]), -31, 1).workers(), 1);
    assert_eq!(step(&mut controller, &look([0, 0]), -29, 1).workers(), 2);
}

#[test]
fn a_lost_redis_is_told_everything_again() {
    let mut controller = Controller::new(announced());
    let lost = Look {
        announced: Some(None),
        lanes: Some(lanes([0, 0], [None, Some((100, 1))])),
        ..look([0, 0])
    };
    let step = step(&mut controller, &lost, 0, 1);
    assert!(step.announce);
    assert_eq!(step.publish, [level("a", 100, 1)]);
}

#[test]
fn a_changed_record_is_put_right() {
    let mut controller = Controller::new(announced());
    let mut changed = announced();
    changed.sale.suspended = true;
    let tampered = Look {
        announced: Some(Some(changed)),
        ..look([0, 0])
    };
    assert!(step(&mut controller, &tampered, 0, 1).announce);
    controller.close();
    assert!(step(&mut controller, &look([0, 0]), 1, 1).announce);
}

#[test]
fn stock_is_passed_on_only_when_redis_stays_behind() {
    let mut controller = Controller::new(announced());
    step(&mut controller, &look([50, 0]), 0, 1);
    // A batch is committed and not yet acknowledged: Redis is a version behind, as it must be.
    let committed = Look {
        ledger: Some(vec![level("a", 50, 2), level("b", 100, 1)]),
        ..look([50, 0])
    };
    assert_eq!(step(&mut controller, &committed, 1, 1).publish, []);
    // A second later it still is: nobody else will tell.
    assert_eq!(
        step(&mut controller, &committed, 2, 1).publish,
        [level("a", 50, 2)]
    );
}

#[test]
fn stock_that_keeps_moving_is_left_to_the_workers() {
    let mut controller = Controller::new(announced());
    for version in 2..10 {
        let moving = Look {
            ledger: Some(vec![level("a", 50, version), level("b", 100, 1)]),
            lanes: Some(lanes([50, 0], [Some((51, version - 1)), Some((100, 1))])),
            ..look([50, 0])
        };
        assert_eq!(step(&mut controller, &moving, version, 1).publish, []);
    }
}

#[test]
fn a_failed_look_changes_nothing() {
    let mut controller = Controller::new(announced());
    assert_eq!(
        step(&mut controller, &look([5_000, 5_000]), 0, 1).workers(),
        2
    );
    for second in 1..300 {
        let step = step(&mut controller, &Look::default(), second, 2);
        assert_eq!(step.workers(), 2);
        assert_eq!(step.need, None);
        assert!(!step.announce && step.publish.is_empty());
    }
}

#[test]
fn a_closed_sale_keeps_its_workers_until_its_lanes_are_empty() {
    let mut controller = Controller::new(announced());
    controller.close();
    let draining = step(&mut controller, &look([10, 0]), 10, 1);
    assert_eq!((draining.phase, draining.workers()), (Phase::Draining, 1));
    let closed = step(&mut controller, &look([0, 0]), 11, 1);
    assert_eq!(closed.phase, Phase::Closed);
    assert_eq!(closed.need.unwrap().replicas, 0);
    let unread = step(&mut controller, &Look::default(), 12, 1);
    assert_eq!(unread.phase, Phase::Draining);
}

#[test]
fn a_sale_that_opens_much_later_needs_nobody() {
    let mut controller = Controller::new(announced());
    let first = step(&mut controller, &look([0, 0]), -900, 0);
    assert_eq!(
        (first.workers(), first.decision.reason),
        (0, Reason::Dormant)
    );
    // Unless jobs wait, of a sale that was closed and opens again.
    assert_eq!(
        step(&mut controller, &look([150, 90]), -899, 0).workers(),
        2
    );
    assert_eq!(step(&mut controller, &look([0, 0]), -898, 2).workers(), 2);
    assert_eq!(step(&mut controller, &look([0, 0]), -800, 2).workers(), 0);
}

#[test]
fn from_none_to_all_that_the_opening_needs() {
    let mut controller = Controller::new(announced());
    assert_eq!(step(&mut controller, &look([0, 0]), -31, 0).workers(), 0);
    let warm = step(&mut controller, &look([0, 0]), -30, 0);
    assert_eq!(
        (warm.workers(), warm.decision.reason),
        (2, Reason::Prewarming)
    );
}

#[test]
fn the_opening_is_prepared_though_nothing_can_be_read() {
    let mut controller = Controller::new(announced());
    let blind = step(&mut controller, &Look::default(), -31, 0);
    assert_eq!(blind.workers(), 0);
    let blind = step(&mut controller, &Look::default(), -30, 0);
    assert_eq!(
        (blind.workers(), blind.decision.reason),
        (2, Reason::Unreadable)
    );
}

#[test]
fn a_closed_sale_lets_its_workers_go_and_an_outage_brings_none_back() {
    let mut controller = Controller::new(announced());
    controller.close();
    assert_eq!(step(&mut controller, &look([0, 0]), 10, 3).workers(), 3);
    assert_eq!(step(&mut controller, &look([0, 0]), 70, 3).workers(), 0);
    let blind = step(&mut controller, &Look::default(), 71, 0);
    assert_eq!((blind.phase, blind.workers()), (Phase::Draining, 0));
}

#[test]
fn an_edit_takes_effect_at_the_next_look_and_keeps_the_past() {
    let mut controller = Controller::new(announced());
    assert_eq!(step(&mut controller, &look([900, 1]), 0, 1).workers(), 2);
    let mut edited = announced();
    edited.sale.workers.max_replicas = 1;
    controller.set_desired(edited.clone());
    assert_eq!(controller.desired(), &edited);
    let next = step(&mut controller, &look([900, 1]), 1, 2);
    assert!(next.announce);
    assert_eq!(
        (next.workers(), next.decision.reason),
        (1, Reason::LimitedByMaxReplicas)
    );
    controller.set_desired(announced());
    // The need of the edit's time was 1; that of the first look still counts.
    assert_eq!(step(&mut controller, &look([0, 0]), 2, 2).workers(), 2);
}
