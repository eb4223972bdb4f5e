//! One document: shape first, then meaning, and both told at once.

use flashsale_domain::sale::{
    Sale,
    manifest::{API_VERSION, KIND, Manifest},
    validation,
};
use serde_json::Value;

use super::{
    path::{Path, Segment},
    repair::repair,
    structure::{self, Misshape},
    wording,
    yaml::{Place, Tree},
};

/// A mistake and its place in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Located {
    /// Where in the file.
    pub(super) place: Option<Place>,
    /// Where in the object.
    pub(super) path: Path,
    /// What is wrong and what to write instead.
    pub(super) message: String,
}

/// Checks a document; every mistake in the order of the file.
pub(super) fn check(tree: &Tree) -> Result<Sale, Vec<Located>> {
    let value = tree.to_json();
    let result = match not_ours(&value) {
        Some(mistakes) => Err(mistakes),
        None => judge(value),
    };
    result.map_err(|mistakes| {
        let mut located: Vec<Located> = mistakes
            .into_iter()
            .map(|(path, message)| Located {
                place: Some(tree.place_of(&path)),
                path,
                message,
            })
            .collect();
        located.sort_by_key(|mistake| mistake.place);
        located
    })
}

type Mistakes = Vec<(Path, String)>;

/// A document that is no FlashSale at all gets one sentence, not one for each of its fields.
fn not_ours(value: &Value) -> Option<Mistakes> {
    if !value.is_object() {
        let message = format!(
            "is {}; write a FlashSale: apiVersion, kind, metadata and spec",
            wording::quote(value)
        );
        return Some(vec![(Path::default(), message)]);
    }
    let kind = value.get("kind")?.as_str()?;
    if wording::nearest(kind, &[KIND]).is_some() {
        return None;
    }
    let message =
        format!("is {kind:?}; write {KIND:?} ({API_VERSION}), or move it to another file");
    Some(vec![(Path::parse("kind"), message)])
}

fn judge(mut value: Value) -> Result<Sale, Mistakes> {
    let misshapes = structure::check(&value).map_err(|error| vec![(Path::default(), error)])?;
    let mut repaired = Vec::new();
    for misshape in misshapes.iter().filter(|misshape| misshape.unreadable) {
        let missing = !exists(&value, &misshape.path);
        repaired.extend(repair(&mut value, &misshape.path, missing));
    }
    let (manifest, unread) = read(value, &mut repaired);
    let meaning = match manifest.map(|manifest| validation::check_manifest(&manifest)) {
        Some(Ok(sale)) if misshapes.is_empty() && unread.is_empty() => return Ok(sale),
        Some(Err(mistakes)) => mistakes,
        _ => Vec::new(),
    };
    // What is said of a stand-in is not about the file.
    let meaning: Mistakes = meaning
        .into_iter()
        .map(|mistake| (Path::parse(&mistake.path), mistake.message))
        .filter(|(path, _)| !repaired.iter().any(|changed| changed.holds(path)))
        .collect();
    Err(merge(misshapes, unread, meaning))
}

/// One sentence for each place: of the meaning if there is one, since it says what to write.
fn merge(misshapes: Vec<Misshape>, unread: Mistakes, meaning: Mistakes) -> Mistakes {
    let mut merged = meaning;
    let known: Vec<Path> = merged.iter().map(|(path, _)| path.clone()).collect();
    let shape = misshapes
        .into_iter()
        .map(|misshape| (misshape.path, misshape.message));
    merged.extend(
        shape
            .chain(unread)
            .filter(|(path, _)| !known.contains(path)),
    );
    merged
}

/// Reads a value whose known mistakes are repaired. What still does not fit the types (a number
/// beyond their range, say) is noted, repaired and tried again.
fn read(mut value: Value, repaired: &mut Vec<Path>) -> (Option<Manifest>, Mistakes) {
    let mut unread = Vec::new();
    loop {
        match serde_path_to_error::deserialize::<_, Manifest>(value.clone()) {
            Ok(manifest) => return (Some(manifest), unread),
            Err(error) => {
                let path = path_of(error.path());
                // What is missing because it was taken out is told already.
                if !repaired.iter().any(|changed| path.holds(changed)) {
                    unread.push((path.clone(), explain(&value, &path, error.inner())));
                }
                // Each round takes something out of the value, so this comes to an end.
                match repair(&mut value, &path, false) {
                    Some(changed) if !repaired.contains(&changed) => repaired.push(changed),
                    _ => return (None, unread),
                }
            }
        }
    }
}

/// What the schema lets pass and the types cannot hold: whole numbers beyond 32 bits, mostly.
fn explain(value: &Value, path: &Path, error: &serde_json::Error) -> String {
    match find(value, path) {
        Some(Value::Number(number)) if error.to_string().contains("expected i32") => {
            format!("is {number}; write a whole number of at most {}", i32::MAX)
        }
        _ => format!("cannot be: {error}"),
    }
}

fn path_of(path: &serde_path_to_error::Path) -> Path {
    use serde_path_to_error::Segment as Step;
    let steps = path.iter().filter_map(|step| match step {
        Step::Seq { index } => Some(Segment::Index(*index)),
        Step::Map { key } => Some(Segment::Key(key.clone())),
        Step::Enum { .. } | Step::Unknown => None,
    });
    Path::new(steps.collect())
}

fn exists(value: &Value, path: &Path) -> bool {
    find(value, path).is_some()
}

fn find<'a>(value: &'a Value, path: &Path) -> Option<&'a Value> {
    path.segments()
        .iter()
        .try_fold(value, |here, segment| match segment {
            Segment::Key(key) => here.get(key),
            Segment::Index(index) => here.get(*index),
        })
}
