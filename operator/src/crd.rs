//! The custom resource `flashsales.flashsale.dev`: its Rust types, and the definition that the
//! API server gets.
//!
//! The spec is the one of [`flashsale_domain::sale::spec`], which the hand tools read from files; what
//! only an API server needs (columns, list types, rules that span fields) is added here.

mod bounds;
mod columns;
pub mod condition;
mod lists;
mod nulls;
mod rules;
pub mod servers;
pub mod status;

use std::ops::Deref;

use flashsale_domain::{
    id::{IdError, SaleId},
    sale::spec::FlashSaleSpec,
};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{CustomResource, CustomResourceExt, ResourceExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::status::FlashSaleStatus;

/// Longest name of a FlashSale: `<name>-worker-<hash>-<hash>` names pods, and a label, which holds
/// 63 characters, carries it.
pub const LONGEST_NAME: usize = 44;

// The category is what `kubectl get flashsale` looks for first. A second kind must not join it, or that
// would list both.
/// What is sold, from when to when, and how hard to work for it.
#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "flashsale.dev",
    version = "v1alpha1",
    kind = "FlashSale",
    plural = "flashsales",
    namespaced,
    shortname = "fs",
    category = "flashsale",
    status = "FlashSaleStatus",
    doc = "A flash sale: a few products, an opening, a closing, and how hard to work for it.",
    derive = "PartialEq"
)]
#[serde(transparent)]
pub struct Spec(pub FlashSaleSpec);

impl Deref for Spec {
    type Target = FlashSaleSpec;

    fn deref(&self) -> &FlashSaleSpec {
        &self.0
    }
}

impl FlashSale {
    /// The sale's id in Redis and PostgreSQL: `<namespace>.<name>`. A namespace has no dots, so no
    /// two objects share one.
    ///
    /// # Errors
    /// When the name is one that no sale can have.
    pub fn sale_id(&self) -> Result<SaleId, IdError> {
        let namespace = self.namespace().unwrap_or_default();
        SaleId::new(format!("{namespace}.{}", self.name_any()))
    }

    /// Whether its annotations ask the operator to keep its hands off.
    pub fn is_paused(&self) -> bool {
        self.has_switch(PAUSED)
    }

    /// Whether its annotations allow a deletion to give up jobs that cannot be settled.
    pub fn may_abandon_queue(&self) -> bool {
        self.has_switch(ABANDON_QUEUE)
    }

    fn has_switch(&self, annotation: &str) -> bool {
        self.annotations()
            .get(annotation)
            .is_some_and(|value| value == "true")
    }
}

/// Annotation `flashsale.dev/paused: "true"`: the operator changes nothing of this sale.
pub const PAUSED: &str = "flashsale.dev/paused";

/// Annotation `flashsale.dev/abandon-queue: "true"`: deleting the object need not wait for jobs
/// that cannot be settled; their buyers get no answer.
pub const ABANDON_QUEUE: &str = "flashsale.dev/abandon-queue";

/// Who we are to the API server, wherever we write.
pub const FIELD_MANAGER: &str = "flashsale-operator";

/// The finalizer that keeps an object until its sale is drained.
pub const FINALIZER: &str = "flashsale.dev/drain";

/// The definition as it is committed under `crds/` and installed by the chart.
pub fn definition() -> CustomResourceDefinition {
    let mut definition = FlashSale::crd();
    for version in &mut definition.spec.versions {
        version.additional_printer_columns = Some(columns::columns());
        version.selectable_fields = Some(columns::selectable());
        if let Some(subresources) = &mut version.subresources {
            subresources.scale = Some(columns::scale());
        }
        if let Some(schema) = version
            .schema
            .as_mut()
            .and_then(|schema| schema.open_api_v3_schema.as_mut())
        {
            nulls::refuse(schema);
            if let Some(spec) = rules::property(schema, &["spec"]) {
                bounds::add(spec);
            }
            lists::add(schema);
            rules::add(schema);
        }
    }
    definition
}

/// [`definition`] as YAML.
///
/// # Errors
/// When it cannot be written, which does not happen to a definition that the tests have seen.
pub fn definition_yaml() -> Result<String, serde_saphyr::ser::Error> {
    serde_saphyr::to_string(&definition())
}

#[cfg(test)]
mod tests;
