//! What can go wrong at the ledger.

use std::time::Duration;

use flashsale_domain::id::{ProductId, SaleId};
use flashsale_transport::tls::{Peer, advice};
use uuid::Uuid;

use super::fault::{self, Fault, WaitReason, sqlstate_fault};

/// A failure of the ledger; [`LedgerError::fault`] says what the caller should do about it.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// PostgreSQL said no, or could not be asked.
    #[error("the ledger failed: {0}")]
    Database(sqlx::Error),
    /// The schema lacks a table, a column or a function of this release.
    #[error(
        "the ledger's schema is missing or older than this release ({0}): run `flashsale migrate` \
         of this release"
    )]
    SchemaMissing(sqlx::Error),
    /// TLS with PostgreSQL failed, or it wants a certificate.
    #[error("the ledger cannot be reached: {0}")]
    Tls(String),
    /// The server sent more than it may, or the way to it, on which that is counted, is blocked.
    #[error("the ledger cannot be reached: {0}")]
    Relay(String),
    /// The role that connects may not do what it asked for.
    #[error(
        "the ledger refused it ({0}): the role lacks a right, and `flashsale migrate --create-roles` \
         grants what workers and gateways need; everything else is for the owner of the tables"
    )]
    NotPermitted(sqlx::Error),
    /// The role that connects lacks a right that its process is going to need.
    #[error(
        "role {role} lacks {right}: run `flashsale migrate --create-roles`, and make it a member of \
         the role for {members}"
    )]
    MissingRight {
        /// The role.
        role: String,
        /// The right, as PostgreSQL calls it.
        right: String,
        /// Whom the role that has the right is for.
        members: &'static str,
    },
    /// The server takes no writes.
    #[error(
        "the ledger is read-only: it is a standby, or was set so (`transaction_read_only` is on)"
    )]
    ReadOnly,
    /// A role is to be made, and the one that connects may not make any.
    #[error(
        "role {role} may not create {missing}: connect as a role with CREATEROLE, or have an \
         administrator create them (`CREATE ROLE … NOLOGIN`) and run this again"
    )]
    MayNotCreateRoles {
        /// The role that connects.
        role: String,
        /// The roles that are missing.
        missing: String,
    },
    /// The role that connects may not give its objects, or rights on them, to others.
    #[error(
        "role {role} may not grant the rights ({source}): run this as the owner of the tables, which \
         has to be a member of {owner} (`GRANT {owner} TO {role}`) and may create objects in the schema"
    )]
    MayNotGrant {
        /// The role that connects.
        role: String,
        /// The role that is to own everything.
        owner: String,
        /// What PostgreSQL said.
        source: sqlx::Error,
    },
    /// The call was given up; whether the ledger did what was asked is not known.
    #[error("the ledger did not answer within {0:?}")]
    TimedOut(Duration),
    /// None of the servers of the address takes writes.
    #[error("no PostgreSQL server of the address takes writes ({answers})")]
    NoPrimary {
        /// Whether one of them can be read at least.
        reason: WaitReason,
        /// What each of them said.
        answers: String,
    },
    /// The schema could not be brought up to date.
    #[error("the ledger's schema could not be migrated: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// The schema has to be changed, and a pooler in transaction mode is in the way.
    #[error(
        "the ledger's schema has to be changed, which cannot be done through a transaction pooler; \
         give PostgreSQL's own address as FLASHSALE_DATABASE_DIRECT_URL or --database-direct-url"
    )]
    DirectAddressNeeded,
    /// A product is in another sale that is in force.
    #[error(
        "product {product} is offered by sale {holder}; take it out of one of the two sales, or wait until that one is closed, every buy has its outcome, and it has no dead letters; or delete it"
    )]
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
    /// A price above 32 bits, in a ledger whose columns have no more.
    #[error(
        "product {product} costs {price} minor units, and this ledger holds prices up to {most} until `flashsale \
         migrate --widen-orders` was run, which needs that no process of the release before is left",
        most = i32::MAX
    )]
    PriceTooHigh {
        /// The product.
        product: ProductId,
        /// Its price.
        price: i64,
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
    pub fn fault(&self) -> Fault {
        match self {
            Self::Database(error) => sqlstate_fault(error),
            Self::NotPermitted(_)
            | Self::MissingRight { .. }
            | Self::MayNotCreateRoles { .. }
            | Self::MayNotGrant { .. } => Fault::Server(WaitReason::NotPermitted),
            Self::Tls(_) | Self::Relay(_) => Fault::Server(WaitReason::Unreachable),
            Self::ReadOnly => Fault::Server(WaitReason::ReadOnly),
            Self::TimedOut(_) => Fault::TooSlow,
            Self::NoPrimary { reason, .. } => Fault::Server(*reason),
            Self::SchemaMissing(_)
            | Self::Migrate(_)
            | Self::DirectAddressNeeded
            | Self::Mismatch => Fault::Server(WaitReason::Schema),
            Self::ProductTaken { .. }
            | Self::UnknownProduct { .. }
            | Self::TooManyUnits { .. }
            | Self::PriceTooHigh { .. }
            | Self::RequestReused { .. } => Fault::Row,
        }
    }

    /// True when the server itself answered with an error, so that what was asked for is not done.
    pub fn is_answer(&self) -> bool {
        match self {
            Self::Database(error) => error.as_database_error().is_some(),
            Self::NotPermitted(_) | Self::SchemaMissing(_) => true,
            _ => false,
        }
    }

    /// True when the call's time limit ran out, be it without an answer or without a connection:
    /// another try takes as long.
    pub fn ran_out_of_time(&self) -> bool {
        matches!(
            self,
            Self::TimedOut(_) | Self::Database(sqlx::Error::PoolTimedOut)
        )
    }

    /// True when PostgreSQL answers, but its schema is missing or older than this version.
    pub fn is_schema_missing(&self) -> bool {
        matches!(self, Self::SchemaMissing(_))
    }

    /// True when the same call can succeed later without anything about it being changed: the
    /// server is away, restarting, full, busy, slow, or not yet migrated. Such a failure is no
    /// attempt of a job: it would befall any other job as well.
    pub fn is_outage(&self) -> bool {
        matches!(self.fault(), Fault::Server(_) | Fault::TooSlow)
    }
}

impl From<sqlx::Error> for LedgerError {
    fn from(error: sqlx::Error) -> Self {
        if fault::is_not_permitted(&error) {
            Self::NotPermitted(error)
        } else if fault::is_schema_missing(&error) {
            Self::SchemaMissing(error)
        } else if let Some(advice) = advice(&error, Peer::PostgreSql) {
            Self::Tls(advice)
        } else if fault::is_about_certificate(&error) {
            Self::Tls(format!(
                "{error}: give tls.crt and tls.key, whose common name is the role's, in the directory \
                 of {} or in the Secret that has the address",
                Peer::PostgreSql.option()
            ))
        } else {
            Self::Database(error)
        }
    }
}
