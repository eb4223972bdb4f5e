//! What can go wrong at the ledger.

use std::time::Duration;

use uuid::Uuid;

use super::fault::{Fault, sqlstate_fault};
use crate::id::{ProductId, SaleId};

/// A failure of the ledger; [`LedgerError::fault`] says what the caller should do about it.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// PostgreSQL said no, or could not be asked.
    #[error("the ledger failed: {0}")]
    Database(#[from] sqlx::Error),
    /// The call was given up; whether the ledger did what was asked is not known.
    #[error("the ledger did not answer within {0:?}")]
    TimedOut(Duration),
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
    /// The product would have more units than the ledger can count.
    #[error(
        "product {product} would have had {units} units on offer, over all its sales; {most} are the most: declare less",
        most = i32::MAX
    )]
    TooManyUnits {
        /// The product.
        product: ProductId,
        /// Units left and units sold, as they would be.
        units: i64,
    },
    /// The id of a request was used before for another one.
    #[error("request {request} was another restock; use an id of its own for each")]
    RequestReused {
        /// The request.
        request: Uuid,
    },
    /// The ledger answered something that its function never returns.
    #[error("the ledger's answer to settle_jobs does not fit the batch; run `flashsale migrate`")]
    Mismatch,
}

impl LedgerError {
    /// What failed, sorted by what the caller should do.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::Database(error) => sqlstate_fault(error),
            Self::TimedOut(_) => Fault::TooSlow,
            Self::Migrate(_) | Self::Mismatch => Fault::Server(super::WaitReason::Schema),
            Self::ProductTaken { .. }
            | Self::UnknownProduct { .. }
            | Self::TooManyUnits { .. }
            | Self::RequestReused { .. } => Fault::Row,
        }
    }

    /// True when the call's time limit ran out, be it without an answer or without a connection:
    /// another try takes as long.
    #[must_use]
    pub fn ran_out_of_time(&self) -> bool {
        matches!(
            self,
            Self::TimedOut(_) | Self::Database(sqlx::Error::PoolTimedOut)
        )
    }

    /// True when PostgreSQL answers, but its schema is missing or older than this version.
    #[must_use]
    pub fn is_schema_missing(&self) -> bool {
        match self {
            Self::Database(sqlx::Error::Database(error)) => error
                .code()
                .is_some_and(|code| code.starts_with(super::fault::SCHEMA_CLASS)),
            _ => false,
        }
    }

    /// True when the same call can succeed later without anything about it being changed: the
    /// server is away, restarting, full, busy, slow, or not yet migrated. Such a failure is no
    /// attempt of a job: it would befall any other job as well.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        matches!(self.fault(), Fault::Server(_) | Fault::TooSlow)
    }
}
