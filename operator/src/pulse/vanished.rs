//! Sales whose object is gone although nobody freed them: somebody took the finalizer off.
//!
//! Each is closed at once, so that nobody sells on behalf of nothing, and freed once its lanes are
//! empty. Jobs that wait have no workers any more: they are kept, and `flashsale withdraw` frees what
//! is left.

use std::sync::Arc;

use flashsale_core::id::SaleId;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::reflector::ObjectRef;

use crate::{
    context::{Context, object_of},
    reconcile::finalize::{free, is_drained, tell_left},
    stores::Stores,
};

/// Closes and frees what belongs to no object any more.
pub(super) async fn sweep(context: &Context) {
    for sale in close(context) {
        tracing::error!(%sale, "the object of {sale} is gone without having been drained: the sale \
            is closed, and freed once its lanes are empty");
    }
    for (sale, object, stores) in drained(context) {
        match Box::pin(free(context, &object, &sale, &stores)).await {
            None => tracing::info!(%sale, "what {sale} held is freed"),
            Some(left) => {
                tracing::error!(%sale, "{sale} has left behind {left}; run `flashsale withdraw {sale}`");
                tell_left(context, &object, &sale, &left).await;
            }
        }
    }
}

fn is_vanished(context: &Context, sale: &SaleId) -> bool {
    let (namespace, name) = object_of(sale);
    let object = ObjectRef::new(name).within(namespace);
    context.sales.get(&object).is_none()
}

/// Closes those that are not closed yet; answers which.
fn close(context: &Context) -> Vec<SaleId> {
    let mut closed = Vec::new();
    for (sale, entry) in context.roster.entries().iter_mut() {
        if !entry.mind.desired().closing && is_vanished(context, sale) {
            entry.close();
            closed.push(sale.clone());
        }
    }
    if !closed.is_empty() {
        context.roster.wake.notify_one();
    }
    closed
}

fn drained(context: &Context) -> Vec<(SaleId, ObjectReference, Arc<Stores>)> {
    let entries = context.roster.entries();
    let drained = entries.iter().filter(|(sale, entry)| {
        entry.mind.desired().closing && is_drained(&entry.sight) && is_vanished(context, sale)
    });
    drained
        .map(|(sale, entry)| (sale.clone(), entry.object.clone(), entry.stores().clone()))
        .collect()
}
