//! Which of many things are meant, by their names.

use crate::error::ChaosError;

/// Those of `all` whose names contain one of `patterns`, which commas separate; all without patterns.
/// `kind` is what one of them is called. That none is meant is an error.
pub fn matching<T>(
    kind: &str,
    all: impl IntoIterator<Item = T>,
    name: impl Fn(&T) -> &str,
    patterns: &str,
) -> Result<Vec<T>, ChaosError> {
    let meant: Vec<T> = all
        .into_iter()
        .filter(|one| is_meant(name(one), patterns))
        .collect();
    if meant.is_empty() {
        let what = format!("no {kind} is named like `{patterns}`; --list names all");
        return Err(ChaosError::Wrong(what));
    }
    Ok(meant)
}

fn is_meant(name: &str, patterns: &str) -> bool {
    let mut patterns = patterns
        .split(',')
        .map(str::trim)
        .filter(|pattern| !pattern.is_empty())
        .peekable();
    patterns.peek().is_none() || patterns.any(|pattern| name.contains(pattern))
}
