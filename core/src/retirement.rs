//! Letting products go that were taken out of a sale, as soon as their lanes are empty.

use redis::AsyncCommands as _;

use crate::{
    connect::Queue,
    id::{ProductId, SaleId},
    keys::SaleKeys,
    ledger::Ledger,
    recovery::RecoveryError,
    stock,
};

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
