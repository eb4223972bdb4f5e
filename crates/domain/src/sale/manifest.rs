//! The file a platform team writes: `apiVersion`, `kind`, `metadata`, `spec`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::spec::FlashSaleSpec;

/// API group and version of the custom resource.
pub const API_VERSION: &str = "flashsale.dev/v1alpha1";

/// Kind of the custom resource.
pub const KIND: &str = "FlashSale";

/// A FlashSale object as it stands in a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Manifest {
    /// Always `flashsale.dev/v1alpha1`.
    pub api_version: String,
    /// Always `FlashSale`.
    pub kind: String,
    /// Name and, in a cluster, namespace.
    pub metadata: Metadata,
    /// The sale.
    pub spec: FlashSaleSpec,
}

/// The part of a Kubernetes object's metadata that names it. Labels, annotations and what else
/// an object may carry are left to the cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Metadata {
    /// The sale's name: lower-case letters, digits, '.' and '-'.
    pub name: String,
    /// The namespace; ignored by `flashsale up`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}
