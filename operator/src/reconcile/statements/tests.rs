use std::time::Duration;

use flashsale_domain::{
    id::{ProductId, SaleId},
    lifecycle::Announced,
    observation::SaleObservation,
    sale::{
        spec::{FlashSaleSpec, PaymentSpec},
        validation::check_spec,
    },
    scaling::{Decision, Reason as ScalingReason},
    stock::StockLevel,
};
use flashsale_ledger::SaleStock;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use strum::VariantArray as _;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::*;
use crate::{
    crd::{FlashSale, Spec, condition, status::FlashSaleStatus},
    events::Reason,
    obstacle::{Cause, Obstacle},
    reconcile::{refusal::Refusal, status, turns},
    roster::Observation,
    workers::Workers,
};

fn spec() -> FlashSaleSpec {
    serde_json::from_value(json!({
        "opensAt": "2026-11-27T09:00:00Z",
        "products": [{"id": "shoe", "name": "Shoe", "price": 1, "stock": 5}],
    }))
    .unwrap()
}

fn object() -> FlashSale {
    let mut object = FlashSale::new("drop", Spec(spec()));
    object.metadata.namespace = Some("shop".to_owned());
    object.metadata.generation = Some(3);
    object
}

fn now() -> Timestamp {
    "2026-11-27T09:00:05Z".parse().unwrap()
}

/// What a healthy look in `phase` shows.
fn observed(phase: Phase, stock: i32) -> Observation {
    Observation {
        looked: true,
        stock: Some(SaleStock {
            levels: vec![StockLevel {
                product: ProductId::new("shoe").unwrap(),
                stock,
                version: 1,
                settled_version: 0,
            }],
            unlisted: Vec::new(),
            sold: 0,
            unfenced_batches: 0,
            pending: 0,
            overdue: 0,
            untold: 0,
            changed: Vec::new(),
        }),
        announced: Some(true),
        phase: Some(phase),
        decision: Some(Decision {
            workers: 1,
            reason: ScalingReason::AtNeed,
        }),
        ..Observation::default()
    }
}

fn view(object: &FlashSale, observed: Observation) -> View<'_> {
    let sale = check_spec(SaleId::new("shop.drop").unwrap(), &spec()).unwrap();
    View {
        object,
        verdict: Verdict::Accepted,
        autoscaler: None,
        autoscalers_unread: None,
        in_force: Some(Announced {
            sale,
            closing: false,
        }),
        observed,
        workers: None,
        tolerated: Vec::new(),
        now: now(),
    }
}

fn told(view: &View<'_>) -> Vec<Condition> {
    condition::conditions(&statements(view), &[], Some(3), now())
}

fn phase_of(view: &View<'_>) -> Phase {
    phase(&statements(view))
}

fn of(conditions: &[Condition], about: Type) -> (String, String) {
    let condition = conditions
        .iter()
        .find(|condition| condition.type_ == about.as_str());
    let condition = condition.unwrap();
    (condition.status.clone(), condition.reason.clone())
}

#[test]
fn every_condition_is_there_from_the_first_visit_on() {
    let object = object();
    let unseen = view(&object, Observation::default());
    let conditions = told(&unseen);
    let types: Vec<&str> = conditions
        .iter()
        .map(|condition| condition.type_.as_str())
        .collect();
    let all: Vec<&str> = Type::VARIANTS.iter().map(|about| about.as_str()).collect();
    assert_eq!(types, all);
    for condition in &conditions {
        assert!(
            !condition.reason.is_empty() && !condition.message.is_empty(),
            "{condition:?}"
        );
        assert_eq!(condition.observed_generation, Some(3));
    }
    assert_eq!(phase_of(&unseen), Phase::Pending);
}

#[test]
fn a_ledger_that_went_back_is_told_until_it_is_repaired() {
    let object = object();
    let of_mark = |went_back_ms| {
        let mut view = healthy(&object);
        view.observed.lanes.as_mut().unwrap().went_back_ms = went_back_ms;
        of(&told(&view), Type::LedgerIntact)
    };
    let is = |state: &str, reason: &str| (state.to_owned(), reason.to_owned());
    assert_eq!(of_mark(None), is("True", "NothingMissing"));
    assert_eq!(of_mark(Some(1)), is("False", "LedgerWentBack"));
}

#[test]
fn the_phase_follows_from_the_conditions() {
    let cases = [
        (Phase::Scheduled, 5, Phase::Scheduled),
        (Phase::Open, 5, Phase::Open),
        (Phase::SoldOut, 0, Phase::SoldOut),
        (Phase::Suspended, 5, Phase::Suspended),
        (Phase::Draining, 5, Phase::Draining),
        (Phase::Closed, 0, Phase::Closed),
    ];
    for (seen, stock, expected) in cases {
        let object = object();
        assert_eq!(
            phase_of(&view(&object, observed(seen, stock))),
            expected,
            "{seen:?}"
        );
    }
}

#[test]
fn a_refused_sale_that_was_never_in_force_has_failed() {
    let object = object();
    let mut view = view(&object, Observation::default());
    view.in_force = None;
    view.verdict = Verdict::Refused(Refusal {
        reason: Reason::InvalidSpec,
        message: "spec.products: is empty".to_owned(),
    });
    let conditions = told(&view);
    assert_eq!(phase_of(&view), Phase::Failed);
    assert_eq!(
        of(&conditions, Type::Accepted),
        ("False".to_owned(), "InvalidSpec".to_owned())
    );
}

#[test]
fn a_refused_edit_does_not_close_an_open_sale() {
    let object = object();
    let mut view = view(&object, observed(Phase::Open, 5));
    view.verdict = Verdict::Refused(Refusal {
        reason: Reason::ForbiddenEdit,
        message: "opensAt stays".to_owned(),
    });
    let conditions = told(&view);
    assert_eq!(of(&conditions, Type::Accepted).1, "ForbiddenEdit");
    assert_eq!(of(&conditions, Type::Open).0, "True");
    assert_eq!(phase_of(&view), Phase::Open);
}

#[test]
fn a_deleted_sale_drains_from_the_first_visit_on() {
    let object = object();
    let mut view = view(&object, observed(Phase::Open, 5));
    view.observed.announced = None;
    view.verdict = Verdict::Ending(End::Draining);
    let conditions = told(&view);
    assert_eq!(
        of(&conditions, Type::Open).0,
        "Unknown",
        "not seen closed yet"
    );
    assert_eq!(phase_of(&view), Phase::Draining);
}

#[test]
fn the_deletion_of_a_refused_sale_is_no_recovery() {
    let mut object = object();
    let mut refused = view(&object, observed(Phase::Open, 1));
    refused.verdict = Verdict::Refused(Refusal::new(Reason::InvalidSpec, "no"));
    let mut before = status::told(&refused).status;
    before.queue_depth = Some(1);
    object.status = Some(before);
    let mut view = view(&object, observed(Phase::Draining, 1));
    view.verdict = Verdict::Ending(End::Draining);
    let turns = turns::turns(&view, &status::told(&view));
    let note = "intake is closed; 1 job is still to be settled";
    assert_eq!(turns, [(Reason::Closed, note.to_owned())]);
}

#[test]
fn not_knowing_is_neither_yes_nor_no() {
    let object = object();
    let blind = Observation {
        queue_error: Some("connection refused".to_owned()),
        ledger_error: Some("connection refused".to_owned()),
        announced: None,
        stock: None,
        decision: Some(Decision {
            workers: 4,
            reason: ScalingReason::Unreadable,
        }),
        ..observed(Phase::Open, 5)
    };
    let conditions = told(&view(&object, blind));
    for (about, state) in [
        (Type::Open, "Unknown"),
        (Type::SoldOut, "Unknown"),
        (Type::Scaling, "False"),
        (Type::QueueReachable, "False"),
        (Type::DatabaseReachable, "False"),
        (Type::Drained, "False"),
    ] {
        assert_eq!(of(&conditions, about).0, state, "{about:?}");
    }
}

#[test]
fn an_open_sale_keeps_its_phase_while_redis_is_away() {
    let mut object = object();
    let away = || Observation {
        queue_error: Some("connection refused".to_owned()),
        announced: None,
        ..observed(Phase::Open, 5)
    };
    let unseen = view(&object, away());
    assert_eq!(phase_of(&unseen), Phase::Pending, "never seen open");
    object.status = Some(FlashSaleStatus {
        opened_at: Some(now()),
        ..Default::default()
    });
    let view = view(&object, away());
    let conditions = told(&view);
    assert_eq!(
        of(&conditions, Type::Open),
        ("Unknown".to_owned(), "QueueUnreachable".to_owned())
    );
    assert_eq!(phase_of(&view), Phase::Open);
}

#[test]
fn a_condition_that_says_the_same_keeps_its_time() {
    let object = object();
    let view = view(&object, observed(Phase::Open, 5));
    let first = told(&view);
    let later = now().checked_add(SignedDuration::from_secs(60)).unwrap();
    let second = condition::conditions(&statements(&view), &first, Some(3), later);
    assert_eq!(first, second);
    let shut = View {
        observed: observed(Phase::Suspended, 5),
        ..view
    };
    let third = condition::conditions(&statements(&shut), &second, Some(3), later);
    let time = |conditions: &[Condition], about: Type| {
        let mut conditions = conditions.iter();
        let found = conditions.find(|condition| condition.type_ == about.as_str());
        found.unwrap().last_transition_time.0
    };
    assert_eq!(time(&third, Type::Open), later);
    assert_eq!(time(&third, Type::Accepted), now());
}

#[test]
fn workers_are_available_once_as_many_as_are_wanted_run_as_written() {
    let object = object();
    let workers = |available, updated| {
        Some(Workers {
            asked: 2,
            existing: 2,
            available,
            updated,
            ..Workers::default()
        })
    };
    let obstacle = |cause| Some(Obstacle::new(cause, "as Kubernetes says"));
    let cases = [
        (0, None, None, "True", "NoneNeeded"),
        (2, None, None, "False", "NoDeployment"),
        (2, workers(1, 2), None, "False", "Starting"),
        (2, workers(2, 2), None, "True", "Available"),
        // Those of the template before still run.
        (2, workers(2, 1), None, "False", "Starting"),
        (
            2,
            workers(2, 1),
            obstacle(Cause::ImageUnavailable),
            "False",
            "ImageUnavailable",
        ),
        (
            2,
            workers(0, 2),
            obstacle(Cause::PodsUnread),
            "Unknown",
            "PodsUnread",
        ),
        // What was found before they ran.
        (
            2,
            workers(2, 2),
            obstacle(Cause::CrashLoop),
            "True",
            "Available",
        ),
    ];
    for (wanted, workers, obstacle, state, reason) in cases {
        let mut view = view(&object, observed(Phase::Open, 5));
        view.observed.decision = Some(Decision {
            workers: wanted,
            reason: ScalingReason::AtNeed,
        });
        view.observed.obstacle = obstacle;
        view.workers = workers;
        assert_eq!(
            of(&told(&view), Type::WorkersAvailable),
            (state.to_owned(), reason.to_owned()),
            "{view:?}"
        );
    }
}

/// An open sale whose workers run.
fn healthy(object: &FlashSale) -> View<'_> {
    let lanes = SaleObservation {
        pending: Some(0),
        sale: SaleId::new("shop.drop").unwrap(),
        is_listed: true,
        lanes: Vec::new(),
        dead: 0,
        last_order: None,
        strays: Vec::new(),
        went_back_ms: None,
        outcomes_of: None,
    };
    let mut view = view(object, observed(Phase::Open, 5));
    view.observed.lanes = Some(lanes);
    view.workers = Some(Workers {
        asked: 1,
        existing: 1,
        ready: 1,
        available: 1,
        updated: 1,
    });
    view
}

fn refused(reason: Reason) -> Verdict {
    Verdict::Refused(Refusal {
        reason,
        message: "as it is written".to_owned(),
    })
}

/// What is wrong with a sale that is healthy otherwise; state and reason of `Ready` then, and which of
/// the three conditions that sum up holds.
type Trouble = (fn(&mut View<'_>), (&'static str, &'static str), Type);

/// What a visit can come to.
fn verdicts() -> Vec<Trouble> {
    vec![
        (
            |view| view.verdict = refused(Reason::InvalidSpec),
            ("False", "InvalidSpec"),
            Type::Stalled,
        ),
        (
            |view| view.verdict = refused(Reason::SecretMissing),
            ("False", "SecretMissing"),
            Type::Reconciling,
        ),
        (
            |view| view.verdict = Verdict::Undeclared("away".to_owned()),
            ("Unknown", "Undeclared"),
            Type::Reconciling,
        ),
        (
            |view| view.verdict = Verdict::Failed("forbidden".to_owned()),
            ("False", "ReconcileFailed"),
            Type::Reconciling,
        ),
        (
            |view| view.verdict = Verdict::Paused,
            ("Unknown", "Paused"),
            Type::Stalled,
        ),
        (
            |view| view.verdict = Verdict::Ending(End::Draining),
            ("False", "Deleting"),
            Type::Reconciling,
        ),
        (
            |view| view.verdict = Verdict::Ending(End::Blocked("no Secret".to_owned())),
            ("False", "DeletionBlocked"),
            Type::Stalled,
        ),
        (
            |view| view.verdict = Verdict::Ending(End::Overdue("1 job is".to_owned())),
            ("False", "DrainTimedOut"),
            Type::Stalled,
        ),
    ]
}

/// What can be seen.
fn observations() -> Vec<Trouble> {
    vec![
        (|_| {}, ("True", "InForce"), Type::Ready),
        (
            |view| view.autoscaler = Some("greedy".to_owned()),
            ("False", "AutoscalerConflict"),
            Type::Stalled,
        ),
        (
            |view| view.observed.queue_error = Some("refused".to_owned()),
            ("False", "Unreachable"),
            Type::Reconciling,
        ),
        (
            |view| view.observed.ledger_error = Some("refused".to_owned()),
            ("False", "Unreachable"),
            Type::Reconciling,
        ),
        (
            |view| view.observed.announced = Some(false),
            ("Unknown", "NotAnnounced"),
            Type::Reconciling,
        ),
        (
            |view| view.observed.lanes.as_mut().unwrap().went_back_ms = Some(1),
            ("False", "LedgerWentBack"),
            Type::Stalled,
        ),
        (
            |view| view.workers = Some(Workers::default()),
            ("False", "Starting"),
            Type::Reconciling,
        ),
        // Workers get ready once their stores answer.
        (
            |view| {
                view.workers = Some(Workers::default());
                view.observed.ledger_error = Some("refused".to_owned());
            },
            ("False", "Unreachable"),
            Type::Reconciling,
        ),
        // Some work while others start.
        (
            |view| view.observed.decision.as_mut().unwrap().workers = 3,
            ("True", "InForce"),
            Type::Ready,
        ),
        (
            |view| {
                view.workers = Some(Workers::default());
                view.observed.obstacle = Some(Obstacle::new(Cause::Unschedulable, "no room"));
            },
            ("False", "Unschedulable"),
            Type::Reconciling,
        ),
        (
            |view| {
                view.workers = Some(Workers::default());
                view.observed.obstacle = Some(Obstacle::new(Cause::ImageUnavailable, "no image"));
            },
            ("False", "ImageUnavailable"),
            Type::Stalled,
        ),
        // What somebody has to do counts before what passes by itself.
        (
            |view| {
                view.observed.queue_error = Some("refused".to_owned());
                view.verdict = refused(Reason::ForbiddenEdit);
            },
            ("False", "ForbiddenEdit"),
            Type::Stalled,
        ),
        (
            |view| {
                view.observed = Observation::default();
                view.in_force = None;
            },
            ("Unknown", "NotSeenYet"),
            Type::Reconciling,
        ),
    ]
}

#[test]
fn ready_sums_up_and_one_of_ready_reconciling_and_stalled_holds() {
    let troubles = verdicts().into_iter().chain(observations());
    for (index, (trouble, (state, reason), holds)) in troubles.enumerate() {
        let object = object();
        let mut view = healthy(&object);
        trouble(&mut view);
        let conditions = told(&view);
        let ready = of(&conditions, Type::Ready);
        assert_eq!(ready, (state.to_owned(), reason.to_owned()), "case {index}");
        let held = [Type::Ready, Type::Reconciling, Type::Stalled]
            .into_iter()
            .filter(|about| condition::holds(&conditions, *about))
            .collect::<Vec<_>>();
        assert_eq!(held, [holds], "case {index}");
    }
}

#[test]
fn a_paused_sale_stays_ready_until_it_is_edited() {
    let mut object = object();
    object.status = Some(status::told(&healthy(&object)).status);
    let paused = |object: &FlashSale| {
        let mut view = healthy(object);
        view.verdict = Verdict::Paused;
        let status = status::told(&view).status;
        (
            status.observed_generation,
            of(&status.conditions, Type::Ready),
        )
    };
    let (generation, ready) = paused(&object);
    assert_eq!((generation, ready.0.as_str()), (Some(3), "True"));
    object.metadata.generation = Some(4);
    let (generation, ready) = paused(&object);
    assert_eq!(generation, Some(3), "generation 4 was not looked at");
    assert_eq!(ready, ("Unknown".to_owned(), "Paused".to_owned()));
}

#[test]
fn a_closing_by_the_schedule_has_its_time_to_drain() {
    let mut object = object();
    let closed: Timestamp = "2026-11-27T10:00:00Z".parse().unwrap();
    let after = |seconds| {
        closed
            .checked_add(SignedDuration::from_secs(seconds))
            .unwrap()
    };
    let reason = |object: &FlashSale, now| {
        let mut view = healthy(object);
        view.observed.phase = Some(Phase::Draining);
        let sale = &mut view.in_force.as_mut().unwrap().sale;
        sale.schedule.closes_at = Some(closed);
        sale.drain_timeout = Duration::from_secs(30);
        view.now = now;
        of(&told(&view), Type::Drained).1
    };
    assert_eq!(
        reason(&object, after(31)),
        "Draining",
        "not seen to close yet"
    );
    object.status = Some(FlashSaleStatus {
        closed_at: Some(after(5)),
        ..FlashSaleStatus::default()
    });
    assert_eq!(reason(&object, after(35)), "Draining");
    assert_eq!(reason(&object, after(36)), "DrainTimedOut");
}

#[test]
fn unpaid_orders_are_told_of_a_sale_with_payment_alone_and_kept_while_unknown() {
    let object = object();
    let mut view = healthy(&object);
    view.observed.stock.as_mut().unwrap().pending = 7;
    let pending = |view: &View<'_>| status::told(view).status.pending_orders;
    assert_eq!(pending(&view), None, "nothing has to be paid");
    let paid = FlashSaleSpec {
        payment: Some(PaymentSpec::default()),
        ..spec()
    };
    let sale = check_spec(SaleId::new("shop.drop").unwrap(), &paid).unwrap();
    view.in_force.as_mut().unwrap().sale = sale;
    assert_eq!(pending(&view), Some(7));

    let mut before = object.clone();
    before.status = Some(status::told(&view).status);
    let mut unread = View {
        object: &before,
        ..view.clone()
    };
    unread.observed.stock = None;
    assert_eq!(pending(&unread), Some(7), "the last value stays");
    unread.object = &object;
    assert_eq!(pending(&unread), None, "never read is not 0");
}
