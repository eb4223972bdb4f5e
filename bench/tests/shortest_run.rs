//! The shortest run there is, with the real servers and the real gateway and worker, which must
//! have been built (`cargo build --bins`): the figures mean nothing, but all must be there.

use std::{fs, process::Command};

use serde_json::Value;

/// Lines that are measured however short a run is, besides those of [`SECTIONS`].
const SETTLEMENT: [&str; 8] = [
    "pgbench, 1 product, batches of 1000",
    "COPY, 1 product, batches of 1000",
    "plain statements, 1 product, batches of 1000",
    "1 worker, 1 product, batches of 1000",
    "1 worker, 1 product, batches of 1000, orders to be paid",
    "8 workers, 1 product, batches of 1000",
    "1 worker, 10 products, batches of 1000",
    "1 worker, 1 ms away, batches of 1000",
];

/// Sections that are measured as a whole, with the number of their lines.
const SECTIONS: [(&str, usize); 4] = [
    ("Turnstile, buys", 4),
    ("Acknowledgements, 64 connections", 24),
    ("Open loop, of the most POST /buy does", 32),
    ("Processor time", 7),
];

#[test]
fn what_a_short_run_measures_is_told_in_table_and_report() {
    let directory = std::env::temp_dir().join(format!("bench-test-{}", std::process::id()));
    fs::create_dir(&directory).unwrap();
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
    let report: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let table = String::from_utf8_lossy(&output.stdout);
    let figures = report["figures"].as_array().unwrap();
    for figure in figures {
        let name = figure["name"].as_str().unwrap();
        assert!(table.contains(name), "{name} is missing in\n{table}");
        assert!(figure["median"].as_f64().unwrap() >= 0.0, "{figure}");
        assert_eq!(
            figure["share"].is_f64(),
            figure["limit"].is_string(),
            "{figure}"
        );
    }
    for name in SETTLEMENT {
        assert!(
            figures.iter().any(|figure| figure["name"] == name),
            "{name}"
        );
    }
    for (section, lines) in SECTIONS {
        let of_section = figures.iter().filter(|figure| figure["section"] == section);
        assert_eq!(of_section.count(), lines, "{section}");
    }
    fs::remove_dir_all(&directory).unwrap();
}
