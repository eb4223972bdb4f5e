//! The worker Deployment of a sale: its name, and its figures.

use flashsale_domain::id::SaleId;
use k8s_openapi::api::apps::v1::Deployment;

/// Name of the worker Deployment of the FlashSale `sale`.
pub fn worker_name(sale: &str) -> String {
    format!("{sale}-worker")
}

/// Namespace and name of the FlashSale behind a sale's id.
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
    pub fn are_available(&self, wanted: u32) -> bool {
        self.available >= wanted && self.updated >= wanted
    }
}
