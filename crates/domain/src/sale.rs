//! A sale as people write it ([`manifest`], [`spec`]), as it is judged ([`validation`]) and as
//! the rest of the system sees it: the checked types of this file, which no code can hold
//! without having passed validation.

pub mod behavior;
pub mod manifest;
pub mod spec;
pub mod validation;

use std::{ops::RangeInclusive, time::Duration};

pub use iso_currency::Currency;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::behavior::{Behavior, Fallback};
use crate::{
    id::{ProductId, SaleId},
    job::JobOptions,
};

/// Prices of one unit in minor units: whole numbers that JSON holds exactly.
pub const PRICES: RangeInclusive<i64> = 0..=9_007_199_254_740_991;

/// A checked sale.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sale {
    /// Its name.
    pub id: SaleId,
    /// When it takes buys.
    pub schedule: Schedule,
    /// Intake closed by hand; what is queued is still settled.
    pub suspended: bool,
    /// The currency of its prices. Records of the release before this field have none, and shops showed dollars.
    #[serde(default = "usd")]
    pub currency: Currency,
    /// What it offers; ids are unique, and there is at least one.
    pub products: Vec<Product>,
    /// Products that were taken out of the sale while jobs stood in their lanes. Workers settle
    /// those jobs; nobody can buy. Written by the control loop, and empty in a sale as declared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retired: Vec<ProductId>,
    /// What the turnstile lets through.
    pub turnstile: Turnstile,
    /// How many workers, and how they batch.
    pub workers: WorkerPolicy,
    /// How a failing job is tried again.
    pub retry: JobOptions,
    /// How long closing waits for the lanes to empty.
    pub drain_timeout: Duration,
    /// What an acknowledged buy survives. Records of the release before this field have none.
    #[serde(default)]
    pub durability: Durability,
    /// How long an order may wait for its payment. None: orders are completed at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment: Option<PaymentWindow>,
}

fn usd() -> Currency {
    Currency::USD
}

/// What an acknowledged buy survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Durability {
    /// Replicas of Redis that must have a buy before it is acknowledged; 0 to 5.
    pub redis_replicas: u8,
}

/// How long an order may wait for its payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentWindow {
    /// Seconds from its settlement until it expires, as its shopper is told.
    pub window_seconds: u32,
    /// Seconds that it is kept beyond that, for a payment that is on its way.
    pub grace_seconds: u32,
    /// Who takes the payments; none: the shop, elsewhere. Records of the release before this field have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// What becomes of a payment for an order that expired.
    #[serde(default)]
    pub on_late: LatePolicy,
}

/// What becomes of a payment that comes after its order was cancelled because its window was over. Reacquire: a new
/// order in its place if a unit is left and the shopper may have it, otherwise a refund. Refund: always a refund.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum LatePolicy {
    /// A new order is made in its place if a unit is left and the shopper may have it; otherwise a refund.
    #[default]
    Reacquire,
    /// It is given back.
    Refund,
}

impl LatePolicy {
    /// As `products.late_policy` has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reacquire => "reacquire",
            Self::Refund => "refund",
        }
    }
}

impl PaymentWindow {
    /// How long an order may wait at most, grace included.
    pub fn longest(&self) -> Duration {
        Duration::from_secs(u64::from(self.window_seconds) + u64::from(self.grace_seconds))
    }
}

impl Sale {
    /// Every product that has a lane: those on offer, then those taken out of the sale.
    pub fn lanes(&self) -> impl Iterator<Item = &ProductId> {
        let offered = self.products.iter().map(|product| &product.id);
        offered.chain(&self.retired)
    }

    /// Whether `other` is the same sale, whatever was taken out of the two.
    pub fn is_declared_as(&self, other: &Self) -> bool {
        let Self {
            id,
            schedule,
            suspended,
            currency,
            products,
            retired: _,
            turnstile,
            workers,
            retry,
            drain_timeout,
            durability,
            payment,
        } = self;
        *id == other.id
            && *schedule == other.schedule
            && *suspended == other.suspended
            && *currency == other.currency
            && *products == other.products
            && *turnstile == other.turnstile
            && *workers == other.workers
            && *retry == other.retry
            && *drain_timeout == other.drain_timeout
            && *durability == other.durability
            && *payment == other.payment
    }
}

/// When a sale takes buys: from `opens_at` on, until right before `closes_at`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Schedule {
    /// First instant of the sale; none means that it is open since ever.
    pub opens_at: Option<Timestamp>,
    /// First instant after the sale; none means that it ends by hand.
    pub closes_at: Option<Timestamp>,
}

/// One product on offer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Product {
    /// Its id.
    pub id: ProductId,
    /// What shoppers read.
    pub name: String,
    /// More to read.
    pub description: Option<String>,
    /// Price of one unit, in minor units of the sale's currency.
    pub price: i64,
    /// Units declared for this sale; the ledger holds how many are left.
    pub stock: i32,
    /// Address of a picture.
    pub image: Option<String>,
    /// Most units one shopper can have in this sale; none means no limit.
    pub max_per_user: Option<i32>,
}

/// What the turnstile lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Turnstile {
    /// How often one shopper may ask.
    pub rate_limit: RateLimit,
    /// Jobs a lane holds at most; further buys are asked to come back.
    pub max_queue_depth: u64,
    /// Whether gateways ask each buy for a pass. Records of the release before this field have none.
    #[serde(default)]
    pub pass_required: bool,
}

/// How often one shopper may ask, as a token bucket that refills evenly: `requests` in every
/// `window`, at most `burst` at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RateLimit {
    /// Requests a window.
    pub requests: u32,
    /// The window.
    pub window: Duration,
    /// Requests at once.
    pub burst: u32,
}

/// How many workers a sale gets, and how they work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkerPolicy {
    /// Never fewer from pre-warming on until the sale is closed.
    pub min_replicas: u32,
    /// Never more.
    pub max_replicas: u32,
    /// Jobs waiting for which one worker is meant.
    pub target_queue_depth: u64,
    /// Jobs settled in one transaction at most.
    pub batch_size: usize,
    /// Lanes one worker drives at once.
    pub lanes_per_worker: u32,
    /// How long before the opening the workers for it are already there.
    pub prewarm: Duration,
    /// How long the need must have been lower before a worker goes, unless `behavior` says.
    pub scale_down_stabilization: Duration,
    /// How fast the number may change. Records that knew nothing of it say nothing of it.
    #[serde(default)]
    pub behavior: Behavior,
    /// What to do while the queue cannot be read; none means that everything stays.
    #[serde(default)]
    pub fallback: Option<Fallback>,
}
