//! What every visit of the reconciler and every beat of the pulse works with.

use std::{sync::Arc, time::Duration};

use flashsale_domain::{id::SaleId, lifecycle::Phase};
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
    disruption_budgets::BudgetApi,
    events::Publisher,
    lease::Fence,
    metrics::Metrics,
    ownership::Ownership,
    roster::Roster,
    secrets::Secrets,
    stores::StoreCache,
    workers::{Workers, object_of, worker_name},
    written_statuses::WrittenStatuses,
};

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

/// The shortest time after which the numbers of a status are brought up to date while nothing else
/// changes.
const SHOW_NUMBERS: Duration = Duration::from_secs(3);

/// What each sale adds to that time beyond it: about three statuses are written per second for their
/// numbers alone. Each write stores the whole object anew, and wakes all that watch it.
const SHOW_EACH: Duration = Duration::from_millis(300);

impl Context {
    /// How often the numbers of a status are brought up to date while nothing else changes.
    pub fn show_every(&self) -> Duration {
        let entries = self.roster.entries();
        let changing = entries.values().filter(|entry| {
            let phase = entry.observed().phase;
            !matches!(phase, None | Some(Phase::Scheduled | Phase::Closed))
        });
        show_every(changing.count())
    }

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
    pub fn workers(&self, sale: &SaleId) -> Option<Workers> {
        self.deployment(sale).as_deref().map(Workers::of)
    }

    /// The worker Deployment of a sale, as the watch delivered it last.
    pub fn deployment(&self, sale: &SaleId) -> Option<Arc<Deployment>> {
        let (namespace, name) = object_of(sale);
        let name = worker_name(name);
        let reference = ObjectRef::new(&name).within(namespace);
        self.deployments.get(&reference)
    }
}

/// How often the numbers of a status are shown where those of so many sales change.
fn show_every(changing: usize) -> Duration {
    let changing = u32::try_from(changing).unwrap_or(u32::MAX);
    SHOW_EACH.saturating_mul(changing).max(SHOW_NUMBERS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_less_often_where_many_change() {
        for (changing, seconds) in [(0, 3), (1, 3), (10, 3), (100, 30), (1_000, 300)] {
            assert_eq!(show_every(changing).as_secs(), seconds, "{changing}");
        }
    }
}
