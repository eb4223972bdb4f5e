//! Step 4 (I/O): makes the world as the object says. Each part may be done twice, and each can
//! fail by itself: a ledger that is away does not keep Redis or the Deployment from being right.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use flashsale_core::{
    catalogue::Announced,
    keys::SaleKeys,
    ledger::{LedgerError, StockLevel},
    sale::Sale,
    stock,
};
use k8s_openapi::api::{apps::v1::Deployment, core::v1::ObjectReference};
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use tokio::time::timeout;

use super::validate::{Refusal, Valid};
use crate::{
    context::{Context, FIELD_MANAGER, Workers, worker_name},
    crd::FlashSale,
    events::Reason,
    pulse::scale::scale_new,
    roster::Hands,
    stores::Stores,
};

/// How long a declaration may take; it waits for the row locks of batches being settled.
const DECLARE_PATIENCE: Duration = Duration::from_secs(5);

/// What came of it.
#[derive(Debug, Default)]
pub struct Applied {
    /// Why the products could not be declared, if they could not. Worth another try.
    pub undeclared: Option<String>,
}

/// Why this step failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The object cannot be put in force as it is; it awaits an edit.
    #[error("{}", .0.message)]
    Refused(Refusal),
    /// The Deployment could not be written. Worth another try.
    #[error("the worker Deployment could not be applied: {0}")]
    Deployment(kube::Error),
}

/// Puts `valid` in force.
///
/// # Errors
/// See [`Error`].
pub async fn apply(
    context: &Context,
    object: &FlashSale,
    reference: ObjectReference,
    valid: &Valid,
    deployment: &Deployment,
) -> Result<Applied, Error> {
    let desired = Announced {
        sale: valid.sale.clone(),
        closing: false,
    };
    if is_to_declare(context, &valid.sale)
        && let Err(undeclared) = declare(&valid.located.stores, &valid.sale).await?
    {
        // Nothing is announced whose stock the ledger does not hold.
        return Ok(Applied {
            undeclared: Some(undeclared),
        });
    }
    let hands = Hands {
        off: false,
        off_replicas: valid.autoscaler.is_some(),
    };
    let stores = valid.located.stores.clone();
    context.roster.put(reference, desired, stores, hands);
    apply_deployment(context, object, valid, deployment).await?;
    Ok(Applied::default())
}

/// Whether the ledger has to hear of the products. Where only times, switches or limits were
/// edited it has not, so that a sale can be suspended while the ledger is away.
fn is_to_declare(context: &Context, sale: &Sale) -> bool {
    context.roster.get(&sale.id).is_none_or(|(known, sight)| {
        known.closing || known.sale.products != sale.products || sight.undeclared
    })
}

/// Declares the products in the ledger and tells Redis their stock. The inner error is an outage.
async fn declare(stores: &Stores, sale: &Sale) -> Result<Result<(), String>, Error> {
    let levels = match timeout(DECLARE_PATIENCE, stores.ledger.declare(sale)).await {
        Ok(Ok(declared)) => declared.levels,
        Ok(Err(error @ LedgerError::ProductTaken { .. })) => {
            return Err(Error::Refused(Refusal {
                reason: Reason::ProductTaken,
                message: error.to_string(),
            }));
        }
        Ok(Err(error)) if error.is_schema_missing() => {
            return Err(Error::Refused(Refusal {
                reason: Reason::SchemaMissing,
                message: error.to_string(),
            }));
        }
        Ok(Err(error @ LedgerError::NotPermitted(_))) => {
            return Err(Error::Refused(Refusal {
                reason: Reason::RightMissing,
                message: error.to_string(),
            }));
        }
        Ok(Err(error)) => return Ok(Err(error.to_string())),
        Err(_) => {
            return Ok(Err(format!(
                "the ledger did not take the declaration within {DECLARE_PATIENCE:?}"
            )));
        }
    };
    tell_stock(stores, sale, &levels).await;
    Ok(Ok(()))
}

/// A restock shall be for sale at once; the pulse would notice it at its second look.
async fn tell_stock(stores: &Stores, sale: &Sale, levels: &[StockLevel]) {
    let mut queue = stores.queue.clone();
    if let Err(error) = stock::publish(&mut queue, &SaleKeys::new(&sale.id), levels).await {
        tracing::debug!(sale = %sale.id, %error, "stock was not told at once: {error}");
    }
}

/// Server-side apply. A Deployment that is not there yet is made when somebody is needed; one that
/// is as it was applied last is left alone.
async fn apply_deployment(
    context: &Context,
    object: &FlashSale,
    valid: &Valid,
    deployment: &Deployment,
) -> Result<(), Error> {
    let sale = &valid.sale.id;
    let namespace = object.namespace().unwrap_or_default();
    let there = context.workers(sale);
    let wanted = context.roster.wanted(sale);
    if there.is_none() && wanted == 0 {
        return Ok(());
    }
    let fingerprint = fingerprint(deployment);
    let as_applied = there.map(|there| (fingerprint, there.generation));
    if as_applied.is_some() && context.roster.applied(sale) == as_applied {
        return Ok(());
    }
    let api: Api<Deployment> = Api::namespaced(context.client.clone(), &namespace);
    let parameters = PatchParams::apply(FIELD_MANAGER).force();
    let name = worker_name(&object.name_any());
    let applied = api
        .patch(&name, &parameters, &Patch::Apply(deployment))
        .await
        .map_err(refusal)?;
    let now = Workers::of(&applied);
    context
        .roster
        .set_applied(sale, (fingerprint, now.generation));
    if there.is_none() && valid.autoscaler.is_none() {
        scale_new(context, sale, now.asked, wanted).await;
    }
    Ok(())
}

/// Rights, a quota or an admission policy: people have to see to those, so they are told. What is
/// left mends itself.
fn refusal(error: kube::Error) -> Error {
    match error {
        kube::Error::Api(status) if matches!(status.code, 400 | 403 | 422) => {
            Error::Refused(Refusal {
                reason: Reason::ApplyFailed,
                message: format!(
                    "the API server refuses the worker Deployment, so buys wait: {}",
                    status.message
                ),
            })
        }
        error => Error::Deployment(error),
    }
}

/// Tells one manifest from another.
fn fingerprint(deployment: &Deployment) -> u64 {
    let mut hasher = DefaultHasher::new();
    serde_json::to_string(deployment)
        .unwrap_or_default()
        .hash(&mut hasher);
    hasher.finish()
}
