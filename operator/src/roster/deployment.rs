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
    /// Grows with every change of the spec.
    generation: Option<i64>,
    /// Fingerprint of those labels, annotations and owners that the operator writes, with the values
    /// that they have: a webhook may have changed one.
    metadata: u64,
}

impl Written {
    /// As `there` is, after `deployment` was written.
    pub(crate) fn of(deployment: &Deployment, there: &Deployment) -> Self {
        let (own, there) = (&deployment.metadata, &there.metadata);
        let owners = own.owner_references.iter().flatten();
        let is_own = |found: &&OwnerReference| owners.clone().any(|own| own.uid == found.uid);
        let found = there.owner_references.iter().flatten();
        let metadata = (
            values(own.labels.as_ref(), there.labels.as_ref()),
            values(own.annotations.as_ref(), there.annotations.as_ref()),
            found.filter(is_own).collect::<Vec<_>>(),
        );
        Self {
            manifest: fingerprint(deployment),
            made: Some(Made {
                generation: there.generation,
                metadata: fingerprint(&metadata),
            }),
        }
    }

    /// `deployment`, which was only tried.
    pub(crate) fn tried(deployment: &Deployment) -> Self {
        Self {
            manifest: fingerprint(deployment),
            made: None,
        }
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
fn fingerprint(value: &impl Serialize) -> u64 {
    let mut hasher = DefaultHasher::new();
    serde_json::to_string(value)
        .unwrap_or_default()
        .hash(&mut hasher);
    hasher.finish()
}
