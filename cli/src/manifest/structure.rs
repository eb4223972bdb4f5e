//! What is wrong with the shape of a manifest: missing and unknown fields, wrong types.

use jsonschema::{ValidationError, error::ValidationErrorKind, paths::LocationSegment};
use serde_json::Value;

use super::{
    path::{Path, Segment},
    schema, wording,
};

/// A mistake of shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Misshape {
    /// Where.
    pub(super) path: Path,
    /// What is wrong and what to write instead.
    pub(super) message: String,
    /// Whether the value must be taken out (or put in, if missing) before the manifest can be
    /// read at all. Values of the right type outside their range can be read, and are judged
    /// again with more words.
    pub(super) unreadable: bool,
}

/// Every mistake of shape. The error is a schema that does not compile, which tests rule out.
pub(super) fn check(value: &Value) -> Result<Vec<Misshape>, String> {
    let schema = schema::json_schema();
    let validator = jsonschema::validator_for(&schema)
        .map_err(|error| format!("the manifest's own schema is broken: {error}"))?;
    let mut found = Vec::new();
    for error in validator.iter_errors(value) {
        collect(&schema, &error, &mut found);
    }
    Ok(found)
}

fn collect(schema: &Value, error: &ValidationError<'_>, found: &mut Vec<Misshape>) {
    let path = path_of(error);
    let pointer = error.schema_path().as_str();
    // The schema of the object in question; the keyword that failed is the last step.
    let object = pointer.rsplit_once('/').map_or("", |(object, _)| object);
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            let known = schema::fields(schema, object);
            found.extend(unexpected.iter().map(|name| Misshape {
                path: path.field(name),
                message: wording::unknown_field(name, &known),
                unreadable: true,
            }));
        }
        ValidationErrorKind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            found.push(missing(schema, object, &path, name));
        }
        // An optional object: what counts is what is wrong with the object.
        ValidationErrorKind::AnyOf { context } => {
            for error in context.first().into_iter().flatten() {
                collect(schema, error, found);
            }
        }
        kind => found.push(Misshape {
            path,
            message: wording::sentence(kind, error.instance())
                .unwrap_or_else(|| format!("{error}; see `flashsale schema`")),
            unreadable: matches!(
                kind,
                ValidationErrorKind::Type { .. } | ValidationErrorKind::Enum { .. }
            ),
        }),
    }
}

fn missing(schema: &Value, object: &str, path: &Path, name: &str) -> Misshape {
    let meaning = schema::description(schema, object, name)
        .map(|text| format!(" ({text})"))
        .unwrap_or_default();
    Misshape {
        path: path.field(name),
        message: format!("is missing; add `{name}: …`{meaning}"),
        unreadable: true,
    }
}

fn path_of(error: &ValidationError<'_>) -> Path {
    let segments = error.instance_path().segments();
    Path::new(
        segments
            .map(|segment| match segment {
                LocationSegment::Property(name) => Segment::Key(name.into_owned()),
                LocationSegment::Index(index) => Segment::Index(index),
            })
            .collect(),
    )
}
