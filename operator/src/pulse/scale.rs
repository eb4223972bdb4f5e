//! Writes replicas, through the `/scale` subresource and nothing else.

use std::time::Instant;

use flashsale_core::{id::SaleId, observation::SaleObservation};
use k8s_openapi::api::{apps::v1::Deployment, core::v1::ObjectReference};
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::json;

use crate::{
    context::{Context, object_of, worker_name},
    events::Reason,
};

/// Who we are where we set replicas; another than where we apply the Deployment, which says nothing
/// of them.
const FIELD_MANAGER: &str = "flashsale-operator-scale";

/// Sets the workers of `sale` from `asked` to `wanted`, tells people, and measures how long it took
/// since the last look that did not ask for more. A failure is logged, and the next look tries again.
pub async fn scale(context: &Context, sale: &SaleId, asked: u32, wanted: u32) {
    if write(context, sale, wanted).await {
        tell(context, sale, asked, wanted).await;
    }
}

/// The same for a Deployment that was just made, and `asks` for what Kubernetes takes where nothing
/// is said.
pub async fn scale_new(context: &Context, sale: &SaleId, asks: u32, wanted: u32) {
    if asks == wanted || write(context, sale, wanted).await {
        tell(context, sale, 0, wanted).await;
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

async fn tell(context: &Context, sale: &SaleId, asked: u32, wanted: u32) {
    let Some((object, why, calm)) = facts(context, sale) else {
        return;
    };
    if wanted > asked {
        context.metrics.spike_to_patch(calm.elapsed());
    }
    tracing::info!(%sale, asked, wanted, why, "workers of {sale}: {asked} → {wanted} ({why})");
    let note = format!("workers {asked} → {wanted}: {why}");
    context.events.publish(&object, Reason::Scaled, note).await;
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
    Some((entry.desired().object.clone(), why, entry.memory.calm))
}
