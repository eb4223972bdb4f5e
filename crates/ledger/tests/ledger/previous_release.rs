//! Processes of the release before go on with this schema, while they are replaced.

use std::path::Path;

use flashsale_domain::{id::JobId, sale::Sale};
use flashsale_ledger::{Fault, Ledger, LedgerConfig, Migrated};
use flashsale_testbed::fixtures::{
    queue::job,
    sales::{open, sale},
    services::Services,
};
use sqlx::{Connection, PgConnection, migrate::Migrator};
use uuid::Uuid;

use super::{assert_law_1, jobs, letters, order_ids, run, settle};

/// The schema of the release before ends with this migration.
pub(super) const BEFORE: i64 = 5;

#[derive(Debug, sqlx::FromRow)]
pub(super) struct SettledRow {
    outcomes: String,
    order_ids: Vec<Option<i32>>,
    stock_left: i32,
    version: i64,
    confirmed: i32,
}

/// What its worker sends.
pub(super) async fn settle_batch(
    ledger: &Ledger,
    users: &[&str],
    ids: &[Uuid],
    after: Option<Uuid>,
) -> Result<SettledRow, sqlx::Error> {
    sqlx::query_as(
        "SELECT outcomes, order_ids, stock_left, version, confirmed
           FROM settle_batch($1, $2, $3, $4, $5, $6)",
    )
    .bind("drop")
    .bind("p")
    .bind(ids)
    .bind(users)
    .bind(vec!["k"; users.len()])
    .bind(after)
    .fetch_one(ledger.pool())
    .await
}

#[tokio::test]
async fn its_workers_settle_and_workers_of_this_release_notice() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 3)]);
    open(&services, &sale).await;
    let (ledger, p) = (&services.ledger, &sale.products[0].id);
    let driver = ledger.take_over(&sale.id, p).await.unwrap();
    let ids: Vec<Uuid> = (0..5).map(|_| Uuid::now_v7()).collect();

    let early = settle_batch(ledger, &["w"], &ids[4..], Some(ids[0])).await;
    let code = early.unwrap_err().into_database_error().unwrap();
    assert_eq!(code.code().as_deref(), Some("55000"), "waits for its turn");
    let users = ["u0", "u1", "u2", "u3"];
    let settled = settle_batch(ledger, &users, &ids[..4], None).await.unwrap();
    assert_eq!((settled.outcomes.as_str(), settled.confirmed), ("cccs", 3));
    assert_eq!((settled.stock_left, settled.version), (0, 2));
    assert_eq!(settled.order_ids.iter().flatten().count(), 3);

    let late = job(&sale, "v", p, "k");
    let fenced = ledger
        .settle(&sale.id, p, &driver.next(0..=9), &[&late])
        .await
        .unwrap_err();
    assert_eq!(fenced.fault(), Fault::Fenced);
    // Whoever was turned away by it stays turned away, after a restock too.
    ledger.restock(&sale.id, p, 2, None).await.unwrap();
    let again = settle_batch(ledger, &users, &ids[..4], None).await.unwrap();
    assert_eq!(again.outcomes, "rrrs");
    let mut told = job(&sale, "u3", p, "k");
    told.job_id = JobId(ids[3]);
    let by_new = settle(ledger, &sale, &[told]).await;
    assert_eq!(letters(&by_new), "s");
    assert_law_1(ledger).await;
    // The two batches that were accepted, not the one that came too early nor those of this release.
    assert_eq!(unfenced(ledger, &sale).await, 2);
}

/// Batches of the sale that are counted as not fenced.
async fn unfenced(ledger: &Ledger, sale: &Sale) -> i64 {
    let stocks = ledger.stocks(std::slice::from_ref(&sale.id)).await.unwrap();
    stocks[&sale.id].unfenced_batches
}

#[tokio::test]
async fn its_statements_declare_restock_look_and_release() {
    let services = Services::start().await;
    let ledger = &services.ledger;
    let declare = async |stock: i32| -> (i32, i64) {
        sqlx::query_as(
            "INSERT INTO products AS p (id, name, description, price, stock_quantity, image,
                                        sale_id, declared_stock, max_per_user)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $5, $8)
             ON CONFLICT (id) DO UPDATE SET
               name = excluded.name, description = excluded.description, price = excluded.price,
               image = excluded.image, max_per_user = excluded.max_per_user,
               sold_before = CASE WHEN p.sale_id IS NULL THEN p.sold ELSE p.sold_before END,
               sale_id = excluded.sale_id,
               declared_stock = CASE WHEN p.sale_id IS NULL THEN $5
                 ELSE GREATEST($5, COALESCE(p.declared_stock, $5) - p.stock_quantity) END,
               stock_quantity = CASE WHEN p.sale_id IS NULL THEN $5
                 ELSE GREATEST(p.stock_quantity + $5 - COALESCE(p.declared_stock, $5), 0) END,
               initial_stock = p.sold + CASE WHEN p.sale_id IS NULL THEN $5
                 ELSE GREATEST(p.stock_quantity + $5 - COALESCE(p.declared_stock, $5), 0) END
             WHERE p.sale_id IS NULL OR p.sale_id = excluded.sale_id
             RETURNING stock_quantity, stock_version",
        )
        .bind("p")
        .bind("P")
        .bind(None::<&str>)
        .bind(9_900)
        .bind(stock)
        .bind(None::<&str>)
        .bind("drop")
        .bind(None::<i32>)
        .fetch_one(ledger.pool())
        .await
        .unwrap()
    };
    assert_eq!(declare(5).await.0, 5);
    let mut sale = sale("drop", &[("p", 5)]);
    assert_eq!(ledger.declare(&sale).await.unwrap().levels[0].stock, 5);
    // Edited by the release before, and edited back by this one.
    assert_eq!(declare(8).await.0, 8);
    assert_eq!(ledger.declare(&sale).await.unwrap().levels[0].stock, 5);
    run(
        &services,
        "UPDATE products SET stock_quantity = GREATEST(stock_quantity + 2, 0),
           initial_stock = sold + GREATEST(stock_quantity + 2, 0)",
    )
    .await;
    settle(ledger, &sale, &jobs(&sale, "u", 1)).await;
    let stocks: Vec<(String, String, i32, i64, i32)> = sqlx::query_as(
        "SELECT sale_id, id, stock_quantity, stock_version, GREATEST(sold - sold_before, 0)
           FROM products WHERE sale_id = ANY ($1)",
    )
    .bind(vec!["drop"])
    .fetch_all(ledger.pool())
    .await
    .unwrap();
    assert_eq!((stocks[0].2, stocks[0].4), (6, 1));
    let orders: Vec<(i32, String)> = sqlx::query_as("SELECT id, status FROM orders")
        .fetch_all(ledger.pool())
        .await
        .unwrap();
    assert_eq!(orders.len(), 1);
    run(
        &services,
        "UPDATE products SET sale_id = NULL, declared_stock = NULL WHERE sale_id = 'drop'",
    )
    .await;
    sale.products[0].stock = 4;
    assert_eq!(ledger.declare(&sale).await.unwrap().levels[0].stock, 4);
    let again = settle(
        ledger,
        &sale,
        &[job(&sale, "u0", &sale.products[0].id, "k")],
    )
    .await;
    assert_eq!(letters(&again), "c", "the next sale of the name has begun");
    assert_law_1(ledger).await;
}

/// A ledger whose schema is the one of the release before.
pub(super) async fn before(services: &Services) -> Ledger {
    let (base, _) = services.database_url.rsplit_once('/').unwrap();
    let name = format!("before_{}", Uuid::new_v4().simple());
    let create = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
    sqlx::raw_sql(create)
        .execute(services.ledger.pool())
        .await
        .unwrap();
    let url = format!("{base}/{name}");
    let migrations = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations");
    let migrator = Migrator::new(migrations).await.unwrap();
    let mut connection = PgConnection::connect(&url).await.unwrap();
    migrator
        .run_direct(Some(BEFORE), &mut connection, false)
        .await
        .unwrap();
    Ledger::open(&LedgerConfig {
        url: url.into(),
        tls: flashsale_transport::TlsSource::System,
        connections: 10,
        transaction_pooler: false,
        ping_before_use: true,
        bounds: None,
    })
    .unwrap()
}

pub(super) const OLD_LEDGER: &str = "
    INSERT INTO products (id, name, price, stock_quantity, sale_id, declared_stock)
      VALUES ('p', 'P', 9900, 50, 'drop', 50), ('free', 'F', 9900, 50, NULL, NULL);
    SELECT settle_batch('drop', 'p', ARRAY(SELECT gen_random_uuid() FROM generate_series(1, 9)),
      ARRAY(SELECT 'u' || n FROM generate_series(0, 8) n), array_fill('k'::text, ARRAY[9]));
    INSERT INTO orders (user_id, product_id, sale_id, job_id, idempotency_key, price, status)
      SELECT 'u', 'free', sale, gen_random_uuid(), 'k', 1, 'COMPLETED'
        FROM unnest(ARRAY['past', 'older']) AS sale;
    UPDATE products SET sold = 2, initial_stock = 52 WHERE id = 'free'";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_schema_is_migrated_while_it_sells_by_two_processes_at_once() {
    let services = Services::start().await;
    let ledger = before(&services).await;
    sqlx::raw_sql(OLD_LEDGER)
        .execute(ledger.pool())
        .await
        .unwrap();
    let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
    let selling = async {
        let mut sold = 0;
        while stopped.try_recv().is_err() && sold < 30 {
            let user = format!("meanwhile{sold}");
            settle_batch(&ledger, &[&user], &[Uuid::now_v7()], None)
                .await
                .unwrap();
            sold += 1;
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        sold
    };
    let migrating = async {
        let (first, second) = tokio::join!(ledger.migrate(), ledger.migrate());
        first.unwrap();
        second.unwrap();
        stop.send(()).ok();
    };
    let (sold, ()) = tokio::join!(selling, migrating);
    assert_law_1(&ledger).await;

    // The sale that is on goes on, with the keys it has.
    let on = sale("drop", &[("p", 50)]);
    let declared = ledger.declare(&on).await.unwrap();
    assert_eq!(declared.levels[0].stock, 50 - 9 - sold);
    let again = settle(&ledger, &on, &jobs(&on, "u", 9)).await;
    assert_eq!(letters(&again), "rrrrrrrrr");
    assert_eq!(order_ids(&again), (1..=9).collect::<Vec<i64>>());
    // A name whose sale is over begins anew.
    let past = sale("past", &[("free", 3)]);
    ledger.declare(&past).await.unwrap();
    let p = &past.products[0].id;
    let settled = settle(&ledger, &past, &[job(&past, "u", p, "k")]).await;
    assert_eq!(letters(&settled), "c");
    assert_law_1(&ledger).await;
}

#[tokio::test]
async fn a_schema_of_a_later_release_is_left_as_it_is() {
    let services = Services::start().await;
    run(
        &services,
        "INSERT INTO _sqlx_migrations SELECT 9000, 'later', now(), true, checksum, 1
           FROM _sqlx_migrations WHERE version = 1",
    )
    .await;
    let newer = services.ledger.migrate().await.unwrap();
    assert!(
        matches!(newer, Migrated::Newer { schema: 9000, release } if release < 9000),
        "{newer:?}"
    );
    run(
        &services,
        "UPDATE _sqlx_migrations SET version = 0 WHERE version = 9000",
    )
    .await;
    assert!(
        services.ledger.migrate().await.is_err(),
        "one that is missing in between"
    );
}
