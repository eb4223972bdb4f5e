//! The schema, embedded in every binary.

use std::time::Duration;

use sqlx::{
    PgConnection,
    migrate::{MigrateError, Migrator},
};
use tokio::time::sleep;

use crate::{
    error::LedgerError,
    fault::{Fault, WaitReason},
    handle::Ledger,
};

/// How often to ask whether another process has finished changing the schema.
const LOCK_POLL: Duration = Duration::from_millis(200);

/// How long to leave a table alone after a lock on it was not to be had. Migrations give up
/// waiting after two seconds, since every buy queues behind a lock that is waited for.
pub(super) const LOCK_RETRY: Duration = Duration::from_secs(1);

/// How often a lock is tried for before the migration fails: a backup that holds a table takes
/// minutes.
const LOCK_ATTEMPTS: u32 = 200;

/// Indexes that are built while the tables are in use. One that was being built when its process died
/// is left behind, and is of no use.
const BUILT_IN_USE: [(&str, &str); 3] = [
    (
        "orders_of_one_key_per_incarnation",
        "DROP INDEX CONCURRENTLY IF EXISTS orders_of_one_key_per_incarnation",
    ),
    (
        "orders_by_product",
        "DROP INDEX CONCURRENTLY IF EXISTS orders_by_product",
    ),
    (
        "orders_pending",
        "DROP INDEX CONCURRENTLY IF EXISTS orders_pending",
    ),
];

/// The migrations that were applied, this release's and others.
const APPLIED: &str = "SELECT version FROM _sqlx_migrations WHERE success";

/// The migrations of `migrations/`, checked by checksum against those already applied.
fn migrator() -> Migrator {
    sqlx::migrate!("../../migrations")
}

/// What a migration leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Migrated {
    /// The schema is the one of this release.
    UpToDate,
    /// A later release migrated the schema. Its migrations keep what this release uses, so that a
    /// release can be rolled back; nothing was changed but what was missing.
    Newer {
        /// Version of the last migration that was applied.
        schema: i64,
        /// Version of the last migration of this release.
        release: i64,
    },
}

impl Migrated {
    /// What the versions that were applied come to.
    fn of(applied: Option<i64>, release: Option<i64>) -> Self {
        match (applied, release) {
            (Some(schema), Some(release)) if schema > release => {
                tracing::warn!(
                    schema,
                    release,
                    "the schema is newer than this release: migration {schema} was applied, and \
                     this release ends with migration {release}"
                );
                Self::Newer { schema, release }
            }
            _ => Self::UpToDate,
        }
    }
}

impl Ledger {
    /// Brings the schema up to date, while the ledger is in use. Safe to run from several
    /// processes at once: the first takes a lock, the others wait and find nothing to do. A schema
    /// that is newer than this version is left as it is, with a warning.
    ///
    /// # Errors
    /// [`LedgerError::DirectAddressNeeded`] behind a pooler in transaction mode, unless there is
    /// nothing to do.
    pub async fn migrate(&self) -> Result<Migrated, LedgerError> {
        if self.transaction_pooler {
            let applied = self.applied().await?;
            let newest = migrator().iter().map(|migration| migration.version).max();
            if migrator()
                .iter()
                .all(|migration| applied.contains(&migration.version))
            {
                return Ok(Migrated::of(applied.into_iter().max(), newest));
            }
        }
        let _guard = self.lock_schema().await?;
        let mut connection = self.connection_without_limits().await?;
        for (index, remove) in BUILT_IN_USE {
            if is_broken(&mut connection, index).await? {
                sqlx::raw_sql(remove).execute(&mut connection).await?;
            }
        }
        let mut migrator = migrator();
        // Ours instead: a session that waits for sqlx's holds a snapshot, and an index that is
        // built concurrently would wait for that session.
        migrator.set_locking(false);
        let newest = migrator.iter().map(|migration| migration.version).max();
        let mut attempts = 1;
        loop {
            match migrator.run_direct(None, &mut connection, false).await {
                Err(MigrateError::VersionMissing(version))
                    if Some(version) > newest && !migrator.ignore_missing =>
                {
                    migrator.set_ignore_missing(true);
                }
                Err(MigrateError::ExecuteMigration(error, version))
                    if is_locked(&error) && attempts < LOCK_ATTEMPTS =>
                {
                    tracing::info!(version, "migration {version} waits for a table: {error}");
                    attempts += 1;
                    sleep(LOCK_RETRY).await;
                }
                result => {
                    result?;
                    break;
                }
            }
        }
        let applied = sqlx::query_scalar(APPLIED)
            .fetch_all(&mut connection)
            .await?;
        Ok(Migrated::of(applied.into_iter().max(), newest))
    }

    /// Versions of the migrations that were applied; none where there is no schema.
    async fn applied(&self) -> Result<Vec<i64>, LedgerError> {
        let query = sqlx::query_scalar(APPLIED);
        let applied = self
            .call(async |connection| query.fetch_all(connection).await)
            .await;
        match applied {
            Err(error) if error.is_schema_missing() => Ok(Vec::new()),
            applied => applied,
        }
    }

    /// Waits until no other process changes the schema, and keeps others from it until the answer
    /// is dropped: a connection of its own, whose transaction holds the lock.
    pub(super) async fn lock_schema(&self) -> Result<PgConnection, LedgerError> {
        let mut connection = self.connection_without_limits().await?;
        sqlx::raw_sql("BEGIN; SET LOCAL idle_in_transaction_session_timeout = 0")
            .execute(&mut connection)
            .await?;
        loop {
            let is_ours: bool = sqlx::query_scalar(
                "SELECT pg_try_advisory_xact_lock(hashtextextended('flashsale: schema', 0))",
            )
            .fetch_one(&mut connection)
            .await?;
            if is_ours {
                return Ok(connection);
            }
            sleep(LOCK_POLL).await;
        }
    }
}

/// Whether others hold what a change of the schema needs.
fn is_locked(error: &sqlx::Error) -> bool {
    super::fault::sqlstate_fault(error) == Fault::Server(WaitReason::Locked)
}

/// Tries `attempt` again every `pause` as long as others hold what it needs; `what` waits, as the log has it.
pub(super) async fn until_unlocked<T>(
    what: &str,
    pause: Duration,
    mut attempt: impl AsyncFnMut() -> Result<T, sqlx::Error>,
) -> Result<T, sqlx::Error> {
    for _ in 1..LOCK_ATTEMPTS {
        match attempt().await {
            Err(error) if is_locked(&error) => {
                tracing::info!("{what} waits for a table: {error}");
                sleep(pause).await;
            }
            result => return result,
        }
    }
    attempt().await
}

/// Whether an index exists that was never finished.
pub(super) async fn is_broken(
    connection: &mut PgConnection,
    index: &str,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass($1) AND NOT indisvalid)",
    )
    .bind(index)
    .fetch_one(connection)
    .await
}
