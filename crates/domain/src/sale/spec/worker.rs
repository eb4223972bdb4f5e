//! How many workers a sale gets, how they work, and what their pods are like.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    BehaviorSpec, FallbackSpec, ResourcesSpec, SecretKeyRef, TolerationSpec, is_default, plain_enum,
};

/// How many workers, and how they work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub struct WorkerSpec {
    /// Workers that are there whatever the queue says, from pre-warming on until the sale is
    /// closed and drained.
    #[schemars(range(min = 0, max = 1000))]
    pub min_replicas: i32,
    /// Most workers.
    #[schemars(range(min = 1, max = 1000))]
    pub max_replicas: i32,
    /// Waiting jobs for which one worker is meant.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub target_queue_depth: i64,
    /// Jobs settled in one transaction at most.
    #[schemars(range(min = 1, max = 10_000))]
    pub batch_size: i32,
    /// Lanes (products) that one worker drives at once. Where more are busy than the workers have room
    /// for, they take turns of 200 ms; a greater `minReplicas` makes room.
    #[schemars(range(min = 1, max = 256))]
    pub lanes_per_worker: i32,
    /// Seconds before `opensAt` at which the workers for the opening are already there.
    #[schemars(range(min = 0, max = 86_400))]
    pub prewarm_seconds: i32,
    /// Seconds that the need must have been lower before a worker goes.
    /// `behavior.scaleDown.stabilizationWindowSeconds` wins over it.
    #[schemars(range(min = 0, max = 3_600))]
    pub scale_down_stabilization_seconds: i32,
    /// How fast the number of workers may change, as in a `HorizontalPodAutoscaler` (v2). Left out:
    /// up at once to what is needed, down at once to what was needed in the stabilization window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub behavior: Option<BehaviorSpec>,
    /// What to do while the queue cannot be read, as in KEDA. Left out: the workers stay as they
    /// are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fallback: Option<FallbackSpec>,
    /// Resources of a worker's container. Ignored by `flashsale up`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourcesSpec>,
    /// Secret with the PostgreSQL address that workers connect to, with a role of their own. Left
    /// out: the one of `spec.databaseSecretRef`, if there is one, else the operator's own choice.
    /// Ignored by `flashsale up`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database_secret_ref: Option<SecretKeyRef>,
    /// Image of the workers. Left out: the operator's own choice. Ignored by `flashsale up`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512), regex(pattern = r"^\S+$"))]
    pub image: Option<String>,
    /// Labels that a node must have to run a worker. Ignored by `flashsale up`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,
    /// Taints of nodes that a worker puts up with. Ignored by `flashsale up`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub tolerations: Vec<TolerationSpec>,
    /// `PriorityClass` of the workers' pods. Ignored by `flashsale up`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub priority_class_name: Option<String>,
    /// Annotations of the workers' pods. Ignored by `flashsale up`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub pod_annotations: BTreeMap<String, String>,
    /// Labels of the workers' pods, besides the operator's own. Ignored by `flashsale up`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub pod_labels: BTreeMap<String, String>,
    /// Seconds that a worker has to finish its batch after it was asked to go. Ignored by `flashsale up`.
    #[schemars(range(min = 1, max = 3_600))]
    pub termination_grace_period_seconds: i32,
    /// Additions to the workers' pods, as in the template of a Deployment: labels and annotations; affinity,
    /// nodeSelector, tolerations, topologySpreadConstraints, priorityClassName, runtimeClassName,
    /// schedulerName and imagePullSecrets; of the one container `worker` its resources and variables
    /// with plain values. Any other field is refused, unless the operator's configuration permits it.
    /// Ignored by `flashsale up`.
    // Any field is stored, so that the operator can say which one is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "any_object")]
    pub pod_template: Option<Value>,
    /// When the workers' pods are replaced for a change that this spec did not ask for, such as
    /// another default image of the operator. Left out: `WhenClosed`. Ignored by `flashsale up`.
    // Without a default that an API server would add: operators of the release before refuse what
    // they do not know.
    #[serde(skip_serializing_if = "is_default")]
    pub update_policy: UpdatePolicySpec,
}

/// When pods are replaced for a change that the spec did not ask for: `WhenClosed` (once none of them
/// runs, so not before the sale is closed and drained) or Immediately.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = plain_enum)]
pub enum UpdatePolicySpec {
    /// Once none of them runs.
    #[default]
    WhenClosed,
    /// At once.
    Immediately,
}

impl Default for WorkerSpec {
    fn default() -> Self {
        Self {
            min_replicas: 1,
            max_replicas: 10,
            target_queue_depth: 10_000,
            batch_size: 1_000,
            lanes_per_worker: 8,
            prewarm_seconds: 30,
            scale_down_stabilization_seconds: 60,
            behavior: None,
            fallback: None,
            resources: None,
            database_secret_ref: None,
            image: None,
            node_selector: BTreeMap::new(),
            tolerations: Vec::new(),
            priority_class_name: None,
            pod_annotations: BTreeMap::new(),
            pod_labels: BTreeMap::new(),
            termination_grace_period_seconds: 60,
            pod_template: None,
            update_policy: UpdatePolicySpec::WhenClosed,
        }
    }
}

fn any_object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}
