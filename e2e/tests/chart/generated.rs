//! What is made from something else and committed: the chart's table of values. `scripts/generate`
//! writes it anew.

use std::{env, fmt::Write as _, fs, path::Path};

use serde_json::Value;

use crate::helm::chart;

/// Begins a comment that explains the next value.
const MARK: &str = "# -- ";

/// A value that the chart explains.
pub(crate) struct Entry {
    /// Its keys joined by dots.
    pub(crate) path: String,
    default: Value,
    explanation: String,
}

fn values() -> (String, Value) {
    let text = fs::read_to_string(chart().join("values.yaml")).unwrap();
    let values = serde_saphyr::from_str(&text).unwrap();
    (text, values)
}

/// Every value of `values.yaml` that a comment explains, in its order.
pub(crate) fn documented() -> Vec<Entry> {
    let (text, values) = values();
    // The keys that the current line stands under, one for each two spaces of indentation.
    let mut keys: Vec<&str> = Vec::new();
    let mut explanation = None;
    let mut entries = Vec::new();
    for line in text.lines() {
        let content = line.trim_start();
        if let Some(comment) = content.strip_prefix(MARK) {
            explanation = Some(comment.to_owned());
        } else if let Some((key, _)) = content.split_once(':')
            && !content.starts_with(['#', '-', '{'])
        {
            keys.truncate((line.len() - content.len()) / 2);
            keys.push(key);
            if let Some(explanation) = explanation.take() {
                let pointer = format!("/{}", keys.join("/"));
                let default = values.pointer(&pointer).unwrap().clone();
                let path = keys.join(".");
                entries.push(Entry {
                    path,
                    default,
                    explanation,
                });
            }
        }
    }
    entries
}

/// The paths of all scalars and lists.
fn leaves(value: &Value, path: &str, found: &mut Vec<String>) {
    match value.as_object() {
        Some(fields) if !fields.is_empty() => {
            for (key, value) in fields {
                leaves(value, &format!("{path}.{key}"), found);
            }
        }
        _ => found.push(path.trim_start_matches('.').to_owned()),
    }
}

#[test]
fn every_value_is_explained() {
    let entries = documented();
    let mut found = Vec::new();
    leaves(&values().1, "", &mut found);
    for leaf in found {
        let explained = |entry: &Entry| {
            let rest = leaf.strip_prefix(&entry.path);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        assert!(entries.iter().any(explained), "{leaf} has no `{MARK}`");
    }
}

/// `text` between the marks of a generated part, or written there when asked to.
fn is_current(file: &Path, expected: &str) {
    if env::var_os("FLASHSALE_GENERATE").is_some() {
        fs::write(file, expected).unwrap();
    }
    let found = fs::read_to_string(file).unwrap_or_default();
    assert!(
        found == expected,
        "{} is not what it is made from; run scripts/generate",
        file.display()
    );
}

#[test]
fn the_readme_lists_all_values() {
    let file = chart().join("README.md");
    let page = fs::read_to_string(&file).unwrap();
    let (before, _) = page
        .split_once("| value |")
        .expect("there is a table of values");
    let mut table = before.to_owned() + "| value | default | what it does |\n|---|---|---|\n";
    for Entry {
        path,
        default,
        explanation,
    } in documented()
    {
        let escaped = explanation.replace('|', "\\|");
        writeln!(table, "| `{path}` | `{default}` | {escaped} |").unwrap();
    }
    is_current(&file, &table);
}
