//! The files themselves: complete, consistent, and tested.

use std::collections::{BTreeMap, BTreeSet};

use flashsale_e2e::prometheus::{
    dashboards::{self, Dashboard},
    files, promtool, repository, rules, runbook,
};
use serde_json::Value;

use crate::looked_at;

#[test]
fn rules_are_sound_and_their_tests_pass() {
    let rules = files("charts/flashsale/rules");
    promtool(&["check", "rules", "--lint=all", "--lint-fatal"], &rules);
    promtool(&["test", "rules"], &files("e2e/prometheus"));
    let tested = rules::tested();
    for alert in rules::alerts() {
        let tests = tested.get(&alert.name).copied().unwrap_or_default();
        assert!(
            tests.firing > 0 && tests.silent > 0,
            "{} needs a test that it fires and one that it is silent: {tests:?}",
            alert.name
        );
    }
}

#[test]
fn every_alert_says_what_it_is_and_where_to_read_on() {
    let sections = runbook::sections();
    let anchors: BTreeMap<String, String> = sections
        .iter()
        .map(|section| (section.anchor(), section.heading.clone()))
        .collect();
    let mut named = BTreeSet::new();
    for alert in rules::alerts() {
        let annotations = &alert.rule["annotations"];
        let severity = alert.rule["labels"]["severity"].as_str();
        assert!(
            matches!(severity, Some("critical" | "warning")),
            "{}",
            alert.name
        );
        assert!(annotations["summary"].is_string(), "{}", alert.name);
        let description = annotations["description"].as_str().unwrap();
        assert!(
            description.contains("{{") || alert.name.ends_with("Absent"),
            "{} tells no value",
            alert.name
        );
        let url = annotations["runbook_url"].as_str().unwrap();
        let anchor = url
            .strip_prefix("https://flashsale.dev/docs/runbook.md#")
            .unwrap();
        assert_eq!(anchors.get(anchor), Some(&alert.name), "{url}");
        named.insert(alert.name);
    }
    for section in sections {
        assert!(
            named.contains(&section.heading),
            "no alert leads to {}",
            section.heading
        );
        for part in ["**Means.**", "**Shoppers**", "**Look", "**Do", "**Over**"] {
            assert!(section.text.contains(part), "{}: {part}", section.heading);
        }
        assert!(!section.expressions().is_empty(), "{}", section.heading);
    }
}

#[test]
fn every_metric_that_is_asked_for_is_documented() {
    let page = std::fs::read_to_string(repository("docs/metrics.md")).unwrap();
    let (alerts, recordings) = rules::expressions();
    let all = looked_at().into_iter().chain(alerts).chain(recordings);
    for expression in all {
        for metric in expression.metrics() {
            assert!(
                page.contains(&format!("`{metric}`")),
                "{}: docs/metrics.md has no {metric}",
                expression.place
            );
        }
    }
}

#[test]
fn dashboards_are_as_grafana_and_people_want_them() {
    let mut uids = BTreeSet::new();
    for dashboard in dashboards::all() {
        let json = &dashboard.json;
        let uid = json["uid"].as_str().unwrap();
        assert!(uids.insert(uid.to_owned()), "{uid} is there twice");
        assert_eq!(uid, format!("flashsale-{}", dashboard.name));
        assert!(json["schemaVersion"].as_u64().unwrap() >= 39);
        assert!(json["id"].is_null(), "{uid}: ids belong to one Grafana");
        assert_eq!(dashboard.variables()[0]["name"], "datasource");
        let ids: BTreeSet<_> = dashboard
            .panels()
            .iter()
            .map(|p| p["id"].as_u64())
            .collect();
        assert_eq!(ids.len(), dashboard.panels().len(), "{uid}: ids of panels");
        panels_do_not_overlap(&dashboard);
        for panel in dashboard.panels().iter().filter(|p| p["type"] != "row") {
            panel_is_complete(uid, panel);
        }
    }
}

fn panel_is_complete(uid: &str, panel: &Value) {
    let place = format!("{uid} / {}", panel["title"].as_str().unwrap());
    let description = panel["description"].as_str().unwrap_or_default();
    assert!(description.ends_with('.'), "{place} has no description");
    let defaults = &panel["fieldConfig"]["defaults"];
    assert!(defaults["unit"].is_string(), "{place} has no unit");
    assert!(
        defaults["thresholds"]["steps"].is_array(),
        "{place} has no thresholds"
    );
    if matches!(
        panel["type"].as_str(),
        Some("timeseries" | "state-timeline")
    ) {
        assert_eq!(panel["options"]["legend"]["showLegend"], true, "{place}");
    }
    let targets = panel["targets"].as_array().unwrap();
    for source in targets.iter().chain([panel]) {
        assert_eq!(source["datasource"]["uid"], "${datasource}", "{place}");
    }
}

/// Grafana's grid has 24 columns.
fn panels_do_not_overlap(dashboard: &Dashboard) {
    let mut taken = BTreeSet::new();
    for panel in dashboard.panels() {
        let at = |name: &str| panel["gridPos"][name].as_u64().unwrap();
        let place = format!("{} / {}", dashboard.name, panel["title"]);
        assert!(at("x") + at("w") <= 24, "{place} leaves the grid");
        for x in at("x")..at("x") + at("w") {
            for y in at("y")..at("y") + at("h") {
                assert!(taken.insert((x, y)), "{place} lies on another");
            }
        }
    }
}
