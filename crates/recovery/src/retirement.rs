//! Letting products go: those that were taken out of a sale, as soon as their lanes are empty, and those
//! of a sale that is over, once another sale asks for them.

use flashsale_domain::{
    id::{ProductId, SaleId},
    lifecycle::{self, Phase, Readings},
    sale::Sale,
};
use flashsale_ledger::{Declared, Ledger, LedgerError};
use flashsale_queue::{
    catalogue::{self, CatalogueError},
    connect::Queue,
    keys::SaleKeys,
    observation, stock,
};
use jiff::Timestamp;
use redis::AsyncCommands as _;

use crate::error::RecoveryError;

/// Sales that are over and that one declaration may take products from.
const MOST_HOLDERS: usize = 100;

/// Takes the stock of `products` away from Redis, so that nobody can buy them, and lets those go in
/// the ledger whose lanes are empty: another sale may offer them. Answers which those are. The
/// control loop does the same, in steps, for those whose jobs are still to be settled.
///
/// # Errors
/// A store is away; the same call does the rest.
pub async fn let_go(
    ledger: &Ledger,
    connection: &mut impl Queue,
    sale: &SaleId,
    products: &[ProductId],
) -> Result<Vec<ProductId>, RecoveryError> {
    let keys = SaleKeys::new(sale);
    stock::forget(connection, &keys, products).await?;
    let mut empty = Vec::new();
    for product in products {
        // After its stock is gone nothing is appended: a lane that is empty stays empty.
        let depth: u64 = connection.xlen(keys.lane(product)).await?;
        if depth == 0 {
            empty.push(product.clone());
        }
    }
    if !empty.is_empty() {
        ledger.release_products(sale, &empty).await?;
    }
    Ok(empty)
}

/// Declares `sale` in the ledger. Products that it has in common with sales that are over are taken off
/// those; see [`is_over`].
///
/// # Errors
/// Those of [`Ledger::declare`]: [`LedgerError::ProductTaken`] also when it cannot be told whether the
/// other sale is over.
pub async fn declare(
    ledger: &Ledger,
    connection: &mut impl Queue,
    sale: &Sale,
) -> Result<Declared, LedgerError> {
    let products: Vec<ProductId> = sale.products.iter().map(|one| one.id.clone()).collect();
    let mut taken_from = 0;
    loop {
        let error = match ledger.declare(sale).await {
            Err(error @ LedgerError::ProductTaken { .. }) if taken_from < MOST_HOLDERS => error,
            outcome => return outcome,
        };
        let LedgerError::ProductTaken { holder, .. } = &error else {
            return Err(error);
        };
        let Ok(holder) = SaleId::new(holder.as_str()) else {
            return Err(error);
        };
        match take_from(ledger, connection, &holder, &products).await {
            Ok(true) => taken_from += 1,
            Ok(false) => return Err(error),
            Err(unknown) => {
                tracing::warn!(sale = %holder, error = %unknown,
                    "it cannot be told whether {holder} is over: {unknown}");
                return Err(error);
            }
        }
    }
}

/// Takes `products` off the sale `holder` if that is over; false if it is not.
async fn take_from(
    ledger: &Ledger,
    connection: &mut impl Queue,
    holder: &SaleId,
    products: &[ProductId],
) -> Result<bool, CatalogueError> {
    if !is_over(connection, holder).await? || !is_paid_up(ledger, holder).await {
        return Ok(false);
    }
    // Without their stock nobody can buy them there, whatever becomes of the schedule meanwhile. The
    // control loop of a sale that goes on tells it again.
    stock::forget(connection, &SaleKeys::new(holder), products).await?;
    if !is_over(connection, holder).await? {
        return Ok(false);
    }
    match ledger.release_of_finished(holder, products).await {
        Ok(()) => {
            tracing::info!(sale = %holder, "{holder} is over; another sale takes products of it");
            Ok(true)
        }
        Err(error) => {
            tracing::warn!(sale = %holder, %error, "{holder} keeps its products: {error}");
            Ok(false)
        }
    }
}

/// Whether no order of `sale` waits for its payment, as far as the ledger can be asked. A sale whose buys have
/// all ended gets no more of them.
async fn is_paid_up(ledger: &Ledger, sale: &SaleId) -> bool {
    match ledger.stocks(std::slice::from_ref(sale)).await {
        Ok(stocks) => stocks.get(sale).is_some_and(|stock| stock.pending == 0),
        Err(error) => {
            tracing::warn!(%sale, %error, "it cannot be told whether {sale} is paid for: {error}");
            false
        }
    }
}

/// Whether a sale in force is closed and every buy has its outcome. One with dead letters is not over:
/// those may still be replayed.
///
/// # Errors
/// Redis could not be asked, or the sale's record not be read.
pub async fn is_over(connection: &mut impl Queue, sale: &SaleId) -> Result<bool, CatalogueError> {
    let Some(announced) = catalogue::read(connection, sale).await? else {
        return Ok(false);
    };
    let now = catalogue::clock(connection).await?;
    let now = Timestamp::from_microsecond(now).unwrap_or(Timestamp::MIN);
    // After the record and the clock: a lane that is empty then stays empty.
    let lanes = observation::observe(connection, &[&announced.sale]).await?;
    let (schedule, switches) = (announced.sale.schedule, announced.switches());
    Ok(lanes.iter().all(|lanes| {
        let readings = Readings {
            queue_depth: Some(lanes.depth()),
            remaining: None,
            pending: Some(0),
        };
        lanes.dead == 0 && lifecycle::phase(schedule, switches, readings, now) == Phase::Closed
    }))
}
