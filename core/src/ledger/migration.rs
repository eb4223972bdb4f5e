//! The schema, embedded in every binary.

use super::{Ledger, LedgerError};

/// The migrations of `migrations/`, checked by checksum against those already applied.
static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!("../migrations");

impl Ledger {
    /// Brings the schema up to date. Safe to run from several processes at once: the first takes
    /// a lock, the others wait and find nothing to do.
    pub async fn migrate(&self) -> Result<(), LedgerError> {
        let mut connection = self.connection_without_limits().await?;
        Ok(MIGRATOR.run(&mut connection).await?)
    }
}
