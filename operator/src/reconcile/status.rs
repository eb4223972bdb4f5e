//! Tells people what is, and writes only what changed.

use flashsale_domain::lifecycle::Phase;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
    core::{ApiResource, DynamicObject},
};
use serde_json::json;

use super::{
    build,
    deployable::Deployable,
    statements::{phase, statements},
    turns::{Told, turns},
    view::{Verdict, View},
};
use crate::{
    context::Context,
    crd::{
        FIELD_MANAGER, FlashSale,
        condition::{self, Statement, Type},
        status::FlashSaleStatus,
    },
};

/// Why this step failed. Worth another try.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server did not take it.
    #[error("the status could not be written: {0}")]
    Write(#[from] kube::Error),
}

/// What is told of `view` (pure).
pub fn told(view: &View<'_>) -> Told {
    let statements = statements(view);
    let phase = phase(&statements);
    Told {
        status: status(view, &statements, phase),
        statements,
        phase,
    }
}

fn status(view: &View<'_>, statements: &[Statement], phase: Phase) -> FlashSaleStatus {
    let before = view.object.status.clone().unwrap_or_default();
    let generation = match view.verdict {
        // Nobody has looked at what was written since.
        Verdict::Paused => before.observed_generation,
        _ => view.object.metadata.generation,
    };
    let conditions = condition::conditions(statements, &before.conditions, generation, view.now);
    let observed = &view.observed;
    let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let replicas = |count: u32| i32::try_from(count).unwrap_or(i32::MAX);
    let workers = view.workers.unwrap_or_default();
    let first = |known: Option<Timestamp>, holds: bool| {
        known.or_else(|| holds.then(|| condition::whole_second(view.now)))
    };
    let goes_on = matches!(
        phase,
        Phase::Scheduled | Phase::Open | Phase::SoldOut | Phase::Suspended
    );
    let open = condition::holds(&conditions, Type::Open);
    let lanes = observed.lanes.as_ref();
    let pending = observed.stock.as_ref().map(|stock| stock.pending);
    FlashSaleStatus {
        phase: Some(phase.as_str().to_owned()),
        observed_generation: generation,
        operator: before.operator,
        queue_depth: lanes
            .map(|lanes| signed(lanes.depth()))
            .or(before.queue_depth),
        pending_orders: pending
            .or(before.pending_orders)
            .filter(|_| view.has_payment()),
        dead_letters: lanes
            .map(|lanes| signed(lanes.dead))
            .or(before.dead_letters),
        sold: observed.sold().or(before.sold),
        remaining: observed.remaining().map(signed).or(before.remaining),
        replicas: Some(replicas(workers.existing)),
        ready_replicas: Some(replicas(workers.ready)),
        desired_replicas: observed
            .decision
            .map(|decision| replicas(decision.workers))
            .or(before.desired_replicas),
        selector: Some(build::selector_text(&view.object.name_any())),
        opened_at: first(before.opened_at, open),
        last_accepted: before.last_accepted,
        sold_out_at: first(before.sold_out_at, phase == Phase::SoldOut),
        closed_at: first(
            before.closed_at.filter(|_| !goes_on),
            matches!(phase, Phase::Draining | Phase::Settling | Phase::Closed),
        ),
        drained_at: first(
            before.drained_at.filter(|_| !goes_on),
            phase == Phase::Closed,
        ),
        conditions,
    }
}

/// Writes the status if it is another than before, and tells the turns of the sale as events.
pub async fn update(
    context: &Context,
    reference: &ObjectReference,
    view: &View<'_>,
) -> Result<(), Error> {
    let object = context.statuses.latest(view.object);
    let view = &View {
        object: &object,
        ..view.clone()
    };
    let told = told(view);
    let before = view.object.status.as_ref();
    if before == Some(&told.status) {
        return Ok(());
    }
    if before.is_some_and(|before| differs_in_figures_alone(before, &told.status))
        && is_early(context, view.object)
    {
        return Ok(());
    }
    write(context, view.object, &json!(told.status)).await?;
    // Told after the write: a write that failed is made again, and would tell again.
    for (reason, note) in turns(view, &told) {
        context.events.publish(reference, reason, note).await;
    }
    Ok(())
}

/// Whether nothing has changed but what the pulse asks a visit for when it is time to show it.
fn differs_in_figures_alone(before: &FlashSaleStatus, now: &FlashSaleStatus) -> bool {
    let with_figures = FlashSaleStatus {
        queue_depth: now.queue_depth,
        pending_orders: now.pending_orders,
        dead_letters: now.dead_letters,
        sold: now.sold,
        remaining: now.remaining,
        ..before.clone()
    };
    with_figures == *now
}

/// Whether the status was written so lately that the pulse has not asked for this visit.
fn is_early(context: &Context, object: &FlashSale) -> bool {
    let age = context.statuses.age(object);
    age.is_some_and(|age| age < context.show_every() / 2)
}

/// Keeps what was accepted last for as long as an edit is refused, whichever operator leads then.
pub async fn remember_accepted(
    context: &Context,
    object: &FlashSale,
    accepted: &Deployable,
) -> Result<(), Error> {
    let object = context.statuses.latest(object);
    let known = object.status.as_ref();
    let accepted = accepted.text().map_err(kube::Error::SerdeError)?;
    if known.and_then(|status| status.last_accepted.as_ref()) == Some(&accepted) {
        return Ok(());
    }
    write(context, &object, &json!({ "lastAccepted": accepted })).await
}

/// Writes into the status that `installation` looks after `object`, or that nobody does any more, unless
/// somebody wrote to the object since it was read. Answers whether the definition has a place for that.
///
/// # Errors
/// What the API server said.
pub async fn claim(
    context: &Context,
    object: &FlashSale,
    installation: Option<&str>,
) -> Result<bool, kube::Error> {
    let patch = json!({
        "metadata": { "resourceVersion": object.resource_version() },
        "status": { "operator": installation },
    });
    let written = patch_status(context, object, patch).await?;
    let now = written.data.pointer("/status/operator");
    let is_written = now.and_then(serde_json::Value::as_str) == installation;
    Ok(is_written)
}

/// Merges `status` into the status of `object`, which need not be readable as a FlashSale.
async fn write(
    context: &Context,
    object: &FlashSale,
    status: &serde_json::Value,
) -> Result<(), Error> {
    patch_status(context, object, json!({ "status": status })).await?;
    Ok(())
}

async fn patch_status(
    context: &Context,
    object: &FlashSale,
    patch: serde_json::Value,
) -> Result<DynamicObject, kube::Error> {
    let namespace = object.namespace().unwrap_or_default();
    let resource = ApiResource::erase::<FlashSale>(&());
    let api: Api<DynamicObject> =
        Api::namespaced_with(context.client.clone(), &namespace, &resource);
    let parameters = PatchParams::apply(FIELD_MANAGER);
    let name = object.name_any();
    let written = api
        .patch_status(&name, &parameters, &Patch::Merge(patch))
        .await?;
    context.statuses.remember(&written);
    Ok(written)
}
