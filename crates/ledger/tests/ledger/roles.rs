//! What each role may do, tried by logging in as it, and what it may not.

use std::path::Path;

use flashsale_domain::{job::Job, sale::Sale};
use flashsale_ledger::{
    Claim, Fault, Ledger, LedgerClient, LedgerError, Outcomes, Succession, WaitReason,
};
use flashsale_testbed::fixtures::{
    queue::job,
    roles::{Logins, address, ledger_at, login, roles_of},
    sales::{open, sale},
    services::Services,
};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, migrate::Migrator};
use uuid::Uuid;

use super::{assert_law_1, jobs, letters, run};

/// The schema of the release before ends with this migration.
const BEFORE: i64 = 30;

const OUR_TABLES: &str = "products, orders, sales, rejections, restocks, order_events, payments, payment_events, _sqlx_migrations";

async fn opened(stock: i32) -> (Services, Logins, Sale) {
    let services = Services::start().await;
    let logins = Logins::create(&services.ledger, &services.database_url).await;
    let sale = sale("drop", &[("p", stock)]);
    open(&services, &sale).await;
    (services, logins, sale)
}

/// What a worker does with a lane: takes it over and settles one batch.
async fn drive(ledger: &Ledger, sale: &Sale, jobs: &[Job]) -> Result<String, LedgerError> {
    let p = &sale.products[0].id;
    let mut expected = None;
    let takeover = loop {
        match ledger.take_over_from(&sale.id, p, expected).await? {
            Succession::Done(takeover) => break takeover,
            Succession::Present(present) => expected = present,
        }
    };
    let jobs: Vec<&Job> = jobs.iter().collect();
    let turn = takeover.next(0..=i64::MAX);
    Ok(letters(&ledger.settle(&sale.id, p, &turn, &jobs).await?))
}

/// The SQLSTATE that `statement` meets at `url`, or nothing if it passes.
async fn sqlstate(url: &str, statement: &str) -> Option<String> {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let answer = sqlx::raw_sql(AssertSqlSafe(statement.to_owned()))
        .execute(&mut connection)
        .await;
    let error = answer.err()?;
    let error = error.into_database_error().unwrap();
    Some(error.code().unwrap().into_owned())
}

async fn assert_refused(url: &str, statements: &[&str]) {
    for statement in statements {
        let met = sqlstate(url, statement).await;
        assert_eq!(met.as_deref(), Some("42501"), "{statement}");
    }
}

#[tokio::test]
async fn a_worker_settles_a_sale_and_a_gateway_reads_its_orders() {
    let (services, logins, sale) = opened(3).await;
    let (worker, gateway) = (ledger_at(&logins.worker), ledger_at(&logins.gateway));
    worker.check_writable().await.unwrap();
    worker.check_rights(LedgerClient::Worker).await.unwrap();
    gateway.check_rights(LedgerClient::Gateway).await.unwrap();

    let batch = jobs(&sale, "u", 5);
    assert_eq!(drive(&worker, &sale, &batch).await.unwrap(), "cccss");
    assert_eq!(drive(&worker, &sale, &batch).await.unwrap(), "rrrss");
    let order = gateway.order_of_job(batch[0].job_id).await.unwrap();
    assert_eq!(order.unwrap().user_id, "u0");
    assert_eq!(gateway.order_of_job(batch[4].job_id).await.unwrap(), None);
    assert_law_1(&services.ledger).await;
}

#[tokio::test]
async fn a_worker_raises_the_order_numbers_as_part_of_a_takeover() {
    let (services, logins, sale) = opened(9).await;
    let worker = ledger_at(&logins.worker);
    assert!(worker.raise_order_numbers(5_000).await.unwrap());
    assert!(!worker.raise_order_numbers(4_000).await.unwrap());
    let mut queue = services.queue.clone();
    flashsale_recovery::keep_order_numbers(&worker, &mut queue, &sale.id)
        .await
        .unwrap();
    let batch = jobs(&sale, "u", 1);
    assert_eq!(drive(&worker, &sale, &batch).await.unwrap(), "c");
    let order = services.ledger.order_of_job(batch[0].job_id).await.unwrap();
    assert_eq!(order.unwrap().id, 5_001);
}

#[tokio::test]
async fn the_owner_does_all_that_the_operator_and_the_tools_do() {
    let (services, logins, mut sale) = opened(9).await;
    let owner = ledger_at(&logins.owner);
    let p = sale.products[0].id.clone();
    sale.products[0].stock = 5;
    assert_eq!(owner.declare(&sale).await.unwrap().levels[0].stock, 5);
    let restocked = owner.restock(&sale.id, &p, 2, Some(Uuid::now_v7())).await;
    assert_eq!(restocked.unwrap().level.stock, 7);
    let worker = ledger_at(&logins.worker);
    let batch = jobs(&sale, "u", 8);
    assert_eq!(
        drive(&worker, &sale, &batch).await.unwrap(),
        "ccccccc".to_owned() + "s"
    );
    assert_eq!(owner.oversold(&sale.id).await.unwrap(), 0);
    assert_eq!(owner.stock(&sale.id).await.unwrap()[0].stock, 0);
    let mut outcomes = Outcomes::of(&sale.id);
    let mut decided = 0;
    while let Some(page) = owner.next_outcomes(&mut outcomes).await.unwrap() {
        decided += page.len();
    }
    assert_eq!(decided, 8);
    owner.restock(&sale.id, &p, 1, None).await.unwrap();
    let lost = job(&sale, "lost", &p, "k");
    let claim = Claim {
        job: lost.job_id,
        user: lost.data.user_id,
        key: lost.data.idempotency_key,
        told: 900,
        is_paid: true,
    };
    let repaired = owner.settle_again(&sale.id, &p, &[claim]).await.unwrap();
    assert_eq!(repaired.repairs[0].order(), Some(900));
    owner.widen_orders().await.unwrap();
    owner.migrate().await.unwrap();
    owner.create_roles(&logins.roles).await.unwrap();
    owner.release(&sale.id).await.unwrap();
    assert_law_1(&services.ledger).await;
}

#[tokio::test]
async fn a_gateway_can_change_nothing_and_reads_what_it_shows() {
    let (services, logins, sale) = opened(3).await;
    let worker = ledger_at(&logins.worker);
    drive(&worker, &sale, &jobs(&sale, "u", 1)).await.unwrap();
    let gateway = &logins.gateway;
    let shown = "SELECT id, job_id, user_id, product_id, sale_id, status FROM orders";
    assert_eq!(sqlstate(gateway, shown).await, None);
    for table in OUR_TABLES.split(", ") {
        let all = format!("SELECT * FROM {table}");
        let delete = format!("DELETE FROM {table}");
        let truncate = format!("TRUNCATE {table}");
        let own = format!("ALTER TABLE {table} OWNER TO CURRENT_USER");
        let insert = format!("INSERT INTO {table} DEFAULT VALUES");
        assert_refused(gateway, &[&all, &delete, &truncate, &own, &insert]).await;
    }
    assert_refused(
        gateway,
        &[
            "SELECT price FROM orders",
            "SELECT idempotency_key FROM orders",
            "SELECT id FROM orders FOR UPDATE",
            "UPDATE orders SET status = 'CANCELLED'",
            "UPDATE products SET stock_quantity = 1, sold = 0",
            "SELECT settle_jobs('drop', 'p', NULL, 1, 0, 0, '{}', '{}', '{}')",
            "SELECT settle_jobs('drop', 'p', NULL, 1, 0, 0, '{}', '{}', '{}', '{}')",
            "SELECT take_over('drop', 'p', gen_random_uuid())",
            "SELECT take_over_from('drop', 'p', gen_random_uuid(), NULL)",
            "SELECT raise_order_ids(9)",
            "SELECT nextval('orders_id_seq')",
            "SELECT last_value FROM orders_id_seq",
            "CREATE TABLE mine (id int)",
            "CREATE ROLE another",
        ],
    )
    .await;
    assert_law_1(&services.ledger).await;
}

#[tokio::test]
async fn a_worker_changes_stock_by_settling_alone() {
    let (services, logins, sale) = opened(3).await;
    let worker = ledger_at(&logins.worker);
    drive(&worker, &sale, &jobs(&sale, "u", 1)).await.unwrap();
    for table in OUR_TABLES.split(", ") {
        let all = format!("SELECT * FROM {table}");
        let delete = format!("DELETE FROM {table}");
        let truncate = format!("TRUNCATE {table}");
        let drop = format!("DROP TABLE {table}");
        let insert = format!("INSERT INTO {table} DEFAULT VALUES");
        assert_refused(&logins.worker, &[&all, &delete, &truncate, &drop, &insert]).await;
    }
    assert_refused(
        &logins.worker,
        &[
            "UPDATE products SET stock_quantity = stock_quantity + 1, initial_stock = initial_stock + 1",
            "SELECT FROM products FOR UPDATE",
            "UPDATE orders SET status = 'CANCELLED'",
            "SELECT settle_locked('drop', 'p', NULL, 1, false, 0, 0, '{}', '{}', '{}')",
            "SELECT settle_locked('drop', 'p', NULL, 1, false, 0, 0, '{}', '{}', '{}', '{}')",
            "SELECT settle_batch('drop', 'p', '{}', '{}', '{}')",
            "SELECT take_over('drop', 'p', gen_random_uuid())",
            "SELECT setval('orders_id_seq', 1)",
            "SELECT nextval('orders_id_seq')",
            "ALTER TABLE orders DISABLE TRIGGER ALL",
            "CREATE TABLE mine (id int)",
            "CREATE FUNCTION unnest(uuid[]) RETURNS SETOF uuid LANGUAGE sql AS 'SELECT NULL::uuid'",
            "CREATE OR REPLACE FUNCTION raise_order_ids(p_least bigint) RETURNS void LANGUAGE sql AS ''",
            "CREATE ROLE another",
        ],
    )
    .await;
    assert_law_1(&services.ledger).await;
}

/// What runs with the owner's rights must not be talked into touching what the caller made.
#[tokio::test]
async fn temporary_objects_of_a_worker_do_not_stand_before_the_tables() {
    let (services, logins, sale) = opened(3).await;
    let worker = ledger_at(&logins.worker);
    sqlx::raw_sql(
        "CREATE TEMP TABLE products (id text, sale_id text, driver uuid, batch bigint);
         CREATE TEMP TABLE orders (id int, job_id uuid);
         INSERT INTO pg_temp.products VALUES ('p', 'drop', NULL, 7)",
    )
    .execute(&mut *worker.pool().acquire().await.unwrap())
    .await
    .unwrap();
    assert_eq!(worker.pool().size(), 1, "the next call meets those tables");
    let batch = jobs(&sale, "u", 2);
    assert_eq!(drive(&worker, &sale, &batch).await.unwrap(), "cc");
    let order = services.ledger.order_of_job(batch[1].job_id).await.unwrap();
    assert!(order.is_some());
}

/// A takeover waits for no disk: the setting has to outlive the function that makes it.
#[tokio::test]
async fn a_takeover_is_still_committed_without_waiting_for_the_disk() {
    let (_services, logins, _sale) = opened(3).await;
    let mut connection = PgConnection::connect(&logins.worker).await.unwrap();
    let mut transaction = connection.begin().await.unwrap();
    sqlx::query("SELECT take_over_from('drop', 'p', gen_random_uuid(), NULL)")
        .execute(&mut *transaction)
        .await
        .unwrap();
    let setting: String = sqlx::query_scalar("SHOW synchronous_commit")
        .fetch_one(&mut *transaction)
        .await
        .unwrap();
    assert_eq!(setting, "off");
}

#[tokio::test]
async fn a_right_that_is_missing_is_named_with_what_grants_it() {
    let (services, logins, sale) = opened(3).await;
    let (worker, gateway) = (ledger_at(&logins.worker), ledger_at(&logins.gateway));
    let of_gateway = gateway
        .check_rights(LedgerClient::Worker)
        .await
        .unwrap_err();
    let (name, _) = logins.gateway.rsplit_once(":a-password").unwrap();
    let name = name.trim_start_matches("postgres://");
    assert_eq!(
        of_gateway.to_string(),
        format!(
            "role {name} lacks EXECUTE on the function settle_jobs: run `flashsale migrate \
             --create-roles`, and make it a member of the role for workers"
        )
    );
    let error = worker
        .check_rights(LedgerClient::Gateway)
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("SELECT on the column id of the table orders")
    );
    // Found out later, it is the server's fault, and whoever asked waits.
    let refused = drive(&gateway, &sale, &jobs(&sale, "u", 1))
        .await
        .unwrap_err();
    assert_eq!(refused.fault(), Fault::Server(WaitReason::NotPermitted));
    assert!(refused.is_outage() && !refused.is_schema_missing());
    assert!(
        refused
            .to_string()
            .contains("flashsale migrate --create-roles"),
        "{refused}"
    );

    run(&services, "REVOKE SELECT (status) ON orders FROM PUBLIC").await;
    let revoke = format!(
        "REVOKE SELECT (status) ON orders FROM {}",
        logins.roles.gateway
    );
    sqlx::raw_sql(AssertSqlSafe(revoke))
        .execute(services.ledger.pool())
        .await
        .unwrap();
    let error = gateway
        .check_rights(LedgerClient::Gateway)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("the column status"), "{error}");
    services.ledger.create_roles(&logins.roles).await.unwrap();
    gateway.check_rights(LedgerClient::Gateway).await.unwrap();
}

#[tokio::test]
async fn widened_order_ids_are_still_read_by_gateways() {
    let (services, logins, sale) = opened(3).await;
    let (worker, gateway) = (ledger_at(&logins.worker), ledger_at(&logins.gateway));
    let batch = jobs(&sale, "u", 1);
    drive(&worker, &sale, &batch).await.unwrap();
    services.ledger.widen_orders().await.unwrap();
    gateway.check_rights(LedgerClient::Gateway).await.unwrap();
    let order = gateway.order_of_job(batch[0].job_id).await.unwrap();
    assert!(order.is_some());
    assert_eq!(
        drive(&worker, &sale, &jobs(&sale, "v", 1)).await.unwrap(),
        "c"
    );
}

/// Objects in the schema that the owner's role does not own.
async fn not_owned(ledger: &Ledger, owner: &str) -> Vec<String> {
    sqlx::query_scalar(
        "SELECT oid::regclass::text FROM pg_class
           WHERE relnamespace = 'public'::regnamespace AND relowner <> $1::regrole
         UNION ALL
         SELECT oid::regprocedure::text FROM pg_proc
           WHERE pronamespace = 'public'::regnamespace AND proowner <> $1::regrole",
    )
    .bind(owner)
    .fetch_all(ledger.pool())
    .await
    .unwrap()
}

/// A database at the schema of the release before, owned by a login role that has no right but
/// `rights`; its address, and a ledger connected so.
async fn of_an_administrator(services: &Services, rights: &str) -> (String, Ledger) {
    let name = format!("shop_{}", Uuid::new_v4().simple());
    let statements = [
        format!("CREATE ROLE {name} LOGIN PASSWORD 'a-password' {rights}"),
        format!("CREATE DATABASE {name} OWNER {name}"),
    ];
    for statement in statements {
        sqlx::raw_sql(AssertSqlSafe(statement))
            .execute(services.ledger.pool())
            .await
            .unwrap();
    }
    let (base, _) = services.database_url.rsplit_once('/').unwrap();
    let url = address(&format!("{base}/{name}"), &name);
    let migrations = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations");
    let mut connection = PgConnection::connect(&url).await.unwrap();
    Migrator::new(migrations)
        .await
        .unwrap()
        .run_direct(Some(BEFORE), &mut connection, false)
        .await
        .unwrap();
    let ledger = ledger_at(&url);
    (url, ledger)
}

#[tokio::test]
async fn roles_are_made_without_a_superuser_before_and_after_a_migration() {
    let services = Services::start().await;
    let (url, administrator) = of_an_administrator(&services, "CREATEROLE").await;
    let roles = roles_of(&url);
    assert!(!administrator.has_roles().await.unwrap());
    administrator.create_roles(&roles).await.unwrap();
    administrator.migrate().await.unwrap();
    assert!(administrator.has_roles().await.unwrap());
    administrator.create_roles(&roles).await.unwrap();
    administrator.create_roles(&roles).await.unwrap();
    assert_eq!(
        not_owned(&administrator, &roles.owner.to_string()).await,
        Vec::<String>::new()
    );
    assert!(!administrator.anyone_may_create().await.unwrap());

    let worker = login(&services.ledger, &url, "w", &roles.worker.to_string()).await;
    let gateway = login(&services.ledger, &url, "g", &roles.gateway.to_string()).await;
    let sale = sale("drop", &[("p", 2)]);
    administrator.declare(&sale).await.unwrap();
    let batch = jobs(&sale, "u", 3);
    let settled = drive(&ledger_at(&worker), &sale, &batch).await;
    assert_eq!(settled.unwrap(), "ccs");
    let order = ledger_at(&gateway)
        .order_of_job(batch[1].job_id)
        .await
        .unwrap();
    assert!(order.is_some());
    assert_law_1(&administrator).await;
}

/// Settles two jobs by the function that knows no prices.
async fn settle_without_prices(ledger: &Ledger, sale: &Sale, user: &str) -> Vec<i64> {
    let p = &sale.products[0].id;
    let jobs = jobs(sale, user, 2);
    let turn = ledger.take_over(&sale.id, p).await.unwrap().next(0..=9);
    let ids: Vec<Uuid> = jobs.iter().map(|job| job.job_id.0).collect();
    let users: Vec<&str> = jobs.iter().map(|job| job.data.user_id.as_str()).collect();
    sqlx::query_scalar(
        "SELECT unnest(order_ids) FROM settle_jobs('drop', 'p', $1, $2, 0, 9, $3, $4, $5)",
    )
    .bind(turn.driver)
    .bind(turn.batch)
    .bind(ids)
    .bind(users)
    .bind(vec!["k"; jobs.len()])
    .fetch_all(ledger.pool())
    .await
    .unwrap()
}

#[tokio::test]
async fn workers_of_the_release_before_settle_as_the_owner_meanwhile() {
    let services = Services::start().await;
    let (url, before) = of_an_administrator(&services, "CREATEROLE").await;
    let roles = roles_of(&url);
    let sale = sale("drop", &[("p", 9)]);
    // As its operator declares; ours writes columns that are not there yet.
    sqlx::raw_sql(
        "INSERT INTO products (id, name, price, stock_quantity, sale_id, declared_stock, manifest_stock)
         VALUES ('p', 'P', 1, 9, 'drop', 9, 9)",
    )
    .execute(before.pool())
    .await
    .unwrap();
    let mut settled = Vec::new();
    for (step, user) in ["a", "b", "c"].into_iter().enumerate() {
        match step {
            1 => drop(before.migrate().await.unwrap()),
            2 => before.create_roles(&roles).await.unwrap(),
            _ => {}
        }
        settled.extend(settle_without_prices(&before, &sale, user).await);
        // What its readiness asks.
        sqlx::query("SELECT FROM products WHERE false FOR UPDATE")
            .execute(before.pool())
            .await
            .unwrap();
    }
    assert_eq!(settled.len(), 6);
    let other: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM orders JOIN products ON products.id = product_id
          WHERE orders.price IS DISTINCT FROM products.price",
    )
    .fetch_one(before.pool())
    .await
    .unwrap();
    assert_eq!(other, 0, "orders have the price at settlement");
    assert_law_1(&before).await;
}

#[tokio::test]
async fn without_createrole_an_administrator_is_asked_for_and_then_suffices() {
    let services = Services::start().await;
    let (url, owner) = of_an_administrator(&services, "NOCREATEROLE").await;
    owner.migrate().await.unwrap();
    let roles = roles_of(&url);
    let error = owner.create_roles(&roles).await.unwrap_err();
    assert!(
        matches!(error, LedgerError::MayNotCreateRoles { .. }),
        "{error}"
    );
    let told = error.to_string();
    for part in [&roles.owner, &roles.worker, &roles.gateway] {
        assert!(told.contains(&part.to_string()), "{told}");
    }
    assert!(told.contains("CREATEROLE"), "{told}");
    for name in [&roles.owner, &roles.worker, &roles.gateway] {
        let create = format!("CREATE ROLE {name} NOLOGIN");
        sqlx::raw_sql(AssertSqlSafe(create))
            .execute(services.ledger.pool())
            .await
            .unwrap();
    }
    let error = owner.create_roles(&roles).await.unwrap_err();
    assert!(matches!(error, LedgerError::MayNotGrant { .. }), "{error}");
    let grant = error.to_string();
    let grant = grant.split('`').nth(1).unwrap();
    assert!(grant.starts_with("GRANT "), "{grant}");
    sqlx::raw_sql(AssertSqlSafe(grant.to_owned()))
        .execute(services.ledger.pool())
        .await
        .unwrap();
    owner.create_roles(&roles).await.unwrap();
    assert_eq!(
        not_owned(&owner, &roles.owner.to_string()).await,
        Vec::<String>::new()
    );
}

/// `docs/install.md` has the SQL for those who run it by hand.
#[test]
fn the_sql_of_the_documentation_is_the_one_that_runs() {
    let page = include_str!("../../../../docs/install.md");
    let (_, block) = page
        .split_once("```sql\n-- crates/ledger/src/roles.sql\n")
        .unwrap();
    let (block, _) = block.split_once("\n```").unwrap();
    assert_eq!(block.trim(), flashsale_ledger::ROLES_SQL.trim());
}
