//! `flashsale check` on files alone; with real stores it is tested on the whole.

use crate::{Printed, flashsale};

const START: &str = r#"{"type":"start","us":0,"at":1,"version":1,"program":"p","run":"r-","gateways":[],"shoppers":1,"presses":1}"#;

/// Checks a file with this text, with stores that nobody can reach.
fn check(text: &str) -> Printed {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let mut command = flashsale();
    command
        .arg("check")
        .arg(file.path())
        .env("FLASHSALE_REDIS_URL", "redis://127.0.0.1:1/")
        .env(
            "FLASHSALE_DATABASE_URL",
            "postgres://nobody@127.0.0.1:1/none",
        );
    command.output().unwrap().into()
}

#[test]
fn a_file_that_is_no_history_is_refused_with_the_line_and_where_the_format_is() {
    let printed = check(&format!("{START}\nnonsense\n{START}\n"));
    assert_eq!(printed.status, Some(3), "{printed:?}");
    assert!(
        printed.err.contains(":2 is no line of a history"),
        "{printed:?}"
    );
    assert!(printed.err.contains("docs/history.md"), "{printed:?}");
}

#[test]
fn stores_out_of_reach_are_no_clean_check() {
    let printed = check(&format!("{START}\n"));
    assert_eq!(printed.status, Some(3), "{printed:?}");
    assert!(printed.err.contains("Redis does not answer"), "{printed:?}");
    assert_eq!(printed.out, "");
}

#[test]
fn a_command_line_without_a_file_or_with_a_bad_time_is_wrong() {
    for arguments in [
        &["check"][..],
        &["check", "run.jsonl", "--redis-lost=yesterday"],
    ] {
        let output = flashsale().args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
}
