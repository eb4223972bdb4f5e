//! What both stores held when a history was checked.

use std::collections::{BTreeMap, HashMap};

pub use flashsale_audit::letters::Letter;
use flashsale_domain::outcome::Outcome;
use uuid::Uuid;

/// Both stores, by sale.
#[derive(Debug, Clone, Default)]
pub struct Stores {
    /// Each sale of the histories.
    pub sales: BTreeMap<String, SaleStores>,
}

/// What both stores hold of one sale.
#[derive(Debug, Clone, Default)]
pub struct SaleStores {
    /// Redis.
    pub redis: RedisSale,
    /// PostgreSQL.
    pub ledger: LedgerSale,
}

/// What Redis holds of one sale. Lanes were read before records, and records before letters and
/// the ledger: a queued record is of a job that was in its lane, and a final one is explained by
/// what was read later.
#[derive(Debug, Clone, Default)]
pub struct RedisSale {
    /// Whether the sale's record is there: whether it is in force.
    pub in_force: bool,
    /// Whether the set of all sales has it.
    pub registered: bool,
    /// Its keys without a time to live, its record aside; read only where it is not in force.
    pub left_over: Vec<String>,
    /// Jobs by product.
    pub lanes: HashMap<Uuid, String>,
    /// What became of each job.
    pub records: HashMap<Uuid, Record>,
    /// Fields of the records that are none.
    pub unreadable: Vec<String>,
    /// Jobs with a dead letter.
    pub letters: HashMap<Uuid, Letter>,
    /// Stock and its version by product.
    pub stock: BTreeMap<String, KnownStock>,
}

/// One job's record in Redis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// How it ended; none while queued.
    pub outcome: Option<Outcome>,
    /// The order, when confirmed.
    pub order: Option<i64>,
    /// What was asked for.
    pub product: String,
    /// Whose job it is.
    pub user: String,
}

/// What Redis knows of a product's stock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownStock {
    /// Units left.
    pub stock: i64,
    /// Version of that figure.
    pub version: i64,
}

/// What the ledger holds of one sale, in one snapshot.
#[derive(Debug, Clone, Default)]
pub struct LedgerSale {
    /// Its orders, cancelled ones included.
    pub orders: Vec<Order>,
    /// The products that it offers or has orders of.
    pub products: Vec<Product>,
    /// Jobs that were rejected, with the outcome of each row that has them; none where the ledger
    /// keeps no rejections.
    pub rejections: Option<HashMap<Uuid, Vec<Outcome>>>,
    /// Whether every rejection of the sale is among them.
    pub keeps_all_rejections: bool,
    /// The present incarnation of the sale; none where the ledger knows no incarnations.
    pub incarnation: Option<i32>,
    /// What the ledger says that breaks law 8.
    pub unsettled: Vec<Unsettled>,
}

/// An order or a payment that breaks law 8.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsettled {
    /// The order; none of money that no order is known for.
    pub order: Option<i64>,
    /// What is wrong, in words.
    pub what: String,
}

/// One order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Its number.
    pub id: i64,
    /// Whose it is.
    pub user: String,
    /// Of what.
    pub product: String,
    /// The job that it settles.
    pub job: Uuid,
    /// The Idempotency-Key.
    pub key: String,
    /// Whether it is cancelled.
    pub cancelled: bool,
    /// Of which incarnation of the sale; 1 where the ledger has none.
    pub incarnation: i32,
}

/// One product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    /// Its id.
    pub id: String,
    /// Whether the sale offers it now.
    pub offered: bool,
    /// Units ever on offer.
    pub initial: i64,
    /// Units left.
    pub left: i64,
    /// Units sold, as its row counts them.
    pub sold: i64,
    /// Orders that are not cancelled, counted over all sales.
    pub ordered: i64,
    /// Version of the stock.
    pub version: i64,
    /// Most units of one shopper.
    pub max_per_user: Option<i64>,
}
