//! How an API server takes disruption budgets.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::version::Info;
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};

use crate::definition::minor_version;

/// How an API server takes disruption budgets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetApi {
    version: &'static str,
    /// Whether it knows `unhealthyPodEvictionPolicy`. Others refuse what names it.
    evicts_unhealthy: bool,
}

impl BudgetApi {
    /// One whose version is no number counts as a new one: what it does not know it refuses.
    pub(crate) fn of(server: &Info) -> Self {
        let minor = minor_version(server).unwrap_or(u32::MAX);
        Self {
            version: if minor < 21 { "v1beta1" } else { "v1" },
            evicts_unhealthy: minor >= 27,
        }
    }

    pub(crate) fn resource(&self) -> ApiResource {
        ApiResource::from_gvk(&GroupVersionKind::gvk(
            "policy",
            self.version,
            "PodDisruptionBudget",
        ))
    }

    pub(crate) fn spec(&self, selector: &BTreeMap<String, String>) -> Value {
        let mut spec = json!({
            "maxUnavailable": 1,
            "selector": {"matchLabels": selector},
        });
        if self.evicts_unhealthy {
            // Workers that cannot start keep no node from being drained.
            spec["unhealthyPodEvictionPolicy"] = json!("AlwaysAllow");
        }
        spec
    }
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
            let names =
                server(minor).spec(&BTreeMap::new())["unhealthyPodEvictionPolicy"].is_string();
            assert_eq!(names, evicts_unhealthy, "{minor}");
        }
    }
}
