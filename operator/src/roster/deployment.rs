//! What was written of a worker Deployment.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
};

use k8s_openapi::{api::apps::v1::Deployment, apimachinery::pkg::apis::meta::v1::OwnerReference};
use serde::Serialize;

/// The worker Deployment as it was written, and what came of it. Another one means that somebody has
/// changed it since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    manifest: u64,
    /// None for a Deployment that was only tried.
    made: Option<Made>,
}

/// What tells whether somebody has changed a Deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Made {
    /// Fingerprint of its uid.
    id: u64,
    /// Grows with every change of the spec.
    generation: Option<i64>,
    /// Fingerprint of those labels, annotations and owners that the operator writes, with the values
    /// that they have: a webhook may have changed one.
    metadata: u64,
}

impl Written {
    /// As `there` is, after `deployment` was written.
    pub(crate) fn of(deployment: &Deployment, there: &Deployment) -> serde_json::Result<Self> {
        let (own, there) = (&deployment.metadata, &there.metadata);
        let owners = own.owner_references.iter().flatten();
        let is_own = |found: &&OwnerReference| owners.clone().any(|own| own.uid == found.uid);
        let found = there.owner_references.iter().flatten();
        let metadata = (
            values(own.labels.as_ref(), there.labels.as_ref()),
            values(own.annotations.as_ref(), there.annotations.as_ref()),
            found.filter(is_own).collect::<Vec<_>>(),
        );
        Ok(Self {
            manifest: fingerprint(deployment)?,
            made: Some(Made {
                id: fingerprint(&there.uid)?,
                generation: there.generation,
                metadata: fingerprint(&metadata)?,
            }),
        })
    }

    /// Whether `now` is the same Deployment, written the same, in which at most labels, annotations or
    /// owners have changed.
    pub(crate) fn is_same_but_for_metadata(self, now: Self) -> bool {
        let spec = |written: Self| written.made.map(|made| (made.id, made.generation));
        self.manifest == now.manifest && spec(self).is_some() && spec(self) == spec(now)
    }

    /// Whether it was made, and not only tried.
    pub(crate) fn is_made(self) -> bool {
        self.made.is_some()
    }

    /// `deployment`, which was only tried.
    pub(crate) fn tried(deployment: &Deployment) -> serde_json::Result<Self> {
        Ok(Self {
            manifest: fingerprint(deployment)?,
            made: None,
        })
    }
}

/// The values in `there` of the keys of `own`.
fn values<'a>(
    own: Option<&BTreeMap<String, String>>,
    there: Option<&'a BTreeMap<String, String>>,
) -> Vec<Option<&'a String>> {
    let keys = own.into_iter().flatten().map(|(key, _)| key);
    keys.map(|key| there.and_then(|there| there.get(key)))
        .collect()
}

/// Tells one value from another, within this process.
fn fingerprint(value: &impl Serialize) -> serde_json::Result<u64> {
    let mut hasher = DefaultHasher::new();
    serde_json::to_string(value)?.hash(&mut hasher);
    Ok(hasher.finish())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn deployment(metadata: &Value) -> Deployment {
        serde_json::from_value(json!({ "metadata": metadata })).unwrap()
    }

    #[test]
    fn a_changed_label_is_told_from_a_changed_spec_and_from_another_deployment() {
        let own = deployment(&json!({"labels": {"sale": "drop"}}));
        let there = |uid: &str, generation: u64, label: &str| {
            let metadata = json!({"uid": uid, "generation": generation, "labels": {"sale": label}});
            Written::of(&own, &deployment(&metadata)).unwrap()
        };
        let before = there("a", 1, "drop");
        let is_same = |now: Written| (before == now, before.is_same_but_for_metadata(now));
        assert_eq!(is_same(before), (true, true));
        assert_eq!(is_same(there("a", 1, "other")), (false, true));
        assert_eq!(is_same(there("a", 2, "drop")), (false, false));
        assert_eq!(is_same(there("b", 1, "drop")), (false, false));
        let edited = deployment(&json!({"labels": {"sale": "edited"}}));
        assert_eq!(
            is_same(Written::of(&edited, &edited).unwrap()),
            (false, false)
        );
        assert_eq!(is_same(Written::tried(&own).unwrap()), (false, false));
        assert!(before.is_made() && !Written::tried(&own).unwrap().is_made());
        assert!(
            !Written::tried(&own)
                .unwrap()
                .is_same_but_for_metadata(Written::tried(&own).unwrap())
        );
    }
}
