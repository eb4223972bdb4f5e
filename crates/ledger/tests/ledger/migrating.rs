//! A migration must not hold settlement up, whoever else uses the tables.

use std::{path::Path, time::Duration};

use flashsale_ledger::Ledger;
use flashsale_testbed::fixtures::{patience::until, services::Services};
use sqlx::{Connection as _, PgConnection, migrate::Migrator};
use uuid::Uuid;

use super::{
    previous_release::{BEFORE, OLD_LEDGER, before, settle_batch},
    until_waiting,
};

/// How long a migration may wait for a table before it lets others pass, with room for a busy
/// machine.
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

fn migrations() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations")
}

async fn old_ledger(services: &Services) -> Ledger {
    let ledger = before(services).await;
    sqlx::raw_sql(OLD_LEDGER)
        .execute(ledger.pool())
        .await
        .unwrap();
    ledger
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migration_that_waits_for_a_backup_lets_batches_pass_and_tries_again() {
    let services = Services::start().await;
    let ledger = old_ledger(&services).await;
    let mut backup = ledger.pool().begin().await.unwrap();
    // What pg_dump holds until it is through.
    sqlx::raw_sql("LOCK TABLE products, orders IN ACCESS SHARE MODE")
        .execute(&mut *backup)
        .await
        .unwrap();
    let migrating = {
        let ledger = ledger.clone();
        tokio::spawn(async move { ledger.migrate().await })
    };
    for batch in 0..2 {
        until_waiting(&ledger, 1).await;
        let user = format!("meanwhile{batch}");
        let job = [Uuid::now_v7()];
        // Sessions of a worker give up before the migration does; the worker then tries again.
        until("the batch is settled", LONGEST_PAUSE, async || {
            settle_batch(&ledger, &[&user], &job, None).await.is_ok()
        })
        .await;
    }
    assert!(!migrating.is_finished());
    backup.rollback().await.unwrap();
    migrating.await.unwrap().unwrap();
}

#[tokio::test]
async fn an_index_that_a_killed_migration_left_unfinished_is_built_again() {
    let services = Services::start().await;
    let ledger = old_ledger(&services).await;
    let mut connection = PgConnection::connect_with(&ledger.pool().connect_options())
        .await
        .unwrap();
    let migrator = Migrator::new(migrations()).await.unwrap();
    // Up to the one that builds the index, which is recorded only when it is built.
    migrator
        .run_direct(Some(8), &mut connection, false)
        .await
        .unwrap();
    sqlx::raw_sql(
        "CREATE UNIQUE INDEX orders_of_one_key_per_incarnation
           ON orders (sale_id, user_id, idempotency_key, incarnation);
         UPDATE pg_index SET indisvalid = false
           WHERE indexrelid = 'orders_of_one_key_per_incarnation'::regclass",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    ledger.migrate().await.unwrap();
    let is_valid: bool = sqlx::query_scalar(
        "SELECT indisvalid FROM pg_index
          WHERE indexrelid = 'orders_of_one_key_per_incarnation'::regclass",
    )
    .fetch_one(ledger.pool())
    .await
    .unwrap();
    assert!(is_valid);
}

/// Whoever waits for a table's lock makes all others wait who come after.
#[tokio::test]
async fn no_migration_waits_for_a_table_for_long() {
    let migrator = Migrator::new(migrations()).await.unwrap();
    for migration in migrator.iter().filter(|one| one.version > BEFORE) {
        let sql = migration.sql.as_str();
        let statements = || sql.lines().filter(|line| !line.starts_with("--"));
        if migration.no_tx {
            assert!(sql.contains(" CONCURRENTLY "), "{}", migration.version);
            continue;
        }
        let is_of_a_table = |line: &str| {
            [
                "ALTER TABLE",
                "CREATE INDEX",
                "CREATE UNIQUE INDEX",
                "DROP TABLE",
                "LOCK TABLE",
            ]
            .iter()
            .any(|statement| line.trim_start().starts_with(statement))
                || line.contains("CREATE TRIGGER")
        };
        if statements().any(is_of_a_table) {
            let first = statements().find(|line| !line.is_empty());
            let limit = Some("SET LOCAL lock_timeout = '2s';");
            assert_eq!(first, limit, "{}", migration.version);
        }
    }
}
