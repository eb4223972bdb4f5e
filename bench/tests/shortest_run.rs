//! The shortest run there is, with the real servers and the real gateway and worker, which must
//! have been built (`cargo build --bins`): the figures mean nothing, but all must be there.
#![allow(
    clippy::unwrap_used,
    reason = "clippy.toml covers test functions, not what they call"
)]

use std::process::Command;

use flashsale_bench::{
    measure::{Aspect, Consumer, DEFAULT_BATCH, Measure, Target, WORKERS, one_worker, open_loop},
    redis_benchmark::PIPELINES,
};

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
        let name = row.to_string();
        assert!(table.contains(&name), "{name} is missing in\n{table}");
        let mut figures = report["figures"].as_array().unwrap().iter();
        let figure = figures
            .find(|figure| figure["name"] == name.as_str())
            .unwrap();
        assert!(figure["median"].as_f64().unwrap() >= 0.0, "{figure}");
        assert_eq!(figure["share"].is_f64(), row.limit().is_some(), "{figure}");
    }
    std::fs::remove_dir_all(&directory).unwrap();
}

/// What both parts measure however short a run is.
fn measured_rows() -> Vec<Measure> {
    let (products, batch) = (1, DEFAULT_BATCH);
    let many = Measure::Settlement {
        workers: WORKERS,
        products,
        batch,
    };
    let mut rows = vec![
        Measure::Pgbench { products, batch },
        Measure::PlainWrites,
        Measure::Turnstile,
        one_worker(batch),
        many,
    ];
    rows.extend(one_worker(batch).limit());
    rows.extend(Consumer::ALL.map(Measure::ProcessorTime));
    for target in Target::USUAL {
        rows.extend(Aspect::ALL.map(|aspect| Measure::Http(target, aspect)));
    }
    rows.extend(open_loop::rows());
    rows.extend(PIPELINES.map(|pipeline| Measure::RedisBenchmark { pipeline }));
    rows
}
