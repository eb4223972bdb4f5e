//! The shortest run there is, with the real servers and the real gateway and worker, which must
//! have been built (`cargo build --bins`): the figures mean nothing, but all must be there.
#![allow(
    clippy::unwrap_used,
    reason = "clippy.toml covers test functions, not what they call"
)]

use std::process::Command;

use flashsale_bench::metrics::{Row, row, rows};

#[test]
fn what_a_short_run_measures_is_told_in_table_and_report() {
    let directory = std::env::temp_dir().join(format!("bench-test-{}", std::process::id()));
    std::fs::create_dir(&directory).unwrap();
    let file = directory.join("figures.json");
    let output = Command::new(env!("CARGO_BIN_EXE_flashsale-bench"))
        .args(["--quick", "--jobs", "10000", "--load-seconds", "1"])
        .args(["--only", "settlement", "--only", "acknowledgements"])
        .arg("--json")
        .arg(&file)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let table = String::from_utf8_lossy(&output.stdout);
    for row in measured_rows() {
        let name = row.title.as_str();
        assert!(table.contains(name), "{name} is missing in\n{table}");
        let mut figures = report["figures"].as_array().unwrap().iter();
        let figure = figures.find(|figure| figure["name"] == name).unwrap();
        assert!(figure["median"].as_f64().unwrap() >= 0.0, "{figure}");
        assert_eq!(figure["share"].is_f64(), row.limit.is_some(), "{figure}");
    }
    std::fs::remove_dir_all(&directory).unwrap();
}

/// What both parts measure however short a run is.
fn measured_rows() -> impl Iterator<Item = &'static Row> {
    let settlement = [
        "pgbench",
        "copy",
        "plain-batches products=1 batch=1000",
        "settlement workers=1 products=1 batch=1000",
        "settlement workers=8 products=1 batch=1000",
        "settlement workers=1 products=10 batch=1000",
        "far-settlement ms=1 batch=1000",
    ];
    let sections = [
        "Turnstile, buys",
        "Acknowledgements, 64 connections",
        "Open loop, of the most POST /buy does",
        "Processor time",
    ];
    let whole = rows()
        .iter()
        .filter(move |row| sections.contains(&row.section));
    settlement
        .into_iter()
        .map(|series| row(series).unwrap())
        .chain(whole)
}
