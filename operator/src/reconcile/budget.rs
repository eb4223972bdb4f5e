//! The disruption budget of a sale's workers: a drained node takes one of them at a time.
//!
//! It belongs to the FlashSale and goes with it. A sale runs without it as well, so what keeps it
//! from being written is logged and tried again.

use std::time::Duration;

use kube::{
    Api, Resource, ResourceExt,
    api::{Patch, PatchParams},
    core::DynamicObject,
};
use serde_json::json;

use super::build;
use crate::{
    context::Context,
    crd::{FIELD_MANAGER, FlashSale},
    disruption_budgets::BudgetApi,
    workers::worker_name,
};

/// How often it is written again: somebody may have deleted or changed it, which nobody tells us.
const REWRITE: Duration = Duration::from_mins(5);

/// Writes the budget for the workers of `object` if there is a Deployment of them.
pub async fn keep(context: &Context, object: &FlashSale) {
    let Ok(sale) = object.sale_id() else { return };
    if context.workers(&sale).is_none() || !context.roster.budget_is_due(&sale, REWRITE) {
        return;
    }
    if let Err(error) = write(context, object).await {
        tracing::warn!(%sale, %error, "the disruption budget of {sale} could not be written: {error}");
    }
}

async fn write(context: &Context, object: &FlashSale) -> Result<(), kube::Error> {
    let client = &context.client;
    let ask = async || {
        client
            .apiserver_version()
            .await
            .map(|server| BudgetApi::of(&server))
    };
    let server = context.budgets.get_or_try_init(ask).await?;
    let (namespace, sale) = (object.namespace().unwrap_or_default(), object.name_any());
    let resource = server.resource();
    let name = worker_name(&sale);
    let owner = object.controller_owner_ref(&()).map(|mut owner| {
        if object.metadata.deletion_timestamp.is_some() {
            // As with the Deployment, a foreground deletion does not wait for it.
            owner.block_owner_deletion = Some(false);
        }
        vec![owner]
    });
    let budget = json!({
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {
            "name": name,
            "labels": build::labels(&sale),
            "ownerReferences": owner,
        },
        "spec": server.spec(&build::selector(&sale)),
    });
    let budgets: Api<DynamicObject> = Api::namespaced_with(client.clone(), &namespace, &resource);
    let parameters = PatchParams::apply(FIELD_MANAGER).force();
    budgets
        .patch(&name, &parameters, &Patch::Apply(budget))
        .await?;
    Ok(())
}
