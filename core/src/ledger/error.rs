//! What can go wrong at the ledger, sorted by what the caller should do.

use crate::id::{ProductId, SaleId};

/// A failure of the ledger.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// PostgreSQL said no, or could not be asked.
    #[error("the ledger failed: {0}")]
    Database(#[from] sqlx::Error),
    /// The schema could not be brought up to date.
    #[error("the ledger's schema could not be migrated: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// A product is in another sale that is in force.
    #[error("product {product} is offered by sale {holder}; take it out of one of the two sales")]
    ProductTaken {
        /// The product.
        product: ProductId,
        /// The sale that has it.
        holder: String,
    },
    /// The product is not in the ledger, or in another sale.
    #[error("product {product} is not offered by sale {sale}; declare the sale first")]
    UnknownProduct {
        /// The sale.
        sale: SaleId,
        /// The product.
        product: ProductId,
    },
    /// The ledger answered something that its function never returns.
    #[error("the ledger's answer to settle_batch does not fit the batch; run `flashsale migrate`")]
    Mismatch,
}

/// SQLSTATE classes that speak of the rows sent: data exceptions (22), integrity constraints (23),
/// cardinality (21), `WITH CHECK OPTION` (44), errors raised by triggers (P0) and by routines (38,
/// 39), and limits of a single row (54). All others speak of the server, the connection, the
/// schema or its permissions.
const ROW_CLASSES: [&str; 8] = ["21", "22", "23", "38", "39", "44", "54", "P0"];

/// SQLSTATE class of what the schema does not have: undefined tables, columns, functions.
const SCHEMA_CLASS: &str = "42";

impl LedgerError {
    /// True when PostgreSQL answers, but its schema is missing or older than this version.
    #[must_use]
    pub fn is_schema_missing(&self) -> bool {
        match self {
            Self::Database(sqlx::Error::Database(error)) => error
                .code()
                .is_some_and(|code| code.starts_with(SCHEMA_CLASS)),
            _ => false,
        }
    }

    /// True when the same call can succeed later without anything about it being changed: the
    /// server is away, restarting, full, busy, or not yet migrated. Such a failure is no attempt
    /// of a job: it would befall any other job as well.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Database(sqlx::Error::Database(error)) => error
                .code()
                .is_none_or(|code| !ROW_CLASSES.iter().any(|class| code.starts_with(class))),
            Self::Database(sqlx::Error::Encode(_) | sqlx::Error::Decode(_))
            | Self::ProductTaken { .. }
            | Self::UnknownProduct { .. } => false,
            Self::Database(_) | Self::Migrate(_) | Self::Mismatch => true,
        }
    }
}
