//! What SREs are given, and a real Prometheus to try it on: dashboards, rules, runbook.

mod check;
pub mod dashboards;
mod expression;
pub mod rules;
pub mod runbook;
mod server;

use std::path::{Path, PathBuf};

use flashsale_testbed::binaries;

pub use check::{Checked, check};
pub use expression::{Expression, Plane};
pub use server::{Prometheus, Series, Span, Target};

/// What expressions are tried with. Names and no wildcards, so that a misspelt label finds nothing.
#[derive(Debug, Clone)]
pub struct Names {
    /// Namespace of the pods and of the sale.
    pub namespace: String,
    /// The sale's id, `NAMESPACE.NAME`.
    pub sale: String,
}

impl Names {
    /// The `FlashSale` called `name` in `namespace`, whose pods are there too.
    pub fn new(namespace: &str, name: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            sale: format!("{namespace}.{name}"),
        }
    }
}

/// A path of the repository.
pub fn repository(path: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    root.join(path)
}

/// The files of a directory of the repository, by name.
///
/// # Panics
/// When there are none.
pub fn files(directory: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(repository(directory)).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{directory} is empty");
    files
}

/// A program of Debian's package `prometheus`.
fn program(name: &str) -> PathBuf {
    binaries::on_path(name).unwrap_or_else(|| {
        panic!("`{name}` is not on PATH; run scripts/install-dependencies --for-tests")
    })
}

/// Runs `promtool`; its output.
///
/// # Panics
/// When it finds fault.
pub fn promtool<'a>(arguments: &[&str], files: impl IntoIterator<Item = &'a PathBuf>) -> String {
    let output = std::process::Command::new(program("promtool"))
        .args(arguments)
        .args(files)
        .output()
        .unwrap();
    let told = [output.stdout, output.stderr].concat();
    let told = String::from_utf8_lossy(&told).into_owned();
    assert!(output.status.success(), "promtool {arguments:?}: {told}");
    told
}
