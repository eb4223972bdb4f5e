//! Makes a broken manifest readable, so that what is right about its shape can still be judged
//! by its meaning: an optional value that cannot be read is left out, a required one replaced.

use flashsale_domain::sale::manifest::{API_VERSION, KIND};
use serde_json::{Value, json};

use super::path::{Path, Segment};

/// Stands for names that are missing; passes validation.
const STAND_IN: &str = "stand-in";

/// Replaces or takes out what is at `path`. Answers the path of what was changed, which may be
/// what holds it: half a reference is left out as a whole. None when nothing can be done.
pub(super) fn repair(value: &mut Value, path: &Path, missing: bool) -> Option<Path> {
    let (last, holder) = path.segments().split_last()?;
    let holder_value = find(value, holder)?;
    if let Some(replacement) = stand_in(path) {
        match (holder_value, last) {
            (Value::Object(fields), Segment::Key(key)) => {
                fields.insert(key.clone(), replacement);
            }
            (Value::Array(items), Segment::Index(index)) => {
                *items.get_mut(*index)? = replacement;
            }
            _ => return None,
        }
        return Some(path.clone());
    }
    if missing {
        return repair(value, &path.parent()?, false);
    }
    match (holder_value, last) {
        (Value::Object(fields), Segment::Key(key)) => {
            fields.remove(key)?;
            Some(path.clone())
        }
        // Taking an item out would move those after it away from their paths.
        _ => repair(value, &path.parent()?, false),
    }
}

fn find<'a>(value: &'a mut Value, segments: &[Segment]) -> Option<&'a mut Value> {
    segments
        .iter()
        .try_fold(value, |here, segment| match segment {
            Segment::Key(key) => here.get_mut(key),
            Segment::Index(index) => here.get_mut(*index),
        })
}

/// What can stand at a required place; none for places that may be left out.
fn stand_in(path: &Path) -> Option<Value> {
    let text = path.to_string();
    let product = |index: usize| json!({"id": format!("{STAND_IN}-{index}"), "name": STAND_IN, "price": 0, "stock": 0});
    match text.as_str() {
        "apiVersion" => return Some(API_VERSION.into()),
        "kind" => return Some(KIND.into()),
        "metadata" => return Some(json!({"name": STAND_IN})),
        "metadata.name" => return Some(STAND_IN.into()),
        "spec" => return Some(json!({"products": [product(0)]})),
        "spec.products" => return Some(json!([product(0)])),
        _ => {}
    }
    let [
        Segment::Key(spec),
        Segment::Key(products),
        Segment::Index(index),
        rest @ ..,
    ] = path.segments()
    else {
        return None;
    };
    if spec != "spec" || products != "products" {
        return None;
    }
    match rest {
        [] => Some(product(*index)),
        [Segment::Key(field)] => product(*index).get(field).cloned(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_reference_is_left_out_as_a_whole() {
        let mut value = json!({"spec": {"redisSecretRef": {"key": "x"}}});
        let changed = repair(&mut value, &Path::parse("spec.redisSecretRef.name"), true);
        assert_eq!(changed, Some(Path::parse("spec.redisSecretRef")));
        assert_eq!(value, json!({"spec": {}}));
    }

    #[test]
    fn a_required_value_gets_a_stand_in() {
        let mut value = json!({"spec": {"products": [{"id": 7}]}});
        for field in ["id", "price"] {
            let path = Path::parse("spec.products[0]").field(field);
            assert_eq!(repair(&mut value, &path, field == "price"), Some(path));
        }
        assert_eq!(
            value,
            json!({"spec": {"products": [{"id": "stand-in-0", "price": 0}]}})
        );
    }

    #[test]
    fn an_unknown_field_is_taken_out() {
        let mut value = json!({"spec": {"x": 1, "suspend": true}});
        repair(&mut value, &Path::parse("spec.x"), false).unwrap();
        assert_eq!(value, json!({"spec": {"suspend": true}}));
    }
}
