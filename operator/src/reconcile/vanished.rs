//! Sales whose object is gone although nobody freed them: somebody took the finalizer off.
//!
//! Each is closed at once, so that nobody sells on behalf of nothing, and freed once its lanes are
//! empty. Jobs that wait have no workers any more: they are kept, and `flashsale withdraw` frees what
//! is left.

use std::sync::Arc;

use flashsale_domain::id::SaleId;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::reflector::ObjectRef;

use super::finalize::{free, is_drained, tell_left};
use crate::{context::Context, stores::Stores, workers::object_of};

/// Closes and frees what belongs to no object any more.
pub async fn sweep(context: &Context) {
    for sale in context.roster.close(|sale| is_vanished(context, sale)) {
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

fn drained(context: &Context) -> Vec<(SaleId, ObjectReference, Arc<Stores>)> {
    let entries = context.roster.entries();
    let drained = entries.iter().filter(|(sale, entry)| {
        entry.desired().sale.closing && is_vanished(context, sale) && is_drained(&entry.known())
    });
    drained
        .map(|(sale, entry)| {
            (
                sale.clone(),
                entry.desired().object.clone(),
                entry.stores().clone(),
            )
        })
        .collect()
}
