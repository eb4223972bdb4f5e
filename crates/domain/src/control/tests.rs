use super::*;
use serde_json::json;

use crate::{
    id::{ProductId, SaleId},
    observation::LaneObservation,
    sale::{LatePolicy, PaymentWindow, Sale, spec::FlashSaleSpec, validation},
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
        settled_version: version,
    }
}

/// A figure that a restock or a cancelled order has made since the batch of `settled_version`.
fn restocked(product: &str, stock: i32, version: i64, settled_version: i64) -> StockLevel {
    StockLevel {
        settled_version,
        ..level(product, stock, version)
    }
}

fn lanes(depths: [u64; 2], known: [Option<(i32, i64)>; 2]) -> SaleObservation {
    let lanes = ["a", "b"].iter().zip(depths).zip(known);
    SaleObservation {
        pending: Some(0),
        sale: SaleId::new("drop").unwrap(),
        is_listed: true,
        lanes: lanes
            .map(|((product, depth), known)| LaneObservation {
                product: ProductId::new(*product).unwrap(),
                is_retired: false,
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
        last_order: None,
        strays: Vec::new(),
        went_back_ms: None,
        outcomes_of: None,
    }
}

fn look(depths: [u64; 2]) -> Look {
    Look {
        announced: Some(Some(announced())),
        ledger: Some(vec![level("a", 100, 1), level("b", 100, 1)]),
        pending: Some(0),
        changed: Vec::new(),
        unlisted: Some(Vec::new()),
        server: None,
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
    assert!(step.announce.is_none() && step.publish.is_empty());
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
    assert_eq!(step.announce, Some(announced()));
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
    assert!(step(&mut controller, &tampered, 0, 1).announce.is_some());
    controller.close();
    assert!(
        step(&mut controller, &look([0, 0]), 1, 1)
            .announce
            .is_some()
    );
}

#[test]
fn a_batch_that_is_not_acknowledged_is_never_told_however_long_that_takes() {
    let mut controller = Controller::new(announced());
    step(&mut controller, &look([50, 0]), 0, 1);
    // A batch is committed, and its worker dies: its jobs are in the lane until another takes it.
    let committed = Look {
        ledger: Some(vec![level("a", 50, 2), level("b", 100, 1)]),
        ..look([50, 0])
    };
    for second in 1..5 {
        assert_eq!(step(&mut controller, &committed, second, 1).publish, []);
    }
    // Its lane is empty: whoever took it out has not told the stock.
    let emptied = Look {
        lanes: Some(lanes([0, 0], [Some((100, 1)); 2])),
        ..committed
    };
    assert_eq!(
        step(&mut controller, &emptied, 5, 1).publish,
        [level("a", 50, 2)]
    );
}

#[test]
fn a_restock_is_told_at_once_beside_jobs_that_wait() {
    let mut controller = Controller::new(announced());
    let known = lanes([3, 0], [Some((100, 4)), Some((100, 1))]);
    let restocked = |settled_version| Look {
        ledger: Some(vec![
            restocked("a", 110, 6, settled_version),
            level("b", 100, 1),
        ]),
        lanes: Some(known.clone()),
        ..look([3, 0])
    };
    let all_acknowledged = restocked(4);
    let told = step(&mut controller, &all_acknowledged, 0, 1).publish;
    assert_eq!(told, all_acknowledged.ledger.unwrap()[..1]);
    let with_a_batch_before_it = restocked(5);
    assert_eq!(
        step(&mut controller, &with_a_batch_before_it, 1, 1).publish,
        []
    );
}

fn at_version(ledger: (i32, i64), known: (i32, i64)) -> Look {
    Look {
        ledger: Some(vec![level("a", ledger.0, ledger.1), level("b", 100, 1)]),
        lanes: Some(lanes([0, 0], [Some(known), Some((100, 1))])),
        ..look([0, 0])
    }
}

fn told_back(controller: &mut Controller, look: &Look, second: i64) -> Vec<(String, i64, i64)> {
    let step = step(controller, look, second, 1);
    let told = step.went_back.into_iter();
    told.map(|back| (back.product.to_string(), back.version, back.told))
        .collect()
}

#[test]
fn a_ledger_older_than_what_redis_knew_before_went_back() {
    let mut controller = Controller::new(announced());
    assert_eq!(
        told_back(&mut controller, &at_version((40, 9), (40, 9)), 0),
        []
    );
    // The promoted replica, and an acknowledgement of a lost batch that came in between.
    let lost = at_version((60, 5), (30, 10));
    assert_eq!(told_back(&mut controller, &lost, 1), [("a".into(), 5, 10)]);
    // Told again until it is corrected.
    assert_eq!(told_back(&mut controller, &lost, 2), [("a".into(), 5, 10)]);
    assert_eq!(
        told_back(&mut controller, &at_version((60, 1_010), (60, 1_010)), 3),
        []
    );
}

#[test]
fn a_batch_between_the_two_reads_of_a_look_is_no_ledger_that_went_back() {
    let mut controller = Controller::new(announced());
    for version in 1..20 {
        // The ledger was read first, and Redis after the next batch was acknowledged.
        let stock = 100 - i32::try_from(version).unwrap();
        let racing = at_version((stock, version), (stock - 1, version + 1));
        assert_eq!(told_back(&mut controller, &racing, version), []);
    }
}

#[test]
fn a_ledger_that_has_grown_to_the_same_version_with_another_figure_went_back() {
    let mut controller = Controller::new(announced());
    told_back(&mut controller, &at_version((40, 9), (40, 9)), 0);
    assert_eq!(
        told_back(&mut controller, &at_version((55, 9), (40, 9)), 1),
        [("a".into(), 9, 9)]
    );
}

#[test]
fn what_redis_knew_is_remembered_while_it_is_away_or_lost() {
    let mut controller = Controller::new(announced());
    told_back(&mut controller, &at_version((40, 9), (40, 9)), 0);
    let blind = Look {
        lanes: None,
        announced: None,
        ..at_version((40, 9), (40, 9))
    };
    assert_eq!(told_back(&mut controller, &blind, 1), []);
    let both_lost = Look {
        lanes: Some(lanes([0, 0], [None, None])),
        ..at_version((60, 5), (0, 0))
    };
    assert_eq!(
        told_back(&mut controller, &both_lost, 2),
        [("a".into(), 5, 9)]
    );
}

#[test]
fn a_ledger_without_the_products_is_told_them_again_and_is_not_sold_out() {
    let mut controller = Controller::new(announced());
    let sold_out = Look {
        ledger: Some(vec![level("a", 0, 2), level("b", 0, 2)]),
        ..look([0, 0])
    };
    let step_of = |controller: &mut Controller, look: &Look| step(controller, look, 1, 1);
    let told = step_of(&mut controller, &sold_out);
    assert_eq!((told.phase, told.declare), (Phase::SoldOut, false));
    for levels in [vec![], vec![level("a", 100, 1)]] {
        let rebuilt = Look {
            ledger: Some(levels),
            ..look([0, 0])
        };
        let told = step_of(&mut controller, &rebuilt);
        assert_eq!((told.phase, told.declare), (Phase::Open, true));
    }
    controller.close();
    let rebuilt = Look {
        ledger: Some(vec![]),
        ..look([0, 0])
    };
    assert!(!step_of(&mut controller, &rebuilt).declare);
}

/// Another sale may have taken them. Only jobs that wait need them.
#[test]
fn the_products_of_a_sale_that_is_over_are_not_missed() {
    let mut over = announced();
    over.sale.schedule.closes_at = Some(at(10));
    let mut controller = Controller::new(over);
    let without = |jobs| Look {
        ledger: Some(vec![]),
        ..look([jobs, 0])
    };
    let declares = |controller: &mut Controller, look: &Look, second: u32| {
        let told = step(controller, look, second.into(), 1);
        (told.phase, told.declare)
    };
    let drained = without(0);
    assert_eq!(declares(&mut controller, &drained, 5), (Phase::Open, true));
    assert_eq!(
        declares(&mut controller, &drained, 10),
        (Phase::Closed, false)
    );
    assert_eq!(
        declares(&mut controller, &without(1), 11),
        (Phase::Draining, true)
    );
    let unread = Look {
        lanes: None,
        ..drained
    };
    assert_eq!(
        declares(&mut controller, &unread, 12),
        (Phase::Draining, false)
    );
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
        assert!(step.announce.is_none() && step.publish.is_empty());
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
    assert_eq!(next.announce, Some(edited));
    assert_eq!(
        (next.workers(), next.decision.reason),
        (1, Reason::LimitedByMaxReplicas)
    );
    controller.set_desired(announced());
    // The need of the edit's time was 1; that of the first look still counts.
    assert_eq!(step(&mut controller, &look([0, 0]), 2, 2).workers(), 2);
}

#[test]
fn a_sale_that_is_not_in_the_list_of_sales_is_announced_again() {
    let mut controller = Controller::new(announced());
    let mut unlisted = look([0, 0]);
    unlisted.lanes.as_mut().unwrap().is_listed = false;
    let told = step(&mut controller, &unlisted, 0, 1).announce;
    assert_eq!(told, Some(announced()));
}

/// The sale `drop` after `c` was taken out of it, with what Redis holds of `c`.
fn without_c(depth: u64, stock: Option<i32>, record: Announced) -> Look {
    let mut taken_out = look([0, 0]);
    let c = ProductId::new("c").unwrap();
    taken_out.unlisted = Some(vec![c.clone()]);
    let seen = taken_out.lanes.as_mut().unwrap();
    if !record.sale.retired.is_empty() {
        seen.lanes.push(LaneObservation {
            product: c.clone(),
            is_retired: true,
            depth,
            oldest_ms: None,
            driver: None,
            stock: KnownStock {
                stock,
                version: 3,
                settled: 0,
            },
        });
    }
    seen.strays = stock.map(|_| c).into_iter().collect();
    taken_out.announced = Some(Some(record));
    taken_out
}

#[test]
fn a_product_taken_out_of_a_sale_is_off_the_shelf_then_settled_then_let_go() {
    let c = vec![ProductId::new("c").unwrap()];
    let mut controller = Controller::new(announced());
    let mut retired = announced();
    retired.sale.retired.clone_from(&c);

    let first = step(&mut controller, &without_c(2, Some(5), announced()), 0, 1);
    assert_eq!(
        (first.announce, first.forget),
        (Some(retired.clone()), c.clone())
    );
    assert_eq!(first.release, []);

    let jobs_left = without_c(2, None, retired.clone());
    let second = step(&mut controller, &jobs_left, 1, 1);
    assert_eq!((second.announce, second.release), (None, vec![]));
    // It may be on the shelf once more, told by whoever settled its jobs.
    let told_again = step(
        &mut controller,
        &without_c(0, Some(4), retired.clone()),
        2,
        1,
    );
    assert_eq!((told_again.forget, told_again.release), (c.clone(), vec![]));

    let emptied = without_c(0, None, retired.clone());
    let third = step(&mut controller, &emptied, 3, 1);
    assert_eq!((third.announce, third.release), (None, c));
    let let_go = Look {
        announced: Some(Some(retired)),
        ..look([0, 0])
    };
    let last = step(&mut controller, &let_go, 4, 1);
    assert_eq!((last.announce, last.release), (Some(announced()), vec![]));
}

#[test]
fn jobs_of_a_product_taken_out_are_waited_for_and_need_workers() {
    let mut controller = Controller::new(announced());
    controller.close();
    let mut retired = announced();
    retired.closing = true;
    retired.sale.retired = vec![ProductId::new("c").unwrap()];
    let draining = step(&mut controller, &without_c(2, None, retired), 0, 1);
    assert_eq!((draining.phase, draining.workers()), (Phase::Draining, 1));
}

#[test]
fn no_lane_loses_its_driver_while_the_ledger_cannot_be_asked() {
    let mut without_b = announced();
    without_b.sale.products.truncate(1);
    let mut controller = Controller::new(without_b.clone());
    let blind = Look {
        ledger: None,
        unlisted: None,
        ..look([0, 0])
    };
    let told = step(&mut controller, &blind, 0, 1).announce.unwrap();
    without_b.sale.retired = vec![ProductId::new("b").unwrap()];
    assert_eq!(told, without_b);
}

#[test]
fn a_redis_that_may_have_lost_outcomes_is_given_them_once() {
    let mut controller = Controller::new(announced());
    let of = |server: &str, has: Option<&str>| {
        let mut look = look([0, 0]);
        look.server = Some(server.to_owned());
        look.lanes.as_mut().unwrap().outcomes_of = has.map(str::to_owned);
        look
    };
    let mut restore = |look: Look| step(&mut controller, &look, 0, 1).restore;
    assert_eq!(restore(of("one", None)), Some("one".to_owned()));
    assert_eq!(restore(of("one", Some("one"))), None);
    assert_eq!(restore(of("two", Some("one"))), Some("two".to_owned()));
    let lost = Look {
        announced: Some(None),
        ..of("one", None)
    };
    assert_eq!(restore(lost), None, "announced first");
    let blind = Look {
        ledger: None,
        ..of("one", None)
    };
    assert_eq!(restore(blind), None);
}

/// A look at jobs that wait in lane `a`, the oldest since `oldest_ms`.
fn waiting(driver: Option<&str>, oldest_ms: i64) -> Look {
    let mut waiting = look([1, 0]);
    let lane = &mut waiting.lanes.as_mut().unwrap().lanes[0];
    lane.driver = driver.map(ToOwned::to_owned);
    lane.oldest_ms = Some(oldest_ms);
    waiting
}

/// Workers and why, after one look each second of 1 to `seconds`.
fn after(
    controller: &mut Controller,
    seconds: std::ops::RangeInclusive<i64>,
    look: &Look,
) -> (u32, Reason) {
    let mut workers = 1;
    let mut reason = Reason::AtNeed;
    for second in seconds {
        let step = step(controller, look, second, workers);
        (workers, reason) = (step.workers(), step.decision.reason);
    }
    (workers, reason)
}

#[test]
fn a_lane_that_stands_still_gets_a_spare_worker() {
    let mut controller = Controller::new(announced());
    let idle = waiting(None, 1);
    assert_eq!(after(&mut controller, 1..=9, &idle), (1, Reason::AtNeed));
    assert_eq!(after(&mut controller, 10..=30, &idle), (2, Reason::Spare));
    // The one that was lost may still count as there: the spare stays for the window.
    let driven = waiting(Some("spare"), 1);
    assert_eq!(step(&mut controller, &driven, 31, 2).workers(), 2);
    let later = step(&mut controller, &driven, 31 + 61, 2);
    assert_eq!(
        (later.workers(), later.decision.reason),
        (1, Reason::AtNeed)
    );
}

#[test]
fn a_lane_that_is_driven_now_and_then_gets_none() {
    let mut controller = Controller::new(announced());
    for second in 1..=40 {
        // Seen without a driver by chance: the job at its head is another one.
        let moving = waiting(None, second / 5);
        assert_eq!(step(&mut controller, &moving, second, 1).workers(), 1);
    }
    let mut controller = Controller::new(announced());
    for second in 1..=40 {
        let driver = (second % 8 == 0).then_some("worker");
        let slow = waiting(driver, 1);
        assert_eq!(step(&mut controller, &slow, second, 1).workers(), 1);
    }
}

#[test]
fn nothing_that_could_not_be_read_asks_for_a_spare() {
    let mut controller = Controller::new(announced());
    let no_ledger = Look {
        ledger: None,
        ..waiting(None, 1)
    };
    assert_eq!(after(&mut controller, 1..=30, &no_ledger).0, 1);
    let mut controller = Controller::new(announced());
    after(&mut controller, 1..=9, &waiting(None, 1));
    assert_eq!(after(&mut controller, 10..=10, &Look::default()).0, 1);
    assert_eq!(after(&mut controller, 11..=19, &waiting(None, 1)).0, 1);
}

#[test]
fn a_sale_whose_orders_wait_for_payment_keeps_a_worker_and_its_products_until_none_does() {
    let mut announced = announced();
    announced.closing = true;
    announced.sale.workers.min_replicas = 0;
    announced.sale.payment = Some(PaymentWindow {
        window_seconds: 600,
        grace_seconds: 0,
        provider: None,
        on_late: LatePolicy::Reacquire,
    });
    let mut controller = Controller::new(announced.clone());
    let look = |pending| Look {
        announced: Some(Some(announced.clone())),
        pending,
        ..look([0, 0])
    };
    let unpaid = step(&mut controller, &look(Some(2)), 0, 1);
    assert_eq!((unpaid.phase, unpaid.workers()), (Phase::Settling, 1));
    // The ledger is away: nobody knows, and the worker stays.
    let unknown = step(&mut controller, &look(None), 100, 1);
    assert_eq!((unknown.phase, unknown.workers()), (Phase::Settling, 1));
    let paid = step(&mut controller, &look(Some(0)), 200, 1);
    assert_eq!((paid.phase, paid.workers()), (Phase::Closed, 0));
}
