//! Objects of the Prometheus operator, and dashboards.

use std::{fs, path::PathBuf};

use flashsale_operator::reconcile::build::SALE_LABEL;
use serde_json::{Value, json};

use crate::{
    helm::{chart, render},
    values::{EVERYTHING, NAMESPACED, PLAIN, parse, with},
};

const PROMETHEUS: [&str; 2] = ["--api-versions", "monitoring.coreos.com/v1"];

/// The chart's files in a folder.
fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(chart().join(folder)) else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect()
}

#[test]
fn they_are_made_where_the_cluster_knows_them_or_when_forced() {
    let count = |when: &str, arguments: &[&str]| {
        let values = with(parse(PLAIN), "monitoring.podMonitors", &json!(when));
        let values = with(values, "monitoring.rules", &json!(when));
        let manifests = render(&values, arguments);
        (
            manifests.of("PodMonitor").count(),
            manifests.of("PrometheusRule").count(),
        )
    };
    let rules = usize::from(!files("rules", "yaml").is_empty());
    assert_eq!(count("auto", &[]), (0, 0));
    assert_eq!(count("auto", &PROMETHEUS), (3, rules));
    assert_eq!(count("always", &[]), (3, rules));
    assert_eq!(count("never", &PROMETHEUS), (0, 0));
}

#[test]
fn every_process_is_scraped_at_a_port_that_it_has() {
    let manifests = render(&parse(EVERYTHING), &[]);
    for name in ["operator", "gateway"] {
        let monitor = manifests.named("PodMonitor", &format!("flashsale-{name}"));
        let endpoint = &monitor["spec"]["podMetricsEndpoints"][0];
        assert_eq!(endpoint["path"], "/metrics");
        let deployment = manifests.named("Deployment", &format!("flashsale-{name}"));
        let container = &deployment["spec"]["template"]["spec"]["containers"][0];
        let ports = container["ports"].as_array().unwrap();
        assert!(
            ports.iter().any(|port| port["name"] == endpoint["port"]),
            "{name}"
        );
        assert_eq!(monitor["metadata"]["labels"]["release"], "prometheus");
    }
}

#[test]
fn workers_are_found_wherever_their_sales_are() {
    let monitor = |values: &str| {
        let values = with(parse(values), "monitoring.podMonitors", &json!("always"));
        let manifests = render(&values, &[]);
        manifests.named("PodMonitor", "flashsale-worker")["spec"].clone()
    };
    assert_eq!(monitor(PLAIN)["namespaceSelector"], json!({"any": true}));
    assert_eq!(monitor(NAMESPACED)["namespaceSelector"], Value::Null);
    let labels = &monitor(PLAIN)["podTargetLabels"];
    assert_eq!(*labels, json!([SALE_LABEL]), "whose a worker is");
}

#[test]
fn every_rule_and_dashboard_is_in_the_chart_as_it_is_written() {
    let manifests = render(&parse(EVERYTHING), &[]);
    let mut groups = Vec::new();
    let mut paths = files("rules", "yaml");
    paths.sort();
    for path in paths {
        let file: Value = serde_saphyr::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        groups.extend(file["groups"].as_array().unwrap().clone());
    }
    let rendered = manifests.of("PrometheusRule").next();
    let rendered = rendered.map_or_else(|| json!([]), |rule| rule["spec"]["groups"].clone());
    assert_eq!(rendered, Value::Array(groups));

    let elsewhere = with(
        parse(EVERYTHING),
        "monitoring.runbookUrl",
        &json!("https://wiki.example.com/flashsale"),
    );
    let manifests_elsewhere = render(&elsewhere, &[]);
    let rendered = manifests_elsewhere.of("PrometheusRule").next().unwrap();
    let text = rendered.to_string();
    assert!(text.contains("https://wiki.example.com/flashsale#flashsaleoversold"));
    assert!(!text.contains("flashsale.dev/docs"));

    let dashboards = files("dashboards", "json");
    let labelled = manifests.of("ConfigMap");
    let labelled = labelled.filter(|map| map["metadata"]["labels"]["grafana_dashboard"] == "1");
    assert_eq!(labelled.count(), dashboards.len());
    for path in dashboards {
        let stem = path.file_stem().unwrap().to_str().unwrap();
        let map = manifests.named("ConfigMap", &format!("flashsale-dashboard-{stem}"));
        let text = map["data"][format!("{stem}.json")].as_str().unwrap();
        let rendered: Value = serde_json::from_str(text).unwrap();
        let written: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        assert_eq!(rendered, written, "{stem}");
    }
}
