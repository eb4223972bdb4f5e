use flashsale_domain::{id::SaleId, lifecycle::Phase};
use prometheus::{Registry, TextEncoder};

use super::*;

fn text(registry: &Registry) -> String {
    TextEncoder::new()
        .encode_to_string(&registry.gather())
        .unwrap()
}

fn sale() -> SaleId {
    SaleId::new("shop.sneaker-drop").unwrap()
}

#[test]
fn names_are_the_documented_ones() {
    let registry = Registry::new();
    let metrics = Metrics::new(&registry).unwrap();
    metrics.sales.phases(None, &[]);
    let figures = SaleFigures {
        desired: Some(1),
        limited: Some(false),
        queue_depth: Some(1),
        remaining: Some(1),
        durable: Some(true),
        oversold: Some(0),
        ledger_went_back: Some(false),
        unfenced_batches: Some(0),
        ..SaleFigures::default()
    };
    metrics.sales.set(&sale(), &figures);
    metrics.sales.stalled(&sale(), false);
    let table = include_str!("../../../docs/metrics.md");
    for family in registry.gather() {
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
    let metrics = Metrics::new(&registry).unwrap();
    let known = SaleFigures {
        queue_depth: Some(7),
        ..SaleFigures::default()
    };
    metrics.sales.set(&sale(), &known);
    let line = "flashsale_operator_queue_depth{sale=\"shop.sneaker-drop\"} 7";
    assert!(text(&registry).contains(line));
    metrics.sales.set(&sale(), &SaleFigures::default());
    assert!(!text(&registry).contains("flashsale_operator_queue_depth{"));
    assert!(text(&registry).contains("flashsale_operator_queue_up{sale=\"shop.sneaker-drop\"} 0"));
}

#[test]
fn forgotten_sale_leaves_no_series() {
    let registry = Registry::new();
    let metrics = Metrics::new(&registry).unwrap();
    let figures = SaleFigures {
        desired: Some(1),
        limited: Some(false),
        queue_depth: Some(7),
        remaining: Some(1),
        durable: Some(false),
        oversold: Some(0),
        ledger_went_back: Some(false),
        unfenced_batches: Some(0),
        ..SaleFigures::default()
    };
    metrics.sales.set(&sale(), &figures);
    metrics.sales.stalled(&sale(), true);
    metrics.sales.forget(&sale());
    assert!(!text(&registry).contains("sneaker-drop"));
}

#[test]
fn phases_without_sales_are_zero() {
    let registry = Registry::new();
    let metrics = Metrics::new(&registry).unwrap();
    metrics.sales.phases(None, &[(Phase::Open, 2)]);
    metrics.sales.phases(None, &[(Phase::Closed, 1)]);
    let text = text(&registry);
    assert!(text.contains("flashsale_operator_sales{phase=\"Open\"} 0"));
    assert!(text.contains("flashsale_operator_sales{phase=\"Closed\"} 1"));
}

#[test]
fn outcomes_and_steps_are_counted_from_zero() {
    let registry = Registry::new();
    let metrics = Metrics::new(&registry).unwrap();
    metrics
        .reconciles
        .ended(Outcome::Refused, Duration::from_millis(3));
    metrics.reconciles.failed(Step::Apply);
    let text = text(&registry);
    assert!(text.contains("flashsale_operator_reconciles_total{outcome=\"ok\"} 0"));
    assert!(text.contains("flashsale_operator_reconciles_total{outcome=\"refused\"} 1"));
    assert!(text.contains("flashsale_operator_reconcile_errors_total{step=\"apply\"} 1"));
    assert!(text.contains("flashsale_operator_reconcile_duration_seconds_count 1"));
}
