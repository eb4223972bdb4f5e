//! Step 1 (I/O): reads what a FlashSale refers to: the addresses in its Secrets, the sale that is
//! in force, autoscalers that could get in the way.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use flashsale_domain::{id::SaleId, lifecycle::Announced, sale::spec::SecretKeyRef};
use flashsale_queue::catalogue;
use kube::ResourceExt;
use tokio::time::timeout;

use super::{
    allowed::{self, ALLOWED, Judgement},
    deployable::Deployable,
    refusal::sentence,
};
use crate::{
    config::Settings,
    context::Context,
    crd::FlashSale,
    secrets::{Freshness, SecretError},
    stores::{Addresses, Located, StoreCertificates, StoreError},
    workers::worker_name,
};

/// Key inside a Secret whose reference names none.
const DEFAULT_KEY: &str = "url";

/// How long Redis may take to tell which sale is in force.
const READ_PATIENCE: Duration = Duration::from_secs(2);

/// What was found.
#[derive(Debug)]
pub struct Dereferenced {
    /// What of the object as it is written the operator's configuration does not allow.
    pub judgement: Judgement,
    /// The stores as the object is written, or why they cannot be reached.
    pub written: Result<Located, Unlocated>,
    /// What was accepted last; none when nothing ever was.
    pub accepted: Option<Deployable>,
    /// The stores of what was accepted last, where they are others than those written.
    pub accepted_stores: Option<Result<Located, Unlocated>>,
    /// The sale that is in force by this name, if one is; or why nobody can tell at the moment.
    pub in_force: Result<Option<Announced>, String>,
    /// An autoscaler that aims at the worker Deployment; or why nobody can tell.
    pub autoscaler: Result<Option<String>, Arc<kube::Error>>,
}

impl Dereferenced {
    /// The sale that is known to be in force.
    pub fn known(&self) -> Option<&Announced> {
        self.in_force.as_ref().ok()?.as_ref()
    }

    /// The stores of the sale in force, by the Secrets as they are now: those that were accepted
    /// last, which an edit that is refused does not change.
    ///
    /// # Errors
    /// Why they cannot be reached.
    pub fn in_use(&self) -> Result<&Located, &Unlocated> {
        self.accepted_stores
            .as_ref()
            .unwrap_or(&self.written)
            .as_ref()
    }
}

/// Why there are no stores.
#[derive(Debug, thiserror::Error)]
pub enum Unlocated {
    /// A Secret is not as it must be, or may not or cannot be read.
    #[error(transparent)]
    Secret(SecretError),
    /// The sale may not name it.
    #[error("{0}")]
    NotAllowed(String),
    /// An address cannot be used.
    #[error(transparent)]
    Address(#[from] StoreError),
}

/// Reads it all. What cannot be read is told apart in [`Dereferenced`]: it must not keep the rest
/// from being looked after.
pub async fn dereference(context: &Context, object: &FlashSale, sale: &SaleId) -> Dereferenced {
    let namespace = object.namespace().unwrap_or_default();
    let written = Deployable::of(&object.spec);
    let accepted = object
        .status
        .as_ref()
        .and_then(|status| Deployable::parse(status.last_accepted.as_deref()?));
    let freshness = if context.roster.has_its_stores(sale) {
        Freshness::Usual
    } else {
        Freshness::Recent
    };
    let accepted_stores = match &accepted {
        Some(accepted) if !accepted.has_stores_of(&written) => {
            Some(locate(context, &namespace, accepted, freshness).await)
        }
        _ => None,
    };
    let before = allowed::before(object, &written, accepted.as_ref());
    let judged = judge(context, &namespace, &written, before.as_ref()).await;
    let (judgement, located) = match judged {
        // Nobody connects to where such a Secret points.
        Ok(judgement) if judgement.refuses_secrets() => {
            let why = Unlocated::NotAllowed(sentence(&judgement.refused));
            (judgement, Err(why))
        }
        Ok(judgement) => (
            judgement,
            locate(context, &namespace, &written, freshness).await,
        ),
        Err(error) => (Judgement::default(), Err(Unlocated::Secret(error))),
    };
    let mut found = Dereferenced {
        judgement,
        written: located,
        accepted,
        accepted_stores,
        in_force: Ok(None),
        autoscaler: Ok(None),
    };
    found.in_force = in_force(context, sale, &found).await;
    let worker = worker_name(&object.name_any());
    found.autoscaler = context.autoscalers.aiming_at(&namespace, &worker).await;
    found
}

/// Judges what is written. The error is a Secret that could not be read, so that nobody knows.
async fn judge(
    context: &Context,
    namespace: &str,
    written: &Deployable,
    before: Option<&Deployable>,
) -> Result<Judgement, SecretError> {
    let mut labelled = BTreeSet::new();
    for (_, reference) in allowed::secrets(written) {
        let secrets = &context.secrets;
        let found = secrets.is_labelled(namespace, reference, ALLOWED).await?;
        // That one is missing is told by whoever reads it.
        if found != Some(false) {
            labelled.insert(reference.name.as_str());
        }
    }
    let is_labelled = |name: &str| labelled.contains(name);
    Ok(allowed::judge(
        written,
        before,
        &context.settings,
        namespace,
        is_labelled,
    ))
}

async fn in_force(
    context: &Context,
    sale: &SaleId,
    found: &Dereferenced,
) -> Result<Option<Announced>, String> {
    if let Some((announced, _)) = context.roster.get(sale) {
        return Ok(Some(announced));
    }
    // The first visit of this process: what is in force is what Redis says.
    let located = found.in_use().map_err(ToString::to_string)?;
    let mut queue = located.stores.queue.clone();
    let read = timeout(READ_PATIENCE, catalogue::read(&mut queue, sale)).await;
    read.map_err(|_| format!("Redis did not answer within {READ_PATIENCE:?}"))?
        .map_err(|error| error.to_string())
}

async fn locate(
    context: &Context,
    namespace: &str,
    spec: &Deployable,
    freshness: Freshness,
) -> Result<Located, Unlocated> {
    let settings = &context.settings;
    let database = reference(spec.database_secret_ref.as_ref(), &settings.database_secret);
    let worker_database = worker_database(spec, settings, &database);
    let redis = reference(spec.redis_secret_ref.as_ref(), &settings.redis_secret);
    let read = async |reference| {
        let read = context.secrets.text(namespace, reference, freshness).await;
        read.map_err(Unlocated::Secret)
    };
    let certificates = async |reference| {
        let secrets = &context.secrets;
        secrets.certificates(namespace, reference, freshness).await
    };
    let (of_redis, redis_id) = read(&redis).await?;
    let (of_database, _) = read(&database).await?;
    // Read for its own sake too: a missing one is said here, not by pods that do not start.
    let (of_workers, database_id) = read(&worker_database).await?;
    let addresses = Addresses {
        redis: of_redis.into(),
        database: of_database.into(),
        transaction_pooler: spec.database_transaction_pooler,
    };
    let of_workers = Addresses {
        database: of_workers.into(),
        ..addresses.clone()
    };
    let of_stores = StoreCertificates {
        redis: certificates(&redis).await.map_err(Unlocated::Secret)?,
        database: certificates(&database).await.map_err(Unlocated::Secret)?,
    };
    certificates(&worker_database)
        .await
        .map_err(Unlocated::Secret)?;
    Ok(Located {
        stores: context.stores.get(addresses, of_stores)?,
        worker_database,
        redis,
        addresses: of_workers,
        secret_ids: format!("{redis_id} {database_id}"),
    })
}

/// The Secret of the workers. The operator's default goes with its default for the sale: a sale that
/// names another database is not settled in this one.
fn worker_database(
    spec: &Deployable,
    settings: &Settings,
    database: &SecretKeyRef,
) -> SecretKeyRef {
    let default = settings.worker_database_secret.as_deref();
    match (&spec.worker.database_secret_ref, default) {
        (Some(written), _) => written.clone(),
        (None, Some(default)) if spec.database_secret_ref.is_none() => reference(None, default),
        (None, _) => database.clone(),
    }
}

fn reference(written: Option<&SecretKeyRef>, default: &str) -> SecretKeyRef {
    written.cloned().unwrap_or_else(|| SecretKeyRef {
        name: default.to_owned(),
        key: DEFAULT_KEY.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_get_the_secret_that_goes_with_the_database_of_the_sale() {
        let settings = |workers: Option<&str>| Settings {
            worker_database_secret: workers.map(ToOwned::to_owned),
            ..Settings::example()
        };
        let own = serde_json::json!({"name": "own", "key": "uri"});
        let mine = serde_json::json!({"name": "mine", "key": "uri"});
        for (all, workers, default, expected) in [
            (None, None, None, ("owner", "url")),
            (None, None, Some("settling"), ("settling", "url")),
            (None, Some(&mine), Some("settling"), ("mine", "uri")),
            (Some(&own), None, Some("settling"), ("own", "uri")),
            (Some(&own), Some(&mine), Some("settling"), ("mine", "uri")),
        ] {
            let spec = serde_json::json!({
                "products": [], "databaseSecretRef": all, "worker": {"databaseSecretRef": workers},
            });
            let spec = Deployable::of(&serde_json::from_value(spec).unwrap());
            let settings = settings(default);
            let database = reference(spec.database_secret_ref.as_ref(), &settings.database_secret);
            let found = worker_database(&spec, &settings, &database);
            assert_eq!((found.name.as_str(), found.key.as_str()), expected);
        }
    }
}
