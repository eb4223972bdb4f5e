//! Wider order ids: from 32 bits, which a busy shop uses up, to 64, without standing still.
//!
//! The new column is filled beside the old one while orders are made; then the two change places,
//! under a lock of a few milliseconds. Each step may be repeated, so that a run that was broken off
//! is simply started again. It is not a migration, because processes of the release before read
//! the old column: it is for when they are gone.

use std::time::Duration;

use sqlx::{PgConnection, PgExecutor, postgres::PgQueryResult};

use crate::{
    error::LedgerError,
    handle::Ledger,
    migration::{is_broken, until_unlocked},
};

/// Orders copied in one transaction: some tenths of a second.
const CHUNK: i64 = 10_000;

/// How long to leave the table alone after a lock on it was not to be had.
const LOCK_RETRY: Duration = Duration::from_millis(500);

/// The new column, and new orders in it.
const ADD_COLUMN: &str = "
    SET LOCAL lock_timeout = '1s';
    ALTER TABLE orders ADD COLUMN IF NOT EXISTS wide_id bigint;
    CREATE OR REPLACE FUNCTION orders_copy_id() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN NEW.wide_id := NEW.id; RETURN NEW; END $$;
    DROP TRIGGER IF EXISTS orders_copy_id ON orders;
    CREATE TRIGGER orders_copy_id BEFORE INSERT ON orders
      FOR EACH ROW EXECUTE FUNCTION orders_copy_id();";

/// Proves in advance, without a lock, that the new column has no gap; the change of places then
/// need not look.
const ADD_CHECK: &str = "
    SET LOCAL lock_timeout = '1s';
    ALTER TABLE orders DROP CONSTRAINT IF EXISTS orders_wide_id_given;
    ALTER TABLE orders ADD CONSTRAINT orders_wide_id_given CHECK (wide_id IS NOT NULL) NOT VALID;";

/// The change of places.
const SWAP: &str = "
    SET LOCAL lock_timeout = '1s';
    LOCK TABLE orders IN ACCESS EXCLUSIVE MODE;
    DROP TRIGGER orders_copy_id ON orders;
    DROP FUNCTION orders_copy_id();
    DO $$
    DECLARE
      reader record;
    BEGIN
      -- Whoever may read the old column may read the new one: rights on a column go with it.
      FOR reader IN
        SELECT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END AS named
          FROM pg_attribute, aclexplode(attacl)
          WHERE attrelid = 'orders'::regclass AND attname = 'id' AND privilege_type = 'SELECT'
      LOOP
        EXECUTE format('GRANT SELECT (wide_id) ON orders TO %s', reader.named);
      END LOOP;
    END $$;
    ALTER SEQUENCE orders_id_seq AS bigint MAXVALUE 9007199254740991 OWNED BY NONE;
    ALTER TABLE orders DROP CONSTRAINT orders_pkey, DROP COLUMN id;
    ALTER TABLE orders RENAME COLUMN wide_id TO id;
    ALTER TABLE orders ALTER COLUMN id SET NOT NULL,
      ALTER COLUMN id SET DEFAULT nextval('orders_id_seq');
    ALTER TABLE orders ADD CONSTRAINT orders_pkey PRIMARY KEY USING INDEX orders_wide_id;
    ALTER TABLE orders DROP CONSTRAINT orders_wide_id_given;
    ALTER SEQUENCE orders_id_seq OWNED BY orders.id;";

/// What widening came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Widened {
    /// The ids had 64 bits already.
    Before,
    /// They have now; so many orders were copied.
    Now(u64),
}

impl Ledger {
    /// Gives order ids 64 bits, of which 53 are used, so that they stay exact in JSON. The ledger
    /// stays in use meanwhile. Needs the schema of this version, and no process of the release
    /// before.
    ///
    /// # Errors
    /// [`LedgerError::DirectAddressNeeded`] behind a pooler in transaction mode, unless there is
    /// nothing to do.
    pub async fn widen_orders(&self) -> Result<Widened, LedgerError> {
        if self.transaction_pooler {
            let is_wide = self.call(async |connection| is_wide(connection).await);
            if is_wide.await? {
                return Ok(Widened::Before);
            }
        }
        let _guard = self.lock_schema().await?;
        let mut connection = self.connection_without_limits().await?;
        let connection = &mut connection;
        if is_wide(&mut *connection).await? {
            return Ok(Widened::Before);
        }
        in_short_transaction(connection, ADD_COLUMN).await?;
        let copied = copy(connection).await?;
        in_short_transaction(connection, ADD_CHECK).await?;
        run(
            connection,
            "ALTER TABLE orders VALIDATE CONSTRAINT orders_wide_id_given",
        )
        .await?;
        if is_broken(connection, "orders_wide_id").await? {
            run(connection, "DROP INDEX CONCURRENTLY orders_wide_id").await?;
        }
        run(
            connection,
            "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS orders_wide_id ON orders (wide_id)",
        )
        .await?;
        in_short_transaction(connection, SWAP).await?;
        run(connection, "ANALYZE orders").await?;
        Ok(Widened::Now(copied))
    }
}

async fn is_wide(connection: impl PgExecutor<'_>) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT atttypid = 'bigint'::regtype FROM pg_attribute
          WHERE attrelid = 'orders'::regclass AND attname = 'id' AND NOT attisdropped",
    )
    .fetch_one(connection)
    .await
}

/// Copies the ids of the orders that were there before the trigger, by and by.
async fn copy(connection: &mut PgConnection) -> Result<u64, sqlx::Error> {
    let (mut copied, mut after) = (0, 0_i64);
    loop {
        let last: Option<i64> = sqlx::query_scalar(
            "SELECT max(id)::bigint
               FROM (SELECT id FROM orders WHERE id > $1 ORDER BY id LIMIT $2) AS chunk",
        )
        .bind(after)
        .bind(CHUNK)
        .fetch_one(&mut *connection)
        .await?;
        let Some(last) = last else {
            return Ok(copied);
        };
        // A status that nobody wrote counts as an order everywhere; changed rows need one.
        copied += sqlx::query(
            "UPDATE orders SET wide_id = id, status = COALESCE(status, 'PENDING')
              WHERE id > $1 AND id <= $2 AND wide_id IS NULL",
        )
        .bind(after)
        .bind(last)
        .execute(&mut *connection)
        .await?
        .rows_affected();
        after = last;
    }
}

async fn run(
    connection: &mut PgConnection,
    statement: &'static str,
) -> Result<PgQueryResult, sqlx::Error> {
    sqlx::raw_sql(statement).execute(connection).await
}

/// Runs `statements` in a transaction that waits for no lock for long, since all buys would wait
/// with it; again and again until it gets its locks.
async fn in_short_transaction(
    connection: &mut PgConnection,
    statements: &'static str,
) -> Result<(), sqlx::Error> {
    // Statements sent as one string are one transaction.
    let attempt = async || run(connection, statements).await.map(drop);
    until_unlocked("widening the order ids", LOCK_RETRY, attempt).await
}
