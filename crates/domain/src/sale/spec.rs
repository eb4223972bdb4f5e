//! The `spec` of a FlashSale: what may be written, with ranges and defaults.
//!
//! Numbers are signed because Kubernetes' OpenAPI knows no unsigned formats; ranges keep them
//! positive. These types accept what the schema accepts; [`super::validation`] judges the rest.

mod behavior;
mod durability;
mod payment;
mod pod;
mod time;
mod worker;

use jiff::Timestamp;
use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};

pub use behavior::{
    BehaviorSpec, FallbackBehavior, FallbackSpec, PolicySpec, PolicyType, RulesSpec, SelectPolicy,
};
pub use durability::DurabilitySpec;
pub use payment::PaymentSpec;
pub use pod::{Amount, ResourcesSpec, TolerationEffect, TolerationOperator, TolerationSpec};
pub use time::{TimeSpec, Zone};
pub use worker::{UpdatePolicySpec, WorkerSpec};

/// A flash sale: a few products, an opening, a closing, and how hard to work for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct FlashSaleSpec {
    /// The class of the operator that looks after the sale (its `--operator-class`). Left out: the
    /// operator without a class does. Ignored by `flashsale up`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")
    )]
    pub operator_class: Option<String>,
    /// When the sale opens (RFC 3339), with an offset or local to timeZone: 2026-11-27T09:00:00+01:00,
    /// or 2026-11-27T09:00:00 with timeZone. Left out: it is open at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opens_at: Option<TimeSpec>,
    /// When the sale closes, written like opensAt. Left out: it stays open until it is suspended or
    /// deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closes_at: Option<TimeSpec>,
    /// Time zone of those times that have no offset: a name of the IANA database, e.g. Europe/Berlin. A
    /// time that clocks there show never or twice is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub time_zone: Option<String>,
    /// Closes intake while true; what is queued is still settled.
    #[serde(default)]
    pub suspend: bool,
    /// Currency of the prices: an ISO 4217 code, e.g. EUR. Left out: USD. Stays as it is once the sale has
    /// opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 3, max = 3), regex(pattern = r"^[A-Z]{3}$"))]
    pub currency: Option<String>,
    /// What is on offer.
    #[schemars(length(min = 1, max = 1000))]
    pub products: Vec<ProductSpec>,
    /// What the turnstile lets through.
    #[serde(default)]
    pub turnstile: TurnstileSpec,
    /// How many workers, and how they work.
    #[serde(default)]
    pub worker: WorkerSpec,
    /// What an acknowledged buy survives.
    // Left out of what is written, so that operators of the release before can read it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub durability: DurabilitySpec,
    /// How long an order may wait for its payment. Left out: orders are completed at once. Whether there is one
    /// stays as it is once the sale has opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment: Option<PaymentSpec>,
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
    /// Seconds after which the operator deletes the FlashSale once it is closed and every buy has its
    /// outcome; other sales may offer its products then. Orders are kept. A sale with dead letters is
    /// not deleted. Left out: it stays until somebody deletes it. Ignored by `flashsale up`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub ttl_seconds_after_finished: Option<i32>,
    /// Secret with the PostgreSQL address. Ignored by `flashsale up`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database_secret_ref: Option<SecretKeyRef>,
    /// Whether that address is a pooler in transaction mode (PgBouncer), which keeps no prepared
    /// statements. Ignored by `flashsale up`.
    #[serde(default)]
    pub database_transaction_pooler: bool,
    /// Secret with the Redis address. Ignored by `flashsale up`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redis_secret_ref: Option<SecretKeyRef>,
}

impl FlashSaleSpec {
    /// The zone of times without an offset; none when there is none or it is not known.
    pub fn zone(&self) -> Option<Zone> {
        Zone::named(self.time_zone.as_deref()?).ok()
    }

    /// When the sale closes; none when that is not written, or cannot be.
    pub fn closing(&self) -> Option<Timestamp> {
        let time = self.closes_at.as_ref()?;
        time.instant(self.zone().as_ref()).ok()
    }
}

/// One product on offer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
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
    /// Price of one unit, in minor units of the currency: cents of a dollar, whole yen. Prices above 2147483647
    /// need the wide columns of `flashsale migrate --widen-orders`.
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_i64))]
    pub price: i64,
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
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub struct TurnstileSpec {
    /// How often one shopper may ask.
    pub rate_limit: RateLimitSpec,
    /// Jobs a lane holds at most; further buys are answered 503 with Retry-After.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub max_queue_depth: i64,
    /// Whether a buy needs a pass. Shoppers get one from a gateway before the opening, after proof of
    /// work or the check of an external verifier. Left out: None.
    // Left out of what is written, so that operators of the release before can read it.
    #[serde(skip_serializing_if = "is_default")]
    pub pass: PassSpec,
}

/// Whether a buy needs a pass: None or Required.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = plain_enum)]
pub enum PassSpec {
    /// It needs none.
    #[default]
    None,
    /// It is refused without.
    Required,
}

/// How often one shopper may ask.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
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

/// One key of a Secret in the sale's namespace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct SecretKeyRef {
    /// Name of the Secret.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
    )]
    pub name: String,
    /// Key inside it.
    #[serde(default = "default_secret_key")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._A-Za-z0-9]+$"))]
    pub key: String,
}

impl Default for TurnstileSpec {
    fn default() -> Self {
        Self {
            rate_limit: RateLimitSpec::default(),
            max_queue_depth: 1_000_000,
            pass: PassSpec::None,
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

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
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

/// Makes the schema of an enum the plain list of its values, which is told better than the
/// alternatives that its documented variants would make.
fn plain_enum(schema: &mut Schema) {
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    let Some(variants) = object.remove("oneOf") else {
        return;
    };
    let values: Vec<_> = variants
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|variant| variant.get("const").cloned())
        .collect();
    object.insert("type".to_owned(), "string".into());
    object.insert("enum".to_owned(), values.into());
}
