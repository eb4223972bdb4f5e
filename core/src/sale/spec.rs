//! The `spec` of a FlashSale: what may be written, with ranges and defaults.
//!
//! Numbers are signed because Kubernetes' OpenAPI knows no unsigned formats; ranges keep them
//! positive. These types accept what the schema accepts; [`super::validation`] judges the rest.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A flash sale: a few products, an opening, a closing, and how hard to work for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FlashSaleSpec {
    /// When the sale opens (RFC 3339). Left out: it is open at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opens_at: Option<Timestamp>,
    /// When the sale closes (RFC 3339). Left out: it stays open until it is suspended or deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closes_at: Option<Timestamp>,
    /// Closes intake while true; what is queued is still settled.
    #[serde(default)]
    pub suspend: bool,
    /// What is on offer.
    #[schemars(length(min = 1, max = 1000))]
    pub products: Vec<ProductSpec>,
    /// What the turnstile lets through.
    #[serde(default)]
    pub turnstile: TurnstileSpec,
    /// How many workers, and how they work.
    #[serde(default)]
    pub worker: WorkerSpec,
    /// How often a failing job is tried, the first attempt included.
    #[serde(default = "default_attempts")]
    #[schemars(range(min = 1, max = 20))]
    pub attempts: i32,
    /// Milliseconds before the first retry of a failing job; doubled for each further one.
    #[serde(default = "default_backoff_millis")]
    #[schemars(range(min = 1, max = 600_000))]
    pub backoff_millis: i64,
    /// Seconds that closing waits for the lanes to empty.
    #[serde(default = "default_drain_timeout_seconds")]
    #[schemars(range(min = 1, max = 86_400))]
    pub drain_timeout_seconds: i32,
    /// Secret with the PostgreSQL address. Without meaning on one machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database_secret_ref: Option<SecretKeyRef>,
    /// Secret with the Redis address. Without meaning on one machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redis_secret_ref: Option<SecretKeyRef>,
}

/// One product on offer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProductSpec {
    /// The product's id, unique over all sales in force.
    #[schemars(
        length(min = 1, max = 255),
        regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    )]
    pub id: String,
    /// What shoppers read.
    #[schemars(length(min = 1, max = 255))]
    pub name: String,
    /// More to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 10_000))]
    pub description: Option<String>,
    /// Price of one unit in cents.
    #[schemars(range(min = 0))]
    pub price: i32,
    /// Units on offer in this sale. Raising it while the sale runs restocks, lowering it takes
    /// back what is not yet sold.
    #[schemars(range(min = 0))]
    pub stock: i32,
    /// Address of a picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub image: Option<String>,
    /// Most units one shopper can have. Left out: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub max_per_user: Option<i32>,
}

/// What the turnstile lets through.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TurnstileSpec {
    /// How often one shopper may ask.
    pub rate_limit: RateLimitSpec,
    /// Jobs a lane holds at most; further buys are answered 503 with Retry-After.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub max_queue_depth: i64,
}

/// How often one shopper may ask.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RateLimitSpec {
    /// Requests a window.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub requests: i32,
    /// Length of the window in seconds.
    #[schemars(range(min = 1, max = 86_400))]
    pub window_seconds: i32,
    /// Requests at once. Left out: as many as `requests`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub burst: Option<i32>,
}

/// How many workers, and how they work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct WorkerSpec {
    /// Workers that are always there while the sale is in force.
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
    /// Lanes (products) that one worker drives at once.
    #[schemars(range(min = 1, max = 256))]
    pub lanes_per_worker: i32,
    /// Seconds before `opensAt` at which the workers for the opening are already there.
    #[schemars(range(min = 0, max = 86_400))]
    pub prewarm_seconds: i32,
    /// Seconds that the need must have been lower before a worker goes.
    #[schemars(range(min = 0, max = 3_600))]
    pub scale_down_stabilization_seconds: i32,
    /// Resources of a worker's container. Without meaning on one machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourcesSpec>,
}

/// Resources of a container, as Kubernetes writes them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ResourcesSpec {
    /// What the scheduler sets aside, e.g. `cpu: 500m`.
    pub requests: BTreeMap<String, String>,
    /// What the container may not exceed, e.g. `memory: 256Mi`.
    pub limits: BTreeMap<String, String>,
}

/// One key of a Secret in the sale's namespace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretKeyRef {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Key inside it.
    #[serde(default = "default_secret_key")]
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

impl Default for TurnstileSpec {
    fn default() -> Self {
        Self {
            rate_limit: RateLimitSpec::default(),
            max_queue_depth: 1_000_000,
        }
    }
}

impl Default for RateLimitSpec {
    /// Five presses at once, one more every two seconds: enough for a person and their retries.
    fn default() -> Self {
        Self {
            requests: 5,
            window_seconds: 10,
            burst: None,
        }
    }
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
            resources: None,
        }
    }
}

fn default_attempts() -> i32 {
    3
}

fn default_backoff_millis() -> i64 {
    1_000
}

fn default_drain_timeout_seconds() -> i32 {
    300
}

fn default_secret_key() -> String {
    "url".to_owned()
}
