//! Writes replicas, through the `/scale` subresource and nothing else.

use std::time::Instant;

use flashsale_domain::{id::SaleId, observation::SaleObservation};
use k8s_openapi::api::{apps::v1::Deployment, core::v1::ObjectReference};
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::json;

use crate::{
    context::Context,
    events::{Draft, Reason},
    workers::{object_of, worker_name},
};

/// Who we are where we set replicas; another than where we apply the Deployment, which says nothing
/// of them.
const FIELD_MANAGER: &str = "flashsale-operator-scale";

/// Sets the workers of `sale` from `asked` to `wanted`, and measures how long it took since the last look
/// that did not ask for more. Answers the event that tells it. A failure is logged, and the next look tries
/// again.
pub(crate) async fn set(
    context: &Context,
    sale: &SaleId,
    asked: u32,
    wanted: u32,
) -> Option<Draft> {
    if !write(context, sale, wanted).await {
        return None;
    }
    note(context, sale, asked, wanted, None)
}

/// Takes all `asked` workers of a deleted sale away once its lanes are empty, whatever the last look
/// decided, and publishes the event that tells it.
pub async fn stop(context: &Context, sale: &SaleId, asked: u32) {
    let why = "the sale is deleted, and every job has its outcome";
    if write(context, sale, 0).await
        && let Some(event) = note(context, sale, asked, 0, Some(why))
    {
        context.events.publish_all(vec![event]).await;
    }
}

/// The same for a Deployment that was just made, and `asks` for what Kubernetes takes where nothing
/// is said.
pub async fn scale_new(context: &Context, sale: &SaleId, asks: u32, wanted: u32) {
    if (asks == wanted || write(context, sale, wanted).await)
        && let Some(event) = note(context, sale, 0, wanted, None)
    {
        context.events.publish_all(vec![event]).await;
    }
}

/// True once the API server has taken it.
async fn write(context: &Context, sale: &SaleId, wanted: u32) -> bool {
    let (namespace, name) = object_of(sale);
    let api: Api<Deployment> = Api::namespaced(context.client.clone(), namespace);
    let parameters = PatchParams::apply(FIELD_MANAGER);
    let patch = Patch::Merge(json!({ "spec": { "replicas": wanted } }));
    if let Err(error) = api
        .patch_scale(&worker_name(name), &parameters, &patch)
        .await
    {
        tracing::warn!(%sale, %error, "the workers of {sale} could not be set to {wanted}: {error}");
        return false;
    }
    true
}

/// Logs and measures that the workers were set; the event that tells it, with `why` or, if that is none,
/// with what the last look decided by.
fn note(
    context: &Context,
    sale: &SaleId,
    asked: u32,
    wanted: u32,
    why: Option<&str>,
) -> Option<Draft> {
    let (object, decided, satisfied) = facts(context, sale)?;
    let why = why.unwrap_or(&decided);
    if wanted > asked {
        let took = satisfied.elapsed().as_secs_f64();
        context.metrics.spike_to_patch.observe(took);
    }
    tracing::info!(%sale, asked, wanted, why, "workers of {sale}: {asked} → {wanted} ({why})");
    let note = format!("workers {asked} → {wanted}: {why}");
    Some(Draft {
        object,
        reason: Reason::Scaled,
        note,
    })
}

/// The object, why there shall be as many workers, and when there were enough of them last.
fn facts(context: &Context, sale: &SaleId) -> Option<(ObjectReference, String, Instant)> {
    let entries = context.roster.entries();
    let entry = entries.get(sale)?;
    let depth = entry.observed().lanes.as_ref().map(SaleObservation::depth);
    let depth = depth.map_or("unknown".to_owned(), |depth| depth.to_string());
    let reason = entry
        .observed()
        .decision
        .map_or("", |decision| decision.reason.as_str());
    let why = format!("{reason}, queue depth {depth}");
    Some((entry.desired().object.clone(), why, entry.memory.satisfied))
}
