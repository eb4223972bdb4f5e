//! A ledger that went back: versions and order numbers above those that were told, and Redis takes
//! its figures like any newer ones.

use flashsale_domain::{
    control::WentBack,
    id::SaleId,
    outcome::{JobRecord, JobState},
    stock::StockLevel,
};
use flashsale_ledger::Ledger;
use flashsale_queue::{
    catalogue::{self, WENT_BACK},
    connect::Queue,
    keys::SaleKeys,
    orders,
    scan::Scan,
    stock,
};
use redis::{AsyncCommands, RedisResult, Script};

use crate::error::RecoveryError;

/// What a correction came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Corrected {
    /// The figures that Redis was told.
    pub levels: Vec<StockLevel>,
    /// The greatest order number that was told; the next one is greater.
    pub told_order: i64,
    /// Whether the ledger would have given numbers a second time.
    pub numbers_raised: bool,
}

/// KEYS: record. ARGV: field, now. Marks a sale that is in force, and keeps the first time.
const MARK: &str = r"
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
return redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2])";

/// Corrects a ledger that went back, and Redis by it: order numbers that were told are never given
/// again, and the stock is what the ledger says. `last_order` is the greatest number that Redis
/// remembers as told; without it the records of the sale are searched.
///
/// # Errors
/// A store is away. What was done stays, and the same call does the rest.
pub async fn correct(
    ledger: &Ledger,
    connection: &mut impl Queue,
    sale: &SaleId,
    went_back: &[WentBack],
    last_order: Option<i64>,
) -> Result<Corrected, RecoveryError> {
    let keys = SaleKeys::new(sale);
    // First, so that it is told even if this process ends in the middle.
    let now_ms = catalogue::clock(connection).await? / 1_000;
    let () = Script::new(MARK)
        .key(keys.record())
        .arg(WENT_BACK)
        .arg(now_ms)
        .invoke_async(connection)
        .await?;
    // Before any stock is for sale again.
    let told_order = match last_order {
        Some(last_order) => last_order,
        None => greatest_order(connection, &keys).await?,
    };
    let numbers_raised = ledger.raise_order_numbers(told_order).await?;
    let levels = ledger.catch_up(sale, went_back).await?;
    stock::update(connection, &keys, &levels).await?;
    // Numbers of changes may have been given a second time: all orders are told anew.
    let products = went_back.iter().map(|back| &back.product);
    orders::forget_told(connection, &keys, products).await?;
    Ok(Corrected {
        levels,
        told_order,
        numbers_raised,
    })
}

/// Sees to it that the ledger gives no number again that a shopper of `sale` was told. For drivers
/// that begin anew after the ledger was out of reach: it may be another server, which has not seen
/// the last orders, and the control loop comes round only once a second. True when the sequence was
/// behind.
///
/// # Errors
/// A store is away; then no order should be made either.
pub async fn keep_order_numbers(
    ledger: &Ledger,
    connection: &mut impl Queue,
    sale: &SaleId,
) -> Result<bool, RecoveryError> {
    let told: Option<i64> = connection
        .hget(SaleKeys::new(sale).stock(), stock::LAST_ORDER)
        .await?;
    match told {
        Some(told) => Ok(ledger.raise_order_numbers(told).await?),
        None => Ok(false),
    }
}

/// The greatest order number in the records of a sale; 0 without orders.
async fn greatest_order(connection: &mut impl Queue, keys: &SaleKeys) -> RedisResult<i64> {
    let mut greatest = 0;
    let mut records = Scan::of(keys.jobs());
    while let Some(fields) = records.next(connection).await? {
        let told = fields.iter().filter_map(|(_, text)| told_order(text));
        greatest = told.fold(greatest, i64::max);
    }
    Ok(greatest)
}

fn told_order(record: &str) -> Option<i64> {
    match record.parse::<JobRecord>().ok()?.state {
        JobState::Final { order_id, .. } => order_id,
        JobState::Queued { .. } => None,
    }
}

/// Takes the mark of a ledger that went back off a sale: what it lost is settled.
pub async fn clear_mark(connection: &mut impl Queue, sale: &SaleId) -> RedisResult<()> {
    connection
        .hdel(SaleKeys::new(sale).record(), WENT_BACK)
        .await
}
