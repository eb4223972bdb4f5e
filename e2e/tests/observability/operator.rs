//! The operator's figures, and Prometheus looking on.

use std::time::{Duration, Instant};

use flashsale_core::id::SaleId;
use flashsale_e2e::prometheus::{Names, Plane, Prometheus, Span, Target, check, rules};
use flashsale_operator::metrics::{Metrics, Outcome, SaleFigures};
use flashsale_telemetry::probes::{self, Probes};
use jiff::Timestamp;
use prometheus::Registry;
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use crate::{SEEN, looked_at, metrics_of_alerts_are_there, must_give};

/// The operator's own expressions, on figures that it shows through its own probes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operator_expressions_return_data() {
    let names = Names::new("shop", "drop");
    let directory = tempfile::tempdir().unwrap();
    let (target, _working) = operator_at_work(&names).await;
    let prometheus = Prometheus::start(directory.path(), &[target]).await;
    operator_is_understood(&prometheus, &names, Timestamp::now()).await;
}

/// Holds for any operator that has the sale `names` in force and is scraped since `began`.
async fn operator_is_understood(prometheus: &Prometheus, names: &Names, began: Timestamp) {
    let (_, recordings) = rules::expressions();
    let expressions = [looked_at(), recordings].concat();
    let tried = async || {
        let seen = (names, Span::since(began));
        check(prometheus, seen, &expressions, must_give(Plane::Control)).await
    };
    let start = Instant::now();
    while !tried().await.faults.is_empty() && start.elapsed() < SEEN {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    tried().await.assert_sound("operator");
    metrics_of_alerts_are_there(prometheus, Plane::Control).await;
}

/// An operator's figures, and the task that moves them and answers scrapes.
async fn operator_at_work(names: &Names) -> (Target, AbortOnDropHandle<()>) {
    let registry = Registry::new();
    let metrics = Metrics::new(&registry).unwrap();
    let sale = SaleId::new(names.sale.as_str()).unwrap();
    let figures = SaleFigures {
        queue_depth: Some(0),
        remaining: Some(500),
        durable: Some(true),
        oversold: Some(0),
        ..SaleFigures::default()
    };
    metrics.set_leader(true);
    metrics.phases(&[]);
    metrics.sale(&sale, &figures);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = Target {
        component: "operator",
        namespace: names.namespace.clone(),
        probes_port: listener.local_addr().unwrap().port(),
    };
    let work = async move {
        loop {
            metrics.reconciled(Outcome::Ok, Duration::from_millis(20));
            metrics.spike_to_patch(Duration::from_millis(300));
            metrics.opening_lag(Duration::from_millis(700));
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let probes = probes::serve(listener, Probes::new(registry), CancellationToken::new());
    let task = tokio::spawn(async {
        tokio::select! { () = work => {}, _ = probes => {} }
    });
    (target, AbortOnDropHandle::new(task))
}
