//! Figures of stock: what the ledger has, and what Redis knows of it.

use crate::id::ProductId;

/// A product's stock as of one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockLevel {
    /// The product.
    pub product: ProductId,
    /// Units left.
    pub stock: i32,
    /// Grows with every change of the stock; the greater of two figures is the newer.
    pub version: i64,
    /// Version as of the last batch that sold units of it; 0 before the first. Redis may be told
    /// this figure once that batch is acknowledged.
    pub settled_version: i64,
}

/// What Redis knows of one product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KnownStock {
    /// Units left, as the ledger told last; none when it never did.
    pub stock: Option<i32>,
    /// Version of that figure.
    pub version: i64,
    /// Jobs of the lane that have ended.
    pub settled: u64,
}
