//! Do laws 1 to 3 and 8 hold for a sale? Read from PostgreSQL and Redis, without changing either, while
//! the sale runs or after.
//!
//! | law | is looked for in | says |
//! |---|---|---|
//! | 1, no oversell | PostgreSQL ([`StockAudit`]) | what was ever on offer is what is left plus what is ordered |
//! | 2, no lost ack | Redis against PostgreSQL ([`OutcomeAudit`]) | each acknowledged job waits in its lane or has an outcome that the ledger agrees with |
//! | 3, once | PostgreSQL ([`UniquenessAudit`]) | one key of one shopper, and one job, make one order |
//! | 8, paid or refunded | PostgreSQL ([`PaymentAudit`]) | every pending order ends, and every payment has one order or one refund |
//!
//! Nothing is taken on trust from the constraints that should keep the laws: each count is made
//! from the rows. What looks wrong while a sale runs is looked at again before it is reported, so
//! that a batch between its commit and its acknowledgement is no finding.

mod error;
mod findings;
mod jobs;
pub mod letters;
mod outcomes;
pub mod payments;
pub mod records;
mod rejections;
mod second_look;
mod stock;
mod uniqueness;
pub mod waiting;

use std::collections::BTreeSet;

use flashsale_domain::id::SaleId;
use flashsale_ledger::Ledger;
use flashsale_queue::{connect::Queue, keys::SALES};
use redis::AsyncCommands;
use serde::Serialize;

pub use error::AuditError;
pub use findings::{Findings, SHOWN};
pub use flashsale_ledger::ProductBooks;
pub use jobs::OutcomeAudit;
pub use payments::PaymentAudit;
pub use stock::StockAudit;
pub use uniqueness::UniquenessAudit;

/// What an audit of one sale found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SaleAudit {
    /// The sale.
    pub sale: SaleId,
    /// Law 1.
    pub stock: StockAudit,
    /// Law 2.
    pub outcomes: OutcomeAudit,
    /// Law 3.
    pub uniqueness: UniquenessAudit,
    /// Law 8.
    pub payments: PaymentAudit,
}

impl SaleAudit {
    /// Units by which law 1 is broken: sold too often, gone without an order, or sold to
    /// shoppers beyond their limit.
    pub fn oversold(&self) -> u64 {
        self.stock.units
    }

    /// Acknowledged jobs by which law 2 is broken.
    pub fn lost(&self) -> u64 {
        self.outcomes.lost.total
    }

    /// Orders by which law 3 is broken.
    pub fn duplicated(&self) -> u64 {
        self.uniqueness.surplus
    }

    /// Orders and payments by which law 8 is broken.
    pub fn unsettled(&self) -> u64 {
        self.payments.findings.total
    }

    /// Whether all four laws hold.
    pub fn holds(&self) -> bool {
        self.stock.findings.is_empty()
            && self.outcomes.lost.is_empty()
            && self.uniqueness.findings.is_empty()
            && self.payments.findings.is_empty()
    }
}

/// Audits one sale.
pub async fn audit(
    ledger: &Ledger,
    connection: &mut impl Queue,
    sale: &SaleId,
) -> Result<SaleAudit, AuditError> {
    let outcomes = outcomes::audit(ledger, connection, sale).await?;
    // One snapshot, so that figures read one after the other are of the same moment.
    let (stock, uniqueness, payments) = ledger
        .snapshot(async |connection| {
            let stock = stock::audit(connection, sale).await?;
            let uniqueness = uniqueness::audit(connection, sale).await?;
            Ok((stock, uniqueness, payments::audit(connection, sale).await?))
        })
        .await?;
    Ok(SaleAudit {
        sale: sale.clone(),
        stock,
        outcomes: outcomes.with_orders(uniqueness.orders),
        uniqueness,
        payments,
    })
}

/// The sales that the stores know, by name.
#[derive(Debug, Default)]
pub struct KnownSales {
    /// Those that can be audited.
    pub sales: Vec<SaleId>,
    /// Names that no sale can have. Nothing can be said about the laws of these.
    pub invalid: Vec<String>,
}

/// Every sale that Redis or the ledger knows.
pub async fn sales(ledger: &Ledger, connection: &mut impl Queue) -> Result<KnownSales, AuditError> {
    let announced: Vec<String> = connection.smembers(SALES).await?;
    let query = sqlx::query_scalar(
        "SELECT sale_id FROM products WHERE sale_id IS NOT NULL
         UNION SELECT sale_id FROM orders",
    );
    let recorded: Vec<String> = ledger
        .read(async |connection| Ok(query.fetch_all(connection).await?))
        .await?;
    let names: BTreeSet<String> = announced.into_iter().chain(recorded).collect();
    let mut known = KnownSales::default();
    for name in names {
        match SaleId::new(name.as_str()) {
            Ok(sale) => known.sales.push(sale),
            Err(_) => known.invalid.push(name),
        }
    }
    Ok(known)
}
