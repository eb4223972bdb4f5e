//! The sale that the crowd buys from.

use std::path::{Path, PathBuf};

use crate::error::ChaosError;

/// Its name, and its id.
pub(crate) const NAME: &str = "chaos";

/// Its products, and the units for a round of one fault. The first one is wanted by two of three shoppers and sold out some time into the
/// round, so that there are rejections too; its lane is deep. The second has hardly any units.
pub(crate) const PRODUCTS: [(&str, u32); 5] = [
    ("hot", 4_000),
    ("rare", 40),
    ("warm-1", 700),
    ("warm-2", 700),
    ("warm-3", 700),
];

/// Units of each product a shopper may have: the crowd's greedy ones meet it.
const MAX_PER_USER: u32 = 1;

/// Small batches, so that many are on their way.
const BATCH: u32 = 10;

/// Writes the sale's file into `directory`, with units for a round of so many faults: enough for
/// most of it, so that the last fault still meets jobs in the lanes.
pub(crate) fn write(directory: &Path, faults: usize) -> Result<PathBuf, ChaosError> {
    let faults = u32::try_from(faults).unwrap_or(1);
    let products = PRODUCTS.map(|(id, stock)| {
        let stock = stock.max(stock * faults * 3 / 4);
        format!(
            "{{id: {id}, name: \"{id}\", price: 100, stock: {stock}, maxPerUser: {MAX_PER_USER}}}"
        )
    });
    let products = products.join(", ");
    let text = format!(
        "apiVersion: flashsale.dev/v1alpha1\nkind: FlashSale\nmetadata:\n  name: {NAME}\n\
         spec:\n  products: [{products}]\n\
         \x20 turnstile:\n    rateLimit: {{requests: 5, windowSeconds: 10, burst: 5}}\n\
         \x20 worker: {{lanesPerWorker: 8, batchSize: {BATCH}}}\n"
    );
    let file = directory.join("chaos.yaml");
    std::fs::write(&file, text).map_err(ChaosError::file(&file))?;
    Ok(file)
}
