//! Plain words for what a schema says in its own.

use jsonschema::{
    JsonType,
    error::{TypeKind, ValidationErrorKind},
};
use serde_json::Value;

/// Longest piece of a file that is repeated in a message, in characters.
const LONGEST_QUOTE: usize = 40;

/// Two names are taken for each other up to this distance, or a third of their length.
const NEAR: usize = 2;

/// What is wrong with `found`, and what to write instead; none for kinds that are told otherwise.
pub(super) fn sentence(kind: &ValidationErrorKind, found: &Value) -> Option<String> {
    let is = format!("is {}", quote(found));
    Some(match kind {
        ValidationErrorKind::Type { kind } => format!("{is}; write {}", wanted(kind)),
        ValidationErrorKind::Minimum { limit } => format!("{is}; write {limit} or more"),
        ValidationErrorKind::Maximum { limit } => format!("{is}; write at most {limit}"),
        ValidationErrorKind::MinItems { limit } => {
            format!("has {} entries; write {limit} or more", length(found))
        }
        ValidationErrorKind::MaxItems { limit } => {
            format!("has {} entries; write at most {limit}", length(found))
        }
        ValidationErrorKind::MinLength { limit } => {
            format!("{is}; write {limit} or more characters")
        }
        ValidationErrorKind::MaxLength { limit } => {
            format!("has {} characters; write at most {limit}", length(found))
        }
        ValidationErrorKind::Pattern { pattern } => {
            format!("{is}; write a text that matches {pattern}")
        }
        ValidationErrorKind::Enum { options } => format!("{is}; write {}", one_of(options)),
        _ => return None,
    })
}

fn one_of(options: &Value) -> String {
    let options: Vec<String> = options
        .as_array()
        .into_iter()
        .flatten()
        .map(|option| {
            option
                .as_str()
                .map_or_else(|| option.to_string(), str::to_owned)
        })
        .collect();
    match options.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => "nothing".to_owned(),
    }
}

/// What a field that nobody knows was perhaps meant to be.
pub(super) fn unknown_field(name: &str, known: &[&str]) -> String {
    match nearest(name, known) {
        Some(meant) => format!("is no field here; did you mean `{meant}`?"),
        None => format!("is no field here; there are {}", known.join(", ")),
    }
}

/// The name in `known` that `name` is most likely a slip of.
pub(super) fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let plain = |text: &str| text.to_lowercase().replace(['_', '-'], "");
    known
        .iter()
        .map(|other| {
            let distance = strsim::damerau_levenshtein(&plain(name), &plain(other));
            (distance, *other)
        })
        .min()
        .filter(|(distance, other)| *distance <= NEAR.max(other.len() / 3))
        .map(|(_, other)| other)
}

/// A value as it is shown in a message.
pub(super) fn quote(value: &Value) -> String {
    match value {
        Value::Null => "empty".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a mapping of fields".to_owned(),
        Value::String(text) if text.chars().count() > LONGEST_QUOTE => {
            let beginning: String = text.chars().take(LONGEST_QUOTE).collect();
            format!("\"{beginning}…\"")
        }
        value => value.to_string(),
    }
}

fn length(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.len(),
        Value::String(text) => text.chars().count(),
        _ => 0,
    }
}

fn wanted(kind: &TypeKind) -> &'static str {
    let first = match kind {
        TypeKind::Single(kind) => Some(*kind),
        // An optional field may be null as well; nobody who writes something means that.
        TypeKind::Multiple(kinds) => kinds.iter().find(|kind| *kind != JsonType::Null),
    };
    match first {
        Some(JsonType::Integer) => "a whole number",
        Some(JsonType::Number) => "a number",
        Some(JsonType::String) => "a text, in quotes if it looks like something else",
        Some(JsonType::Boolean) => "true or false",
        Some(JsonType::Array) => "a list, each entry on a line that begins with `- `",
        Some(JsonType::Object) => "a mapping, each `field: value` on a line of its own",
        Some(JsonType::Null) | None => "nothing",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_find_the_field_that_was_meant() {
        let known = [
            "description",
            "id",
            "image",
            "maxPerUser",
            "name",
            "price",
            "stock",
        ];
        for (slip, meant) in [
            ("maxperuser", Some("maxPerUser")),
            ("max_per_user", Some("maxPerUser")),
            ("prize", Some("price")),
            ("stokc", Some("stock")),
            ("colour", None),
        ] {
            assert_eq!(nearest(slip, &known), meant, "{slip}");
        }
    }

    #[test]
    fn long_texts_are_cut_in_messages() {
        let long = Value::from("x".repeat(500));
        assert!(quote(&long).chars().count() < 50);
    }
}
