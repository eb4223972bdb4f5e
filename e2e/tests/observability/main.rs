//! What SREs are given holds on the real thing: a real Prometheus scrapes real processes during a
//! sale, and every expression of dashboards, rules and runbook is tried on what it saw.
#![allow(
    clippy::unwrap_used,
    reason = "tests say by unwrapping what they take for granted"
)]

mod during_a_sale;
mod files;
mod operator;

use std::time::Duration;

use flashsale_e2e::prometheus::{Expression, Plane, Prometheus, dashboards, rules, runbook};

/// How long rules of the chart, evaluated every 5 s, may take to see what is there.
const SEEN: Duration = Duration::from_secs(30);

/// Expressions of dashboards and runbook: what a person looks at.
pub(crate) fn looked_at() -> Vec<Expression> {
    let on_dashboards = dashboards::all()
        .into_iter()
        .flat_map(|dashboard| dashboard.expressions());
    let in_runbook = runbook::sections()
        .into_iter()
        .flat_map(|section| section.expressions());
    on_dashboards.chain(in_runbook).collect()
}

/// What a plane that is there must have an answer to.
pub(crate) fn must_give(plane: Plane) -> impl Fn(&Expression) -> bool {
    move |expression| expression.plane() == plane && !expression.is_a_question()
}

/// An alert usually finds nothing, and so would a misspelt one.
pub(crate) async fn metrics_of_alerts_are_there(prometheus: &Prometheus, plane: Plane) {
    let names = prometheus.names().await;
    for alert in rules::expressions().0 {
        for metric in alert.metrics() {
            let is_of_the_plane = Expression::new("", &metric).plane() == plane;
            let is_there = names.contains(&metric) || names.contains(&format!("{metric}_bucket"));
            assert!(is_there || !is_of_the_plane, "{}: {metric}", alert.place);
        }
    }
}
