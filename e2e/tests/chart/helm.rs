//! Helm, and the chart as it renders it.

use std::{
    env,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::OnceLock,
};

use serde_json::Value;

use crate::manifests::Manifests;

/// The release that tests render.
pub(crate) const RELEASE: &str = "flashsale";

/// The namespace that tests render it for.
pub(crate) const NAMESPACE: &str = "shop";

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The chart's directory.
pub(crate) fn chart() -> PathBuf {
    root().join("charts/flashsale")
}

/// The program: `$HELM`, or the one that the project fetches for itself.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        if let Some(given) = env::var_os("HELM") {
            return given.into();
        }
        let output = Command::new(root().join("e2e/kubernetes/tools"))
            .stderr(Stdio::inherit())
            .output()
            .unwrap();
        assert!(output.status.success(), "e2e/kubernetes/tools failed");
        Path::new(String::from_utf8(output.stdout).unwrap().trim_end()).join("helm")
    })
}

/// Runs helm with `values` for `-f -`.
fn run(arguments: &[&str], values: &Value) -> Output {
    let mut child = Command::new(program())
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{} does not start: {error}", program().display()));
    let mut stdin = child.stdin.take().unwrap();
    // A few kilobytes fit into the pipe. JSON is YAML.
    stdin.write_all(values.to_string().as_bytes()).unwrap();
    drop(stdin);
    child.wait_with_output().unwrap()
}

/// What `helm template` makes of `values`, or what it says against them.
pub(crate) fn try_render(values: &Value, arguments: &[&str]) -> Result<String, String> {
    let chart = chart();
    let mut all = vec!["template", RELEASE, chart.to_str().unwrap()];
    all.extend(["--namespace", NAMESPACE, "--values", "-"]);
    all.extend(arguments);
    let output = run(&all, values);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    if output.status.success() {
        Ok(text(output.stdout))
    } else {
        Err(text(output.stderr))
    }
}

/// What `helm template` makes of `values`.
pub(crate) fn render(values: &Value, arguments: &[&str]) -> Manifests {
    match try_render(values, arguments) {
        Ok(text) => Manifests::parse(&text),
        Err(error) => panic!("helm template refused {values}: {error}"),
    }
}

/// What is printed after an installation with `values`, which reaches no cluster here.
pub(crate) fn notes(values: &Value) -> String {
    let chart = chart();
    let arguments = [
        "install",
        RELEASE,
        chart.to_str().unwrap(),
        "--namespace",
        NAMESPACE,
        "--dry-run=client",
        "--values",
        "-",
    ];
    let output = run(&arguments, values);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (told, error) = (text(output.stdout), text(output.stderr));
    assert!(output.status.success(), "{values}: {error}");
    let (_, notes) = told.split_once("\nNOTES:\n").unwrap();
    notes.to_owned()
}

#[test]
fn lint_finds_nothing() {
    for values in crate::values::INSTALLATIONS {
        let chart = chart();
        let arguments = ["lint", "--strict", chart.to_str().unwrap(), "--values", "-"];
        let output = run(&arguments, &crate::values::parse(values));
        let told = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{values}\n{told}");
    }
}
