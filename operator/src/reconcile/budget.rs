//! The disruption budget of a sale's workers: a drained node takes one of them at a time.
//!
//! It belongs to the FlashSale and goes with it. A sale runs without it as well, so what keeps it
//! from being written is logged and tried again.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::version::Info;
use kube::{
    Api, Resource, ResourceExt,
    api::{Patch, PatchParams},
    core::{ApiResource, DynamicObject, GroupVersionKind},
};
use serde_json::{Value, json};

use super::build;
use crate::{
    context::{Context, FIELD_MANAGER, worker_name},
    crd::FlashSale,
};

/// How often it is written again: somebody may have deleted or changed it, which nobody tells us.
const REWRITE: Duration = Duration::from_mins(5);

/// How an API server takes disruption budgets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetApi {
    version: &'static str,
    /// Whether it knows `unhealthyPodEvictionPolicy`. Others refuse what names it.
    evicts_unhealthy: bool,
}

impl BudgetApi {
    fn of(server: &Info) -> Self {
        // Some distributions write "27+".
        let digits = server.minor.trim_end_matches(|c: char| !c.is_ascii_digit());
        let minor: u32 = digits.parse().unwrap_or(u32::MAX);
        Self {
            version: if minor < 21 { "v1beta1" } else { "v1" },
            evicts_unhealthy: minor >= 27,
        }
    }

    fn resource(&self) -> ApiResource {
        ApiResource::from_gvk(&GroupVersionKind::gvk(
            "policy",
            self.version,
            "PodDisruptionBudget",
        ))
    }

    fn spec(&self, sale: &str) -> Value {
        let mut spec = json!({
            "maxUnavailable": 1,
            "selector": {"matchLabels": build::selector(sale)},
        });
        if self.evicts_unhealthy {
            // Workers that cannot start keep no node from being drained.
            spec["unhealthyPodEvictionPolicy"] = json!("AlwaysAllow");
        }
        spec
    }
}

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
        "spec": server.spec(&sale),
    });
    let budgets: Api<DynamicObject> = Api::namespaced_with(client.clone(), &namespace, &resource);
    let parameters = PatchParams::apply(FIELD_MANAGER).force();
    budgets
        .patch(&name, &parameters, &Patch::Apply(budget))
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_as_the_api_server_knows_it() {
        let server = |minor: &str| {
            let minor = minor.to_owned();
            BudgetApi::of(&Info {
                minor,
                ..Info::default()
            })
        };
        for (minor, version, evicts_unhealthy) in [
            ("20", "v1beta1", false),
            ("21", "v1", false),
            ("26+", "v1", false),
            ("27+", "v1", true),
            ("36", "v1", true),
            ("", "v1", true),
        ] {
            let expected = BudgetApi {
                version,
                evicts_unhealthy,
            };
            assert_eq!(server(minor), expected, "{minor}");
            let names = server(minor).spec("drop")["unhealthyPodEvictionPolicy"].is_string();
            assert_eq!(names, evicts_unhealthy, "{minor}");
        }
    }
}
