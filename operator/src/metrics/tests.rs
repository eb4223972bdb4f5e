use std::time::Duration;

use flashsale_domain::{
    durability::{Finding, Reason},
    id::{ProductId, SaleId},
    lifecycle::Phase,
    observation::SaleObservation,
    scaling::{self, Decision},
    stock::StockLevel,
};
use flashsale_ledger::SaleStock;
use prometheus::TextEncoder;

use super::*;
use crate::{roster::Observation, workers::Workers};

fn text(registry: &Registry) -> String {
    TextEncoder::new()
        .encode_to_string(&registry.gather())
        .unwrap()
}

fn sale() -> SaleId {
    SaleId::new("shop.sneaker-drop").unwrap()
}

/// A look by which every figure is known.
fn known() -> Observation {
    let level = StockLevel {
        product: ProductId::new("shoe").unwrap(),
        stock: 7,
        version: 1,
        settled_version: 0,
    };
    Observation {
        lanes: Some(SaleObservation {
            pending: Some(0),
            sale: sale(),
            is_listed: true,
            lanes: Vec::new(),
            dead: 0,
            last_order: None,
            strays: Vec::new(),
            went_back_ms: None,
            outcomes_of: None,
        }),
        stock: Some(SaleStock {
            levels: vec![level],
            ..SaleStock::default()
        }),
        decision: Some(Decision {
            workers: 1,
            reason: scaling::Reason::AtNeed,
        }),
        durability: Some(Finding {
            holds: Some(true),
            reason: Reason::ReplicaAcknowledged,
            message: String::new(),
        }),
        oversold: Some(0),
        ..Observation::default()
    }
}

/// What is shown of a sale that was seen like this.
fn shown(observed: &Observation) -> String {
    let registry = Registry::new();
    let metrics = Metrics::register(&registry).unwrap();
    metrics.sales.show(&sale(), observed, Workers::default());
    text(&registry)
}

/// A look at stores that are both away, after one that had counted so many units oversold.
fn away(oversold: i64) -> Observation {
    Observation {
        oversold: Some(oversold),
        queue_error: Some("refused".to_owned()),
        ledger_error: Some("refused".to_owned()),
        ..Observation::default()
    }
}

#[test]
fn names_are_the_documented_ones() {
    let registry = Registry::new();
    let metrics = Metrics::register(&registry).unwrap();
    metrics.sales.phases(None, &[]);
    metrics.sales.show(&sale(), &known(), Workers::default());
    metrics.sales.stalled(&sale(), false);
    let table = include_str!("../../../docs/metrics.md");
    let families = registry.gather();
    assert_eq!(families.len(), 23);
    for family in families {
        let row = format!("| `{}`", family.name());
        assert!(
            table.contains(&row),
            "docs/metrics.md lacks {}",
            family.name()
        );
    }
}

#[test]
fn unknown_figures_are_absent() {
    let registry = Registry::new();
    let metrics = Metrics::register(&registry).unwrap();
    let show = |observed: &Observation| {
        metrics.sales.show(&sale(), observed, Workers::default());
        text(&registry)
    };
    let line = "flashsale_operator_remaining_units{sale=\"shop.sneaker-drop\"} 7";
    assert!(show(&known()).contains(line));
    let text = show(&Observation::default());
    assert!(!text.contains("flashsale_operator_remaining_units{"));
    assert!(text.contains("flashsale_operator_queue_up{sale=\"shop.sneaker-drop\"} 1"));
}

#[test]
fn what_could_not_be_read_is_absent_and_never_zero() {
    let figures = [
        "oversold_units",
        "queue_depth",
        "remaining_units",
        "replicas_desired",
        "scaling_limited",
        "queue_durable",
        "ledger_went_back",
        "unfenced_batches",
        "pending_orders",
        "overdue_orders",
        "untold_order_changes",
    ];
    let (before, text) = (shown(&known()), shown(&away(0)));
    for figure in figures {
        let series = format!("flashsale_operator_{figure}{{");
        assert!(before.contains(&series), "{figure}: {before}");
        assert!(!text.contains(&series), "{figure}: {text}");
    }
    let stale = Observation {
        queue_error: Some("refused".to_owned()),
        ledger_error: Some("refused".to_owned()),
        decision: None,
        ..known()
    };
    let text = shown(&stale);
    for figure in figures {
        let series = format!("flashsale_operator_{figure}{{");
        assert!(!text.contains(&series), "{figure}: {text}");
    }
    assert!(text.contains("flashsale_operator_queue_up{sale=\"shop.sneaker-drop\"} 0"));
}

#[test]
fn bad_news_of_a_store_stay_while_it_is_away() {
    let series = "flashsale_operator_oversold_units{sale=\"shop.sneaker-drop\"}";
    assert!(shown(&away(3)).contains(&format!("{series} 3")));
    assert!(shown(&known()).contains(&format!("{series} 0")));
    let mut lost = known();
    lost.queue_error = Some("refused".to_owned());
    lost.durability.as_mut().unwrap().holds = Some(false);
    lost.lanes.as_mut().unwrap().went_back_ms = Some(1);
    let text = shown(&lost);
    for line in [
        "queue_durable{sale=\"shop.sneaker-drop\"} 0",
        "ledger_went_back{sale=\"shop.sneaker-drop\"} 1",
    ] {
        assert!(
            text.contains(&format!("flashsale_operator_{line}")),
            "{text}"
        );
    }
}

#[test]
fn forgotten_sale_leaves_no_series() {
    let registry = Registry::new();
    let metrics = Metrics::register(&registry).unwrap();
    metrics.sales.show(&sale(), &known(), Workers::default());
    metrics.sales.stalled(&sale(), true);
    metrics.sales.forget(&sale());
    assert!(!text(&registry).contains("sneaker-drop"));
}

#[test]
fn phases_without_sales_are_zero() {
    let registry = Registry::new();
    let metrics = Metrics::register(&registry).unwrap();
    metrics.sales.phases(None, &[(Phase::Open, 2)]);
    metrics.sales.phases(None, &[(Phase::Closed, 1)]);
    let text = text(&registry);
    assert!(text.contains("flashsale_operator_sales{phase=\"Open\"} 0"));
    assert!(text.contains("flashsale_operator_sales{phase=\"Closed\"} 1"));
}

#[test]
fn outcomes_and_steps_are_counted_from_zero() {
    let registry = Registry::new();
    let metrics = Metrics::register(&registry).unwrap();
    metrics
        .reconciles
        .ended(Outcome::Refused, Duration::from_millis(3));
    metrics.reconciles.apply.inc();
    let text = text(&registry);
    assert!(text.contains("flashsale_operator_reconciles_total{outcome=\"ok\"} 0"));
    assert!(text.contains("flashsale_operator_reconciles_total{outcome=\"refused\"} 1"));
    for step in ["dereference", "validate", "build", "status", "finalize"] {
        let line = format!("flashsale_operator_reconcile_errors_total{{step=\"{step}\"}} 0");
        assert!(text.contains(&line), "{line}");
    }
    assert!(text.contains("flashsale_operator_reconcile_errors_total{step=\"apply\"} 1"));
    assert!(text.contains("flashsale_operator_reconcile_duration_seconds_count 1"));
}
