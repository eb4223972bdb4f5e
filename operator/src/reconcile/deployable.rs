//! The part of a spec that Redis is not told: the Secrets with the addresses, and the workers' pods.

use std::collections::BTreeSet;

use flashsale_domain::{
    id::SaleId,
    sale::{
        spec::{FlashSaleSpec, SecretKeyRef, WorkerSpec},
        validation::check_spec,
    },
};
use serde::{Deserialize, Serialize};

use super::pod_template;

/// What the worker Deployment of a sale is made of, besides the sale itself.
///
/// The sale in force is read back from Redis. This part is not there, so what was accepted last is
/// kept in `status.lastAccepted`: while an edit is refused, the Deployment is maintained by it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Deployable {
    /// `spec.databaseSecretRef`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database_secret_ref: Option<SecretKeyRef>,
    /// `spec.databaseTransactionPooler`.
    #[serde(default)]
    pub database_transaction_pooler: bool,
    /// `spec.redisSecretRef`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redis_secret_ref: Option<SecretKeyRef>,
    /// `spec.worker`, without the rules of scaling: the record in Redis has those.
    #[serde(default)]
    pub worker: WorkerSpec,
}

impl Deployable {
    /// That of `spec`, judged or not.
    pub fn of(spec: &FlashSaleSpec) -> Self {
        Self {
            database_secret_ref: spec.database_secret_ref.clone(),
            database_transaction_pooler: spec.database_transaction_pooler,
            redis_secret_ref: spec.redis_secret_ref.clone(),
            worker: WorkerSpec {
                behavior: None,
                fallback: None,
                ..spec.worker.clone()
            },
        }
    }

    /// That of `spec`, with default pods if those that it asks for cannot be.
    pub fn usable(sale: &SaleId, spec: &FlashSaleSpec, permitted: &BTreeSet<String>) -> Self {
        let written = Self::of(spec);
        let mut mistakes = check_spec(sale.clone(), spec).err().unwrap_or_default();
        mistakes.extend(pod_template::mistakes(spec, permitted));
        if !mistakes
            .iter()
            .any(|mistake| mistake.path.starts_with("spec.worker"))
        {
            return written;
        }
        written.with_default_pods()
    }

    /// The same with default pods.
    #[must_use]
    pub fn with_default_pods(self) -> Self {
        Self {
            worker: WorkerSpec {
                database_secret_ref: self.worker.database_secret_ref,
                ..WorkerSpec::default()
            },
            ..self
        }
    }

    /// What [`text`](Self::text) wrote; none when it is not readable.
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// As it stands in the status: one string, which a merge patch replaces as a whole.
    ///
    /// # Errors
    /// When it has no JSON.
    pub fn text(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }

    /// Whether both name the same stores.
    pub fn has_stores_of(&self, other: &Self) -> bool {
        self.database_secret_ref == other.database_secret_ref
            && self.database_transaction_pooler == other.database_transaction_pooler
            && self.redis_secret_ref == other.redis_secret_ref
            && self.worker.database_secret_ref == other.worker.database_secret_ref
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn spec(worker: &serde_json::Value) -> FlashSaleSpec {
        serde_json::from_value(json!({
            "products": [{"id": "shoe", "name": "Shoe", "price": 1, "stock": 5}],
            "redisSecretRef": {"name": "cache"},
            "worker": worker,
        }))
        .unwrap()
    }

    #[test]
    fn reads_back_what_it_wrote_and_more() {
        let worker = json!({"image": "a:1", "podLabels": {"team": "shop"},
            "behavior": {"scaleUp": {"tolerance": 0.5}}});
        let written = Deployable::of(&spec(&worker));
        assert_eq!(
            Deployable::parse(&written.text().unwrap()),
            Some(written.clone())
        );
        // A later release may write more.
        let later = written
            .text()
            .unwrap()
            .replacen('{', r#"{"future": 1, "#, 1);
        assert_eq!(Deployable::parse(&later), Some(written));
        assert_eq!(Deployable::parse("no JSON"), None);
    }

    #[test]
    fn pods_that_cannot_be_are_replaced_by_default_ones() {
        let sale = SaleId::new("shop.drop").unwrap();
        let good = spec(&json!({"image": "a:1"}));
        assert_eq!(
            Deployable::usable(&sale, &good, &BTreeSet::new()),
            Deployable::of(&good)
        );
        let bad = spec(&json!({"image": "a b", "databaseSecretRef": {"name": "own"}}));
        let usable = Deployable::usable(&sale, &bad, &BTreeSet::new());
        assert_eq!(usable.worker.image, None);
        let more = spec(&json!({"podTemplate": {"spec": {"serviceAccountName": "admin"}}}));
        let usable_more = |permitted: &[&str]| {
            let permitted = permitted.iter().map(ToString::to_string).collect();
            Deployable::usable(&sale, &more, &permitted)
                .worker
                .pod_template
        };
        assert_eq!(usable_more(&[]), None);
        assert_eq!(
            usable_more(&["serviceAccountName"]),
            more.worker.pod_template
        );
        assert!(usable.has_stores_of(&Deployable::of(&bad)));
    }
}
