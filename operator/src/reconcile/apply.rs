//! Makes the world as the object says. Each part may be done twice, and each can fail by itself: a
//! ledger that is away does not keep Redis or the Deployment from being right.

use std::{sync::Arc, time::Duration};

use flashsale_domain::{
    id::SaleId,
    lifecycle::Phase,
    sale::{Sale, spec::UpdatePolicySpec},
    stock::StockLevel,
};
use flashsale_ledger::LedgerError;
use flashsale_queue::{keys::SaleKeys, stock};
use flashsale_recovery::retirement;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use tokio::time::timeout;

use super::{build, refusal::Refusal, rollout};
use crate::{
    context::Context,
    crd::{FIELD_MANAGER, FlashSale},
    events::Reason,
    roster::{WriteMode, Written},
    scale::scale_new,
    stores::{Located, Stores},
    workers::{Workers, object_of, worker_name},
};

/// How long a declaration may take; it waits for the row locks of batches being settled.
const DECLARE_PATIENCE: Duration = Duration::from_secs(5);

/// How long a ledger that did not answer may take to say why, for the message.
const REFUSAL_PATIENCE: Duration = Duration::from_secs(1);

/// Why this step failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The object cannot be put in force as it is; it awaits an edit.
    #[error("{}", .0.message)]
    Refused(Refusal),
    /// The Deployment could not be read. Worth another try.
    #[error("the worker Deployment could not be read: {0}")]
    Unread(kube::Error),
    /// The Deployment could not be written. Worth another try.
    #[error("the worker Deployment could not be applied: {0}")]
    Deployment(kube::Error),
}

/// Has the ledger offer the products of `sale`, if it has to hear of them. The inner error is an
/// outage: nothing may be announced whose stock the ledger does not hold.
pub async fn offer(
    context: &Context,
    sale: &Sale,
    located: &Located,
    progress: Progress,
) -> Result<Result<(), String>, Error> {
    if !is_to_declare(context, sale, progress) {
        return Ok(Ok(()));
    }
    if !context.fence.is_open() {
        return Ok(Err("this operator does not lead any more".to_owned()));
    }
    // A visit that waits for a ledger that is away would keep the next edit waiting.
    if let Some(outage) = context.roster.ledger_outage(&sale.id, &located.stores) {
        return Ok(Err(outage));
    }
    declare(&located.stores, sale).await
}

/// How far a sale is, as far as declaring it depends on that.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Now, by the clock of the sale.
    pub now: Timestamp,
    /// Whether the status says that the sale was closed and drained.
    pub was_closed: bool,
}

/// Whether the ledger has to hear of the products and how they are paid for. Where only times, switches or limits were
/// edited it has not, so that a sale can be suspended while the ledger is away. Nor has it of those of
/// a sale that is over: another one may have taken them.
fn is_to_declare(context: &Context, sale: &Sale, progress: Progress) -> bool {
    let ends = |sale: &Sale| sale.schedule.closes_at.is_some_and(|at| at <= progress.now);
    match context.roster.get(&sale.id) {
        None => !(ends(sale) && progress.was_closed),
        Some((_, observed)) if ends(sale) && observed.phase == Some(Phase::Closed) => {
            observed.undeclared
        }
        Some((known, observed)) => {
            known.closing
                || known.sale.products != sale.products
                || known.sale.payment != sale.payment
                || known.sale.currency != sale.currency
                || observed.undeclared
                || (ends(&known.sale) && !ends(sale))
        }
    }
}

/// Declares the products in the ledger and tells Redis their stock. The inner error is an outage.
async fn declare(stores: &Stores, sale: &Sale) -> Result<Result<(), String>, Error> {
    let refused = |reason, error: &LedgerError| {
        let refusal = Refusal::new(reason, error.to_string());
        Err(Error::Refused(refusal))
    };
    let mut queue = stores.queue.clone();
    let declaring = retirement::declare(&stores.ledger, &mut queue, sale);
    let levels = match timeout(DECLARE_PATIENCE, declaring).await {
        Ok(Ok(declared)) => declared.levels,
        Ok(Err(error @ LedgerError::ProductTaken { .. })) => {
            return refused(Reason::ProductTaken, &error);
        }
        Ok(Err(error)) if error.is_schema_missing() => {
            return refused(Reason::SchemaMissing, &error);
        }
        Ok(Err(error @ LedgerError::NotPermitted(_))) => {
            return refused(Reason::RightMissing, &error);
        }
        Ok(Err(error)) if !error.ran_out_of_time() => return Ok(Err(error.to_string())),
        Ok(Err(_)) | Err(_) => {
            let refusal = stores.ledger.refusal(REFUSAL_PATIENCE).await;
            return Ok(Err(refusal.unwrap_or_else(|| {
                format!("the ledger did not take the declaration within {DECLARE_PATIENCE:?}")
            })));
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

/// Server-side apply. A Deployment that is not there yet is made when somebody is needed, and until
/// then only tried; one that is as it was applied last is left alone. One that is there but not seen, since
/// it has lost the label that the watch selects by, gets that label back. `policy` says when a change that
/// nobody asked for is made.
pub async fn apply(
    context: &Context,
    object: &FlashSale,
    sale: &SaleId,
    built: Deployment,
    policy: UpdatePolicySpec,
) -> Result<(), Error> {
    let namespace = object.namespace().unwrap_or_default();
    let before = context.roster.written(sale);
    let wanted = context.roster.wanted(sale);
    let found = find(context, sale, &built, before, wanted).await?;
    if found.is_none() && wanted == 0 {
        return Ok(());
    }
    let deployment = match &found {
        Some(found) => hold(context, sale, built, found, policy).await,
        None => built,
    };
    let as_written = found.as_deref();
    let as_written = as_written.map(|found| Written::of(&deployment, found));
    let as_written = as_written.transpose().map_err(unwritable)?;
    if as_written.is_some() && before == as_written {
        return Ok(());
    }
    let is_repair = matches!((before, as_written), (Some(before), Some(now))
        if before.is_same_but_for_metadata(now));
    if is_repair && !context.roster.may_repair(sale) {
        return Ok(());
    }
    let api: Api<Deployment> = Api::namespaced(context.client.clone(), &namespace);
    let parameters = PatchParams::apply(FIELD_MANAGER).force();
    let name = worker_name(&object.name_any());
    let applied = api
        .patch(&name, &parameters, &Patch::Apply(&deployment))
        .await
        .map_err(refusal)?;
    let now = Workers::of(&applied);
    let written = Written::of(&deployment, &applied).map_err(unwritable)?;
    context.roster.set_written(sale, Some(written));
    if is_repair {
        context.roster.note_repair(sale);
    }
    let mode = context.roster.mode(sale).unwrap_or_default();
    // One that has more workers than are wanted was there all the time and had not been seen: the
    // control loop decides about it when it has.
    if found.is_none() && mode == WriteMode::Full && now.asked <= wanted {
        scale_new(context, sale, now.asked, wanted).await;
    }
    Ok(())
}

/// The Deployment that is there. One that was made and is not seen may have been deleted, or have lost the
/// label that the watch selects by: the API server knows. One that is not needed is tried as well.
async fn find(
    context: &Context,
    sale: &SaleId,
    built: &Deployment,
    before: Option<Written>,
    wanted: u32,
) -> Result<Option<Arc<Deployment>>, Error> {
    let seen = context.deployment(sale);
    if seen.is_some() {
        return Ok(seen);
    }
    let was_made = before.is_some_and(Written::is_made);
    // A new operator that could not try it, for a webhook that takes no trials, does not know of one either.
    if !was_made && wanted == 0 && !try_out(context, sale, built).await? {
        return Ok(None);
    }
    let found = read_unseen(context, sale).await;
    let found = found.map_err(Error::Unread)?;
    if found.is_none() {
        context.roster.set_written(sale, None);
    }
    Ok(found.map(Arc::new))
}

/// The Deployment of the workers, as the API server has it. One of the same name that selects other pods is
/// none of the sale.
///
/// # Errors
/// When the API server does not give it.
pub(super) async fn read_unseen(
    context: &Context,
    sale: &SaleId,
) -> Result<Option<Deployment>, kube::Error> {
    let (namespace, name) = object_of(sale);
    let api: Api<Deployment> = Api::namespaced(context.client.clone(), namespace);
    let found = api.get_opt(&worker_name(name)).await?;
    Ok(found.filter(|found| {
        let selector = found.spec.as_ref().map(|spec| &spec.selector);
        let labels = selector.and_then(|selector| selector.match_labels.as_ref());
        labels == Some(&build::selector(name))
    }))
}

/// The Deployment to apply in the place of `found`: `built`, or one whose pods stay as they are. People
/// are told when a change begins to wait.
async fn hold(
    context: &Context,
    sale: &SaleId,
    built: Deployment,
    found: &Deployment,
    policy: UpdatePolicySpec,
) -> Deployment {
    let kept = context.roster.kept_template(sale);
    let is_news = kept.is_none();
    let known = context.roster.get(sale);
    let stores_answer = known.is_some_and(|(_, observed)| {
        observed.looked && observed.queue_error.is_none() && observed.ledger_error.is_none()
    });
    let held = rollout::held(&built, found, kept, policy, stores_answer);
    let template = held.as_ref().and_then(|held| held.spec.as_ref());
    let template = template.map(|spec| spec.template.clone());
    let object = context.roster.keep_template(sale, template);
    if let (true, true, Some(object)) = (is_news, held.is_some(), object) {
        let note = "the workers' pods would be replaced by a change that the spec did not ask for, \
                    such as a new default image; it waits until none of them runs, or for \
                    spec.worker.updatePolicy: Immediately";
        tracing::info!(%sale, "a change of the workers of {sale} waits until none of them runs");
        let events = &context.events;
        events.publish(&object, Reason::UpdateHeld, note).await;
    }
    held.unwrap_or(built)
}

/// Asks the API server whether it would take a Deployment that is not needed yet, so that a mistake is
/// told when it is made and not when the sale opens. Answers whether there is one all the same, which the
/// watch does not see.
async fn try_out(context: &Context, sale: &SaleId, deployment: &Deployment) -> Result<bool, Error> {
    let tried = Written::tried(deployment).map_err(unwritable)?;
    if context.roster.written(sale) == Some(tried) {
        return Ok(false);
    }
    let (namespace, _) = object_of(sale);
    let api: Api<Deployment> = Api::namespaced(context.client.clone(), namespace);
    let parameters = PatchParams::apply(FIELD_MANAGER).force().dry_run();
    let name = deployment.name_any();
    match api
        .patch(&name, &parameters, &Patch::Apply(deployment))
        .await
    {
        Err(kube::Error::Api(status)) if matches!(status.code, 403 | 422) => {
            return Err(refusal(kube::Error::Api(status)));
        }
        // Nobody needs it yet. A webhook, for one, may not know how to try.
        Err(error) => tracing::debug!(%sale, %error, "the Deployment was not tried: {error}"),
        // Only what is stored has a version.
        Ok(answer)
            if answer
                .resource_version()
                .is_some_and(|version| !version.is_empty()) =>
        {
            return Ok(true);
        }
        Ok(_) => {}
    }
    context.roster.set_written(sale, Some(tried));
    Ok(false)
}

/// A Deployment that has no JSON cannot be told from another one.
fn unwritable(error: serde_json::Error) -> Error {
    Error::Deployment(kube::Error::SerdeError(error))
}

/// Rights, a quota or an admission policy: people have to see to those, so they are told. What is
/// left mends itself.
fn refusal(error: kube::Error) -> Error {
    match error {
        kube::Error::Api(status) if matches!(status.code, 400 | 403 | 422) => {
            let message = format!(
                "the API server refuses the worker Deployment, so buys wait: {}",
                status.message
            );
            Error::Refused(Refusal::new(Reason::ApplyFailed, message))
        }
        error => Error::Deployment(error),
    }
}
