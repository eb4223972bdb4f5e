//! When workers are started anew because an address of a store has changed (pure).
//!
//! An annotation of their pods changes then. Whoever may read pods can read it, so nothing that is made
//! of an address stands in it: passwords could be tried against that. It is made of the versions of the
//! Secrets instead, and those also change with a label. So what the Deployment is known to be right for is
//! remembered: the versions in an annotation of its own, which replaces no pod, and the addresses by this
//! process.

use std::hash::{DefaultHasher, Hash, Hasher};

use k8s_openapi::api::apps::v1::Deployment;
use serde_json::json;

use super::rollout::hash;
use crate::{context::Workers, stores::Addresses};

/// Annotation of the pods that changes when an address does.
pub(super) const MARK: &str = "flashsale.dev/addresses";

/// Annotation of the Deployment: the versions of the Secrets that [`MARK`] is right for.
pub(super) const VERSIONS: &str = "flashsale.dev/secret-versions";

/// A mark, and the addresses that it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marked {
    /// The value of the annotation.
    pub mark: String,
    /// What workers with it have.
    pub addresses: Addresses,
}

/// The mark of pods that get `now`, read from these `versions` of the Secrets, in the place of the
/// Deployment `there`. `remembered` is what this process has applied last.
pub(super) fn mark(
    now: &Addresses,
    versions: &str,
    there: Option<&Deployment>,
    remembered: Option<&Marked>,
) -> String {
    let shown = there.and_then(|there| {
        let template = &there.spec.as_ref()?.template;
        let annotations = template.metadata.as_ref()?.annotations.as_ref()?;
        annotations.get(MARK).cloned()
    });
    let right_for = there.and_then(|there| {
        let annotations = there.metadata.annotations.as_ref()?;
        annotations.get(VERSIONS)
    });
    let is_first_release = shown.as_deref() == Some(&legacy(now));
    let has_workers = there.is_some_and(|there| Workers::of(there).asked > 0);
    if is_first_release && has_workers {
        // The right one, and no reason to replace workers of an open sale.
        return legacy(now);
    }
    let known = match remembered {
        Some(remembered) if remembered.addresses == *now => Some(remembered.mark.clone()),
        _ => shown.filter(|_| right_for.is_some_and(|known| known == versions)),
    };
    let known = known.filter(|mark| *mark != legacy(now));
    known.unwrap_or_else(|| hash(json!(versions)))
}

/// The mark of the first release: a hash of the addresses.
fn legacy(addresses: &Addresses) -> String {
    let mut hasher = DefaultHasher::new();
    addresses.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(password: &str) -> Addresses {
        Addresses {
            redis: format!("redis://:{password}@cache"),
            database: "postgres://ledger".to_owned(),
            transaction_pooler: false,
        }
    }

    /// A Deployment with the mark, for these versions of the Secrets, that asks for `replicas`.
    fn there(mark: &str, versions: Option<&str>, replicas: i32) -> Deployment {
        let annotations = versions.map(|versions| json!({ VERSIONS: versions }));
        serde_json::from_value(json!({
            "metadata": {"annotations": annotations},
            "spec": {
                "replicas": replicas, "selector": {},
                "template": {"metadata": {"annotations": {MARK: mark}}},
            },
        }))
        .unwrap()
    }

    #[test]
    fn the_mark_changes_with_the_addresses_and_not_with_the_versions_alone() {
        let first = mark(&addresses("a"), "1", None, None);
        assert!(!first.contains(&legacy(&addresses("a"))));
        let marked = Marked {
            mark: first.clone(),
            addresses: addresses("a"),
        };
        let of = |password: &str, versions: &str, before: &Deployment, remembered| {
            mark(&addresses(password), versions, Some(before), remembered)
        };
        let deployment = there(&first, Some("1"), 2);
        // Another process, and the Secrets as they were.
        assert_eq!(of("a", "1", &deployment, None), first);
        // A label was changed.
        assert_eq!(of("a", "2", &deployment, Some(&marked)), first);
        let labelled = there(&first, Some("2"), 2);
        assert_eq!(of("a", "2", &labelled, None), first);
        // The password was.
        let second = of("b", "3", &labelled, Some(&marked));
        assert_ne!(second, first);
        // The watch has not delivered what was applied.
        let remembered = Marked {
            mark: second.clone(),
            addresses: addresses("b"),
        };
        assert_eq!(of("b", "3", &labelled, Some(&remembered)), second);
    }

    #[test]
    fn workers_of_the_first_release_keep_its_mark_for_as_long_as_they_run() {
        let old = legacy(&addresses("a"));
        let running = there(&old, None, 2);
        assert_eq!(mark(&addresses("a"), "1", Some(&running), None), old);
        let marked = Marked {
            mark: old.clone(),
            addresses: addresses("a"),
        };
        let written = there(&old, Some("1"), 2);
        assert_eq!(
            mark(&addresses("a"), "1", Some(&written), Some(&marked)),
            old
        );
        let idle = there(&old, Some("1"), 0);
        let new = mark(&addresses("a"), "1", Some(&idle), Some(&marked));
        assert_ne!(new, old);
        assert_ne!(mark(&addresses("b"), "2", Some(&running), None), old);
    }

    #[test]
    fn the_mark_of_the_first_release_is_known() {
        assert_eq!(legacy(&addresses("a")), "210c2f1265d39457");
    }
}
