//! Databases whose schema is not the one of this release.

use std::path::Path;

use flashsale_domain::{sale::Sale, stock::StockLevel};
use flashsale_queue::{catalogue, keys::SaleKeys, stock};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, migrate::Migrator};
use uuid::Uuid;

use crate::services::{Services, ledger_at};

/// The last migration of the previous release.
pub const PREVIOUS: i64 = 5;

/// Gives `services` an empty database instead of its migrated one.
pub async fn use_empty_database(services: &mut Services) {
    let name = format!("other_{}", Uuid::new_v4().simple());
    let create = AssertSqlSafe(format!("CREATE DATABASE {name}"));
    sqlx::raw_sql(create)
        .execute(services.ledger.pool())
        .await
        .unwrap();
    let (base, _) = services.database_url.rsplit_once('/').unwrap();
    services.database_url = format!("{base}/{name}");
    services.ledger = ledger_at(&services.database_url, 10);
}

/// Gives `services` a database with the schema of the previous release.
pub async fn use_previous_schema(services: &mut Services) {
    use_empty_database(services).await;
    let migrations = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations");
    let migrator = Migrator::new(migrations).await.unwrap();
    let mut connection = PgConnection::connect(&services.database_url).await.unwrap();
    migrator
        .run_direct(Some(PREVIOUS), &mut connection, false)
        .await
        .unwrap();
}

/// Puts the first product of `sale` on sale as the previous release would, in a database that has
/// its schema.
pub async fn open_at_previous_schema(services: &Services, sale: &Sale) {
    let product = &sale.products[0];
    sqlx::query(
        "INSERT INTO products (id, name, price, stock_quantity, sale_id, declared_stock)
           VALUES ($1, $2, $3, $4, $5, $4)",
    )
    .bind(product.id.as_str())
    .bind(&product.name)
    .bind(product.price)
    .bind(product.stock)
    .bind(sale.id.as_str())
    .execute(services.ledger.pool())
    .await
    .unwrap();
    let level = StockLevel {
        product: product.id.clone(),
        stock: product.stock,
        version: 1,
        settled_version: 0,
    };
    let mut queue = services.queue.clone();
    stock::publish(&mut queue, &SaleKeys::new(&sale.id), &[level])
        .await
        .unwrap();
    catalogue::announce(&mut queue, sale, false).await.unwrap();
}

/// What a later release may do to the schema without breaking this one: columns, tables, and
/// functions with other arguments beside those that are there.
const LATER: &str = "
    ALTER TABLE products ADD COLUMN later BIGINT NOT NULL DEFAULT 0;
    ALTER TABLE orders ADD COLUMN later TEXT;
    CREATE TABLE later (id BIGINT PRIMARY KEY);
    CREATE FUNCTION settle_jobs(p_sale text, p_jobs uuid[]) RETURNS bigint
      LANGUAGE sql AS 'SELECT 0::bigint';
    CREATE FUNCTION take_over_from(p_sale text, p_product text) RETURNS bigint
      LANGUAGE sql AS 'SELECT 0::bigint';
    INSERT INTO _sqlx_migrations SELECT 9000, 'later', now(), true, checksum, 1
      FROM _sqlx_migrations WHERE version = 1;";

/// Migrates the database of `services` as a later release would.
pub async fn migrate_further(services: &Services) {
    sqlx::raw_sql(LATER)
        .execute(services.ledger.pool())
        .await
        .unwrap();
}

/// Versions of the migrations that were applied.
pub async fn applied(services: &Services) -> Vec<i64> {
    sqlx::query_scalar("SELECT version FROM _sqlx_migrations ORDER BY version")
        .fetch_all(services.ledger.pool())
        .await
        .unwrap()
}
