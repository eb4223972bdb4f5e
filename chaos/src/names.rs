//! Which of many things are meant, by their names.

/// Whether `name` contains one of `patterns`, which commas separate; any name does without patterns.
pub(crate) fn is_meant(name: &str, patterns: &str) -> bool {
    let mut patterns = patterns
        .split(',')
        .map(str::trim)
        .filter(|pattern| !pattern.is_empty())
        .peekable();
    patterns.peek().is_none() || patterns.any(|pattern| name.contains(pattern))
}
