//! The alerts and recording rules as the chart ships them, and their unit tests.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Expression, files};

/// One alert.
#[derive(Debug, Clone)]
pub struct Alert {
    /// Its name.
    pub name: String,
    /// The whole rule.
    pub rule: Value,
}

/// How the unit tests look at one alert.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tested {
    /// How often they want it to fire.
    pub firing: usize,
    /// How often they want it to be silent.
    pub silent: usize,
}

fn rules() -> Vec<Value> {
    let read = |file| -> Value {
        serde_saphyr::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
    };
    let groups = files("charts/flashsale/rules").into_iter().map(read);
    groups
        .flat_map(|file| file["groups"].as_array().unwrap().clone())
        .flat_map(|group| group["rules"].as_array().unwrap().clone())
        .collect()
}

/// Every alert of the chart.
pub fn alerts() -> Vec<Alert> {
    rules()
        .into_iter()
        .filter_map(|rule| {
            let name = rule["alert"].as_str()?.to_owned();
            Some(Alert { name, rule })
        })
        .collect()
}

/// The expressions of all rules. Alerts usually find nothing; recordings should.
pub fn expressions() -> (Vec<Expression>, Vec<Expression>) {
    let (alerts, recordings): (Vec<Value>, Vec<Value>) = rules()
        .into_iter()
        .partition(|rule| rule["alert"].is_string());
    let of = |rules: Vec<Value>, name: &str| {
        let expression = |rule: &Value| {
            Expression::new(rule[name].as_str().unwrap(), rule["expr"].as_str().unwrap())
        };
        rules.iter().map(expression).collect()
    };
    (of(alerts, "alert"), of(recordings, "record"))
}

/// How often each alert is wanted firing and silent by `e2e/prometheus/*.test.yaml`.
pub fn tested() -> BTreeMap<String, Tested> {
    let mut tested: BTreeMap<String, Tested> = BTreeMap::new();
    for file in files("e2e/prometheus") {
        let file: Value = serde_saphyr::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        let tests = file["tests"].as_array().unwrap().iter();
        for expected in tests.flat_map(|test| test["alert_rule_test"].as_array().unwrap()) {
            let name = expected["alertname"].as_str().unwrap().to_owned();
            let counts = tested.entry(name).or_default();
            if expected["exp_alerts"].as_array().unwrap().is_empty() {
                counts.silent += 1;
            } else {
                counts.firing += 1;
            }
        }
    }
    tested
}
