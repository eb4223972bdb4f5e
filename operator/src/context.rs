//! What every visit of the reconciler and every beat of the pulse works with.

use std::sync::Arc;

use flashsale_core::id::SaleId;
use k8s_openapi::api::apps::v1::Deployment;
use kube::{
    Client,
    core::DeserializeGuard,
    runtime::reflector::{ObjectRef, Store},
};
use tokio::sync::{OnceCell, mpsc::UnboundedSender};
use tokio_util::sync::CancellationToken;

use crate::{
    autoscalers::Autoscalers,
    backoff::Backoff,
    config::Settings,
    crd::FlashSale,
    events::Publisher,
    lease::Fence,
    metrics::Metrics,
    ownership::Ownership,
    reconcile::{budget::BudgetApi, written::WrittenStatuses},
    roster::Roster,
    secrets::Secrets,
    stores::StoreCache,
};

/// Who we are to the API server, wherever we write.
pub const FIELD_MANAGER: &str = "flashsale-operator";

/// A FlashSale as the watch delivers it: one that does not parse is an object with a mistake, and
/// does not stop the watch of the others.
pub type Watched = DeserializeGuard<FlashSale>;

/// Shared by all visits and the pulse.
pub struct Context {
    /// The API server.
    pub client: Client,
    /// What was set on the command line.
    pub settings: Settings,
    /// Open while this operator leads. Requests to the API server pass it by themselves; whoever
    /// writes to a store asks it first.
    pub fence: Fence,
    /// The one namespace that is watched; none: all.
    pub namespace: Option<String>,
    /// Whose objects are whose.
    pub ownership: Ownership,
    /// Where events go.
    pub events: Publisher,
    /// What Prometheus sees.
    pub metrics: Metrics,
    /// The sales in force.
    pub roster: Roster,
    /// What was written of each object and the watch may not have delivered yet.
    pub statuses: WrittenStatuses,
    /// When objects whose visits fail are visited again.
    pub backoff: Backoff,
    /// Open connections.
    pub stores: StoreCache,
    /// Addresses.
    pub secrets: Secrets,
    /// Autoscalers that could get in the way.
    pub autoscalers: Autoscalers,
    /// The worker Deployments, as the watch keeps them.
    pub deployments: Store<Deployment>,
    /// Cancelled once those that were there at the start are in [`deployments`](Self::deployments).
    pub deployments_seen: CancellationToken,
    /// The FlashSales, as the watch keeps them.
    pub sales: Store<Watched>,
    /// How the API server takes disruption budgets, once that was asked.
    pub budgets: OnceCell<BudgetApi>,
    /// Asks for a visit.
    pub visits: UnboundedSender<ObjectRef<Watched>>,
}

impl Context {
    /// Asks for a visit of the object behind `sale`.
    pub fn ask_visit(&self, sale: &SaleId) {
        let (namespace, name) = object_of(sale);
        // The receiver lives as long as the controller; after that nobody visits anyway.
        let _ = self.visits.send(ObjectRef::new(name).within(namespace));
    }

    /// Waits until the watch has delivered the worker Deployments that are there: a sale whose
    /// Deployment was not seen yet is not one without workers.
    pub async fn see_deployments(&self) {
        self.deployments_seen.cancelled().await;
    }

    /// Replicas that the worker Deployment of a sale shall have, and those that are ready; none
    /// when there is no Deployment.
    #[must_use]
    pub fn workers(&self, sale: &SaleId) -> Option<Workers> {
        self.deployment(sale).as_deref().map(Workers::of)
    }

    /// The worker Deployment of a sale, as the watch delivered it last.
    #[must_use]
    pub fn deployment(&self, sale: &SaleId) -> Option<Arc<Deployment>> {
        let (namespace, name) = object_of(sale);
        let name = worker_name(name);
        let reference = ObjectRef::new(&name).within(namespace);
        self.deployments.get(&reference)
    }
}

/// Name of the worker Deployment of the FlashSale `sale`.
#[must_use]
pub fn worker_name(sale: &str) -> String {
    format!("{sale}-worker")
}

/// Namespace and name of the FlashSale behind a sale's id.
#[must_use]
pub fn object_of(sale: &SaleId) -> (&str, &str) {
    sale.as_str().split_once('.').unwrap_or(("", sale.as_str()))
}

/// The figures of a worker Deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Workers {
    /// Replicas asked for.
    pub asked: u32,
    /// Replicas that exist.
    pub existing: u32,
    /// Replicas that are ready.
    pub ready: u32,
    /// Replicas that are available.
    pub available: u32,
    /// Replicas that are made as the Deployment is written now.
    pub updated: u32,
}

impl Workers {
    /// Those of `deployment`.
    #[must_use]
    pub fn of(deployment: &Deployment) -> Self {
        let count = |replicas: Option<i32>| u32::try_from(replicas.unwrap_or(0)).unwrap_or(0);
        let status = deployment.status.as_ref();
        Self {
            // The API server's default where nothing is written.
            asked: count(
                deployment
                    .spec
                    .as_ref()
                    .map_or(Some(0), |spec| spec.replicas.or(Some(1))),
            ),
            existing: count(status.and_then(|status| status.replicas)),
            ready: count(status.and_then(|status| status.ready_replicas)),
            available: count(status.and_then(|status| status.available_replicas)),
            updated: count(status.and_then(|status| status.updated_replicas)),
        }
    }

    /// Whether as many as are `wanted` are available, and as the Deployment is written now: those of a
    /// template before count for nothing while its successor cannot start.
    #[must_use]
    pub fn are_available(&self, wanted: u32) -> bool {
        self.available >= wanted && self.updated >= wanted
    }
}
