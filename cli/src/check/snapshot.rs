//! Reads both stores. The order matters: histories were read before, then lanes, records, letters
//! and stock in Redis, then one snapshot of the ledger. What moves meanwhile moves in that
//! direction, so a job in motion never looks lost, and a figure of Redis never looks newer than the
//! ledger's.

mod ledger;
mod redis;

use flashsale_domain::id::SaleId;
use flashsale_ledger::{Ledger, LedgerError};
use flashsale_queue::connect::Queue;

use super::stores::{SaleStores, Stores};

/// Why the stores could not be read. What could not be read is never taken for nothing.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// Redis failed.
    #[error("the check needs Redis: {0}")]
    Redis(#[from] ::redis::RedisError),
    /// PostgreSQL failed.
    #[error("the check needs the ledger: {0}")]
    Ledger(#[from] LedgerError),
}

/// Reads what both stores hold of `sales`, each with the products that histories name; `progress`
/// is told what is read next.
pub async fn read(
    ledger: &Ledger,
    connection: &mut impl Queue,
    sales: &[(SaleId, Vec<String>)],
    progress: &impl Fn(String),
) -> Result<Stores, SnapshotError> {
    let mut stores = Stores::default();
    for (sale, products) in sales {
        progress(format!("reading sale {sale} in Redis"));
        let redis = redis::read(connection, sale, products).await?;
        let sale_stores = SaleStores {
            redis,
            ..SaleStores::default()
        };
        stores.sales.insert(sale.to_string(), sale_stores);
    }
    // One snapshot, so that figures read one after the other are of the same moment.
    ledger
        .snapshot(async |connection| {
            for (sale, _) in sales {
                progress(format!("reading sale {sale} in the ledger"));
                let read = ledger::read(connection, sale).await?;
                if let Some(stores) = stores.sales.get_mut(sale.as_str()) {
                    stores.ledger = read;
                }
            }
            Ok(())
        })
        .await?;
    Ok(stores)
}
