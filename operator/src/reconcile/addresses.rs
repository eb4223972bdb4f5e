//! When workers are started anew because an address of a store has changed (pure).
//!
//! An annotation of their pods changes then. Whoever may read pods can read it, so it must not be a plain
//! hash of the addresses, against which passwords could be tried. It is a hash with a key: the ids of the
//! Secrets, which the API server makes at random and shows only to those who may read the Secrets. Neither
//! a label of a Secret nor a restart of the operator changes it.

use std::{
    fmt::Write as _,
    hash::{DefaultHasher, Hash, Hasher},
};

use k8s_openapi::api::apps::v1::Deployment;
use ring::hmac;

use crate::{stores::Addresses, workers::Workers};

/// Annotation of the pods that changes when an address does.
pub(super) const MARK: &str = "flashsale.dev/addresses";

/// Bytes of the mark.
const MARK_BYTES: usize = 8;

/// The mark of pods that get `now`, read from Secrets with these `ids`, in the place of the Deployment
/// `there`.
pub(super) fn mark(now: &Addresses, ids: &str, there: Option<&Deployment>) -> String {
    let shown = there.and_then(|there| {
        let template = &there.spec.as_ref()?.template;
        let annotations = template.metadata.as_ref()?.annotations.as_ref()?;
        annotations.get(MARK)
    });
    let is_first_release = shown == Some(&legacy(now));
    let has_workers = there.is_some_and(|there| Workers::of(there).asked > 0);
    if is_first_release && has_workers {
        // The right one, and no reason to replace workers of an open sale.
        return legacy(now);
    }
    keyed(now, ids)
}

fn keyed(addresses: &Addresses, ids: &str) -> String {
    let Addresses {
        redis,
        database,
        transaction_pooler,
    } = addresses;
    let key = hmac::Key::new(hmac::HMAC_SHA256, ids.as_bytes());
    let text = format!("{}\n{}\n{transaction_pooler}", &**redis, &**database);
    let tag = hmac::sign(&key, text.as_bytes());
    let mut mark = String::new();
    for byte in tag.as_ref().iter().take(MARK_BYTES) {
        // Writing to a string cannot fail.
        let _ = write!(mark, "{byte:02x}");
    }
    mark
}

/// The mark of the first release: a hash of the addresses.
fn legacy(addresses: &Addresses) -> String {
    let mut hasher = DefaultHasher::new();
    addresses.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn addresses(password: &str) -> Addresses {
        Addresses {
            redis: format!("redis://:{password}@cache").into(),
            database: "postgres://ledger".into(),
            transaction_pooler: false,
        }
    }

    /// A Deployment with the mark that asks for `replicas`.
    fn there(mark: &str, replicas: i32) -> Deployment {
        serde_json::from_value(json!({
            "metadata": {},
            "spec": {
                "replicas": replicas, "selector": {},
                "template": {"metadata": {"annotations": {MARK: mark}}},
            },
        }))
        .unwrap()
    }

    #[test]
    fn the_mark_changes_with_the_addresses_and_nobody_without_the_secrets_can_make_it() {
        let first = mark(&addresses("a"), "1", None);
        assert_eq!(first.len(), 2 * MARK_BYTES);
        assert_ne!(first, legacy(&addresses("a")));
        let running = there(&first, 2);
        assert_eq!(mark(&addresses("a"), "1", Some(&running)), first);
        assert_ne!(mark(&addresses("b"), "1", Some(&running)), first);
        assert_ne!(mark(&addresses("a"), "2", None), first);
        let pooled = Addresses {
            transaction_pooler: true,
            ..addresses("a")
        };
        assert_ne!(mark(&pooled, "1", None), first);
    }

    #[test]
    fn workers_of_the_first_release_keep_its_mark_for_as_long_as_they_run() {
        let old = legacy(&addresses("a"));
        let running = there(&old, 2);
        assert_eq!(mark(&addresses("a"), "1", Some(&running)), old);
        let idle = there(&old, 0);
        assert_ne!(mark(&addresses("a"), "1", Some(&idle)), old);
        assert_ne!(mark(&addresses("b"), "1", Some(&running)), old);
    }

    #[test]
    fn the_mark_of_the_first_release_is_known() {
        assert_eq!(legacy(&addresses("a")), "210c2f1265d39457");
    }
}
