//! The rows of one batch, as they are sent.

use flashsale_core::{id::ProductId, sale::Sale, turnstile::Buy};
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::error::BenchError;

/// The rows of one batch of one product.
#[derive(Debug)]
pub(super) struct Rows {
    pub(super) sale: String,
    pub(super) product: String,
    pub(super) jobs: Vec<Uuid>,
    pub(super) users: Vec<String>,
    pub(super) keys: Vec<String>,
}

impl Rows {
    pub(super) fn new(sale: &Sale, product: &ProductId, buys: &[&Buy]) -> Self {
        Self {
            sale: sale.id.to_string(),
            product: product.to_string(),
            jobs: buys.iter().map(|buy| buy.job_id.0).collect(),
            users: buys.iter().map(|buy| buy.user.to_string()).collect(),
            keys: buys.iter().map(|buy| buy.key.to_string()).collect(),
        }
    }

    /// How many, as PostgreSQL says how many it inserted.
    pub(super) fn len(&self) -> u64 {
        self.jobs.len() as u64
    }

    /// How many units they take.
    pub(super) fn count(&self) -> i32 {
        i32::try_from(self.jobs.len()).unwrap_or(i32::MAX)
    }

    /// Product, sale, and the three arrays.
    pub(super) fn values(&self) -> [&(dyn ToSql + Sync); 5] {
        [
            &self.product,
            &self.sale,
            &self.jobs,
            &self.users,
            &self.keys,
        ]
    }
}

/// Whether a statement did to rows what it had to.
pub(super) fn expect(rows: u64, expected: u64) -> Result<(), BenchError> {
    if rows == expected {
        return Ok(());
    }
    Err(BenchError::Wrong(format!(
        "a statement of the limit had {rows} rows instead of {expected}"
    )))
}
