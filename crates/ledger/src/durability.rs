//! How PostgreSQL keeps what it commits.

use flashsale_domain::durability::LedgerSettings;

use sqlx::Row as _;

use crate::{call::CHECK_LIMIT, error::LedgerError, handle::Ledger};

/// Standbys, without base backups under way and subscribers of logical replication. A role without
/// `pg_monitor` sees that there are processes that send, and nothing else of them.
const SETTINGS: &str = "\
    SELECT current_setting('synchronous_commit') AS synchronous_commit, \
           current_setting('fsync') AS fsync, \
           current_setting('full_page_writes') AS full_page_writes, \
           current_setting('synchronous_standby_names') AS synchronous_standby_names, \
           count(sender.pid) AS standbys, \
           count(sender.pid) FILTER (WHERE sender.sync_state IS NULL) AS hidden_standbys, \
           count(*) FILTER (WHERE sender.sync_state IN ('sync', 'quorum')) AS synchronous_standbys \
      FROM (SELECT pid, sync_state FROM pg_stat_replication \
             WHERE state IS DISTINCT FROM 'backup' \
               AND NOT EXISTS (SELECT FROM pg_replication_slots \
                                WHERE active_pid = pid AND slot_type = 'logical')) AS sender";

impl Ledger {
    /// Reads how the server of the ledger keeps its data.
    ///
    /// # Errors
    /// When PostgreSQL does not answer.
    pub async fn settings(&self) -> Result<LedgerSettings, LedgerError> {
        let settings = sqlx::query(SETTINGS);
        let row = self
            .call_within(CHECK_LIMIT, async |connection| {
                settings.fetch_one(connection).await
            })
            .await?;
        Ok(LedgerSettings {
            synchronous_commit: row.try_get("synchronous_commit")?,
            fsync: row.try_get("fsync")?,
            full_page_writes: row.try_get("full_page_writes")?,
            synchronous_standby_names: row.try_get("synchronous_standby_names")?,
            standbys: row.try_get("standbys")?,
            hidden_standbys: row.try_get("hidden_standbys")?,
            synchronous_standbys: row.try_get("synchronous_standbys")?,
        })
    }
}
