//! Wider order ids and prices: from 32 bits, which a busy shop or a currency of small units uses up, to 64,
//! without standing still.
//!
//! For each, a new column is filled beside the old one while orders are made; then the two change places, under a
//! lock of a few milliseconds. Each step may be repeated, so that a run that was broken off is simply started
//! again. It is not a migration, because processes of the release before read the old columns: it is for when they
//! are gone.

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

/// A column of `orders` that has 32 bits, and what gives it 64. The statements of each step are one transaction.
struct Column {
    name: &'static str,
    /// Adds the new column, with what orders that are made or changed from now on have in it.
    add: &'static str,
    /// Fills it for orders `$1` to `$2`, the first one left out.
    copy: &'static str,
    /// Proves, without a lock, that it has no gap; the change of places then need not look.
    check: &'static str,
    validate: &'static str,
    /// The unique index that it needs, and how to remove one that was never finished.
    index: Option<(&'static str, &'static str, &'static str)>,
    /// The change of places.
    swap: &'static str,
}

const COLUMNS: [Column; 2] = [
    Column {
        name: "id",
        add: "
    SET LOCAL lock_timeout = '1s';
    ALTER TABLE orders ADD COLUMN IF NOT EXISTS wide_id bigint;
    CREATE OR REPLACE FUNCTION orders_copy_id() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN NEW.wide_id := NEW.id; RETURN NEW; END $$;
    DROP TRIGGER IF EXISTS orders_copy_id ON orders;
    CREATE TRIGGER orders_copy_id BEFORE INSERT ON orders
      FOR EACH ROW EXECUTE FUNCTION orders_copy_id();",
        // A status that nobody wrote counts as an order everywhere; changed rows need one.
        copy: "
    UPDATE orders SET wide_id = id, status = COALESCE(status, 'PENDING')
     WHERE id > $1 AND id <= $2 AND wide_id IS NULL",
        check: "
    SET LOCAL lock_timeout = '1s';
    ALTER TABLE orders DROP CONSTRAINT IF EXISTS orders_wide_id_given;
    ALTER TABLE orders ADD CONSTRAINT orders_wide_id_given CHECK (wide_id IS NOT NULL) NOT VALID;",
        validate: "ALTER TABLE orders VALIDATE CONSTRAINT orders_wide_id_given",
        index: Some((
            "orders_wide_id",
            "DROP INDEX CONCURRENTLY orders_wide_id",
            "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS orders_wide_id ON orders (wide_id)",
        )),
        swap: "
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
    ALTER SEQUENCE orders_id_seq OWNED BY orders.id;",
    },
    Column {
        name: "price",
        add: "
    SET LOCAL lock_timeout = '1s';
    ALTER TABLE orders ADD COLUMN IF NOT EXISTS wide_price bigint;
    CREATE OR REPLACE FUNCTION orders_copy_price() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN NEW.wide_price := NEW.price; RETURN NEW; END $$;
    DROP TRIGGER IF EXISTS orders_copy_price ON orders;
    CREATE TRIGGER orders_copy_price BEFORE INSERT OR UPDATE ON orders
      FOR EACH ROW EXECUTE FUNCTION orders_copy_price();",
        copy: "
    UPDATE orders SET wide_price = price, status = COALESCE(status, 'PENDING')
     WHERE id > $1 AND id <= $2 AND wide_price IS NULL",
        check: "
    SET LOCAL lock_timeout = '1s';
    ALTER TABLE orders DROP CONSTRAINT IF EXISTS orders_wide_price_given;
    ALTER TABLE orders
      ADD CONSTRAINT orders_wide_price_given CHECK (wide_price IS NOT NULL) NOT VALID;",
        validate: "ALTER TABLE orders VALIDATE CONSTRAINT orders_wide_price_given",
        index: None,
        // The products are few, and locked first, as a batch locks them.
        swap: "
    SET LOCAL lock_timeout = '1s';
    LOCK TABLE products, orders IN ACCESS EXCLUSIVE MODE;
    DROP TRIGGER orders_copy_price ON orders;
    DROP FUNCTION orders_copy_price();
    DO $$
    DECLARE
      reader record;
    BEGIN
      FOR reader IN
        SELECT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END AS named
          FROM pg_attribute, aclexplode(attacl)
          WHERE attrelid = 'orders'::regclass AND attname = 'price' AND privilege_type = 'SELECT'
      LOOP
        EXECUTE format('GRANT SELECT (wide_price) ON orders TO %s', reader.named);
      END LOOP;
    END $$;
    ALTER TABLE orders DROP COLUMN price;
    ALTER TABLE orders RENAME COLUMN wide_price TO price;
    ALTER TABLE orders ALTER COLUMN price SET NOT NULL;
    ALTER TABLE orders DROP CONSTRAINT orders_wide_price_given;
    COMMENT ON COLUMN orders.price IS 'minor units of the currency, as the shopper saw it';
    ALTER TABLE products ALTER COLUMN price TYPE bigint;",
    },
];

/// What widening came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Widened {
    /// Ids and prices had 64 bits already.
    Before,
    /// They have now; so many orders were copied.
    Now(u64),
}

impl Ledger {
    /// Gives order ids and prices 64 bits, of which 53 are used, so that they stay exact in JSON. The ledger
    /// stays in use meanwhile. Needs the schema of this version, and no process of the release before.
    ///
    /// # Errors
    /// [`LedgerError::DirectAddressNeeded`] behind a pooler in transaction mode, unless there is
    /// nothing to do.
    pub async fn widen_orders(&self) -> Result<Widened, LedgerError> {
        if self.transaction_pooler {
            let narrow = self.call(async |connection| narrow_columns(connection).await);
            if narrow.await?.is_empty() {
                return Ok(Widened::Before);
            }
        }
        let _guard = self.lock_schema().await?;
        let mut connection = self.connection_without_limits().await?;
        let connection = &mut connection;
        let narrow = narrow_columns(&mut *connection).await?;
        if narrow.is_empty() {
            return Ok(Widened::Before);
        }
        let mut copied = 0;
        for column in COLUMNS {
            if narrow.iter().any(|name| name == column.name) {
                copied = copied.max(widen(connection, &column).await?);
            }
        }
        run(connection, "ANALYZE orders").await?;
        Ok(Widened::Now(copied))
    }
}

/// Those of [`COLUMNS`] that still have 32 bits.
pub(super) async fn narrow_columns(
    connection: impl PgExecutor<'_>,
) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT attname::text FROM pg_attribute
          WHERE attrelid = 'orders'::regclass AND attname IN ('id', 'price')
            AND atttypid <> 'bigint'::regtype AND NOT attisdropped",
    )
    .fetch_all(connection)
    .await
}

/// Widens one column; answers how many orders were copied for it.
async fn widen(connection: &mut PgConnection, column: &Column) -> Result<u64, sqlx::Error> {
    in_short_transaction(connection, column.add).await?;
    let copied = copy(connection, column.copy).await?;
    in_short_transaction(connection, column.check).await?;
    run(connection, column.validate).await?;
    if let Some((index, remove, create)) = column.index {
        if is_broken(connection, index).await? {
            run(connection, remove).await?;
        }
        run(connection, create).await?;
    }
    in_short_transaction(connection, column.swap).await?;
    Ok(copied)
}

/// Copies a column of the orders that were there before the trigger, by and by.
async fn copy(connection: &mut PgConnection, chunk: &'static str) -> Result<u64, sqlx::Error> {
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
        let chunk = sqlx::query(chunk).bind(after).bind(last);
        copied += chunk.execute(&mut *connection).await?.rows_affected();
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
    until_unlocked("widening order ids and prices", LOCK_RETRY, attempt).await
}
