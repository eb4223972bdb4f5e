//! What each failure of a real server means for the batch that met it.

use std::time::Duration;

use flashsale_domain::{job::Job, sale::Sale};
use flashsale_ledger::{Fault, Ledger, LedgerConfig, LedgerError, WaitReason};
use flashsale_testbed::fixtures::{
    queue::job,
    sales::{open, sale},
    services::Services,
};
use sqlx::Connection;

use super::{assert_law_1, letters, run, settle, until_waiting};

async fn opened(stock: i32) -> (Services, Sale) {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", stock)]);
    open(&services, &sale).await;
    (services, sale)
}

/// A ledger whose sessions have `setting`.
fn with_setting(services: &Services, setting: &str) -> Ledger {
    Ledger::open(&LedgerConfig {
        url: format!("{}?options=-c%20{setting}", services.database_url).into(),
        tls: flashsale_transport::TlsSource::System,
        connections: 2,
        transaction_pooler: false,
        ping_before_use: false,
        bounds: None,
    })
    .unwrap()
}

/// What a job of `user` meets.
async fn fault(ledger: &Ledger, sale: &Sale, user: &str) -> Fault {
    let p = &sale.products[0].id;
    let job = job(sale, user, p, "k");
    let error = ledger.settle_alone(&sale.id, p, &[&job]).await.unwrap_err();
    assert_eq!(
        error.is_outage(),
        matches!(error.fault(), Fault::Server(_) | Fault::TooSlow),
        "{error}"
    );
    error.fault()
}

#[tokio::test]
async fn every_sqlstate_says_what_to_do() {
    let (services, sale) = opened(9).await;
    run(
        &services,
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
           BEGIN RAISE EXCEPTION 'as asked' USING ERRCODE = right(NEW.user_id, 5); END $$;
         CREATE TRIGGER fail BEFORE INSERT ON orders
           FOR EACH ROW WHEN (NEW.user_id LIKE 'code-%') EXECUTE FUNCTION fail()",
    )
    .await;
    let waits = [
        ("08006", WaitReason::Unreachable),
        ("25006", WaitReason::ReadOnly),
        ("25P03", WaitReason::Unreachable),
        ("28000", WaitReason::Unreachable),
        ("2200H", WaitReason::IdsExhausted),
        ("3D000", WaitReason::Schema),
        ("3F000", WaitReason::Schema),
        ("40001", WaitReason::Locked),
        ("40P01", WaitReason::Locked),
        ("42501", WaitReason::NotPermitted),
        ("42P05", WaitReason::Other),
        ("42883", WaitReason::Schema),
        ("53100", WaitReason::Other),
        ("53300", WaitReason::TooManyConnections),
        ("55P03", WaitReason::Locked),
        ("57P01", WaitReason::Unreachable),
        ("57P03", WaitReason::Unreachable),
        ("FS002", WaitReason::NotOffered),
        ("XX000", WaitReason::Other),
        ("Q0001", WaitReason::Other),
    ];
    let waits = waits.map(|(code, reason)| (code, Fault::Server(reason)));
    let others = [
        ("57014", Fault::TooSlow),
        ("FS001", Fault::Fenced),
        ("FS003", Fault::OutOfTurn),
    ];
    let rows = [
        "21000", "22012", "23514", "38000", "39000", "44000", "54000", "P0001",
    ];
    let rows = rows.map(|code| (code, Fault::Row));
    for (code, expected) in waits.into_iter().chain(others).chain(rows) {
        let met = fault(&services.ledger, &sale, &format!("code-{code}")).await;
        assert_eq!(met, expected, "{code}");
    }
    assert_law_1(&services.ledger).await;
}

#[tokio::test]
async fn a_row_held_by_somebody_is_a_lock_and_a_statement_timeout_is_too_slow() {
    let (services, sale) = opened(9).await;
    let mut holder = services.ledger.pool().begin().await.unwrap();
    sqlx::query("SELECT 1 FROM products FOR UPDATE")
        .execute(&mut *holder)
        .await
        .unwrap();
    for (setting, expected) in [
        ("lock_timeout=50", Fault::Server(WaitReason::Locked)),
        ("statement_timeout=50", Fault::TooSlow),
    ] {
        let ledger = with_setting(&services, setting);
        assert_eq!(fault(&ledger, &sale, "u").await, expected, "{setting}");
    }
}

#[tokio::test]
async fn a_server_that_takes_no_writes_is_said_to_be_read_only() {
    let (services, sale) = opened(9).await;
    let ledger = with_setting(&services, "default_transaction_read_only=on");
    let met = fault(&ledger, &sale, "u").await;
    assert_eq!(met, Fault::Server(WaitReason::ReadOnly));
}

#[tokio::test]
async fn a_row_changed_meanwhile_is_tried_again_under_strict_isolation() {
    let (services, sale) = opened(9).await;
    let ledger = with_setting(&services, "default_transaction_isolation=serializable");
    let mut other = services.ledger.pool().begin().await.unwrap();
    sqlx::query("UPDATE products SET price = 2")
        .execute(&mut *other)
        .await
        .unwrap();
    let commit = async {
        until_waiting(&services.ledger, 1).await;
        other.commit().await.unwrap();
    };
    let (met, ()) = tokio::join!(fault(&ledger, &sale, "u"), commit);
    assert_eq!(met, Fault::Server(WaitReason::Locked));
    let settled = settle(
        &ledger,
        &sale,
        &[job(&sale, "u", &sale.products[0].id, "k")],
    )
    .await;
    assert_eq!(letters(&settled), "c");
}

#[tokio::test]
async fn what_cannot_be_connected_to_says_why() {
    let services = Services::start().await;
    run(
        &services,
        "DROP ROLE IF EXISTS nobody_more; CREATE ROLE nobody_more LOGIN CONNECTION LIMIT 0 PASSWORD 'x'",
    )
    .await;
    let (rest, _) = services.database_url.rsplit_once('/').unwrap();
    let (_, host) = rest.rsplit_once('@').unwrap();
    for (url, expected) in [
        (format!("{rest}/nowhere"), WaitReason::Schema),
        (
            format!("postgres://nobody_more:x@{host}/postgres"),
            WaitReason::TooManyConnections,
        ),
        (
            "postgres://127.0.0.1:1/x".to_owned(),
            WaitReason::Unreachable,
        ),
    ] {
        let error = sqlx::PgConnection::connect(&url).await.unwrap_err();
        let error = LedgerError::from(error);
        assert_eq!(error.fault(), Fault::Server(expected), "{error}");
    }
    // A pool only knows that no connection came in time.
    let nowhere = Ledger::open(&LedgerConfig {
        url: "postgres://shop:secret@127.0.0.1:1/x".into(),
        tls: flashsale_transport::TlsSource::System,
        connections: 1,
        transaction_pooler: false,
        ping_before_use: false,
        bounds: None,
    });
    let refusal = nowhere.unwrap().refusal(Duration::from_secs(10)).await;
    let refusal = refusal.unwrap();
    assert!(refusal.contains("refused"), "{refusal}");
    assert!(refusal.ends_with("(127.0.0.1:1)"), "{refusal}");
    let refusal = services.ledger.refusal(Duration::from_secs(10)).await;
    assert_eq!(refusal, None);
}

#[tokio::test]
async fn a_ledger_without_its_function_waits_to_be_migrated() {
    let (services, sale) = opened(9).await;
    run(&services, "DROP FUNCTION take_over").await;
    let met = fault(&services.ledger, &sale, "u").await;
    assert_eq!(met, Fault::Server(WaitReason::Schema));
}

#[tokio::test]
async fn no_job_is_blamed_for_a_constraint_that_jobs_cannot_break() {
    let (services, sale) = opened(9).await;
    run(
        &services,
        "ALTER TABLE products ADD CONSTRAINT nothing_is_sold CHECK (sold = 0)",
    )
    .await;
    let met = fault(&services.ledger, &sale, "u").await;
    assert_eq!(met, Fault::Server(WaitReason::Other));
    run(
        &services,
        "ALTER TABLE products DROP CONSTRAINT nothing_is_sold;
         ALTER TABLE orders ADD CONSTRAINT no_bad_one CHECK (user_id <> 'bad')",
    )
    .await;
    assert_eq!(fault(&services.ledger, &sale, "bad").await, Fault::Row);
}

#[tokio::test]
async fn only_the_constraints_of_job_and_key_make_a_repeat() {
    let (services, sale) = opened(9).await;
    run(
        &services,
        "CREATE UNIQUE INDEX once_ever ON orders (user_id)",
    )
    .await;
    let p = &sale.products[0].id;
    settle(&services.ledger, &sale, &[job(&sale, "u", p, "first")]).await;
    assert_eq!(
        fault(&services.ledger, &sale, "u").await,
        Fault::Row,
        "told nothing, rather than that nothing is left"
    );
}

#[tokio::test]
async fn order_ids_that_ran_out_cost_nobody_a_buy() {
    let (services, sale) = opened(9).await;
    run(
        &services,
        "ALTER SEQUENCE orders_id_seq MAXVALUE 3; SELECT setval('orders_id_seq', 2)",
    )
    .await;
    let p = &sale.products[0].id;
    let batch = ["u", "v", "w"].map(|user| job(&sale, user, p, "k"));
    let refs: Vec<&Job> = batch.iter().collect();
    let error = services
        .ledger
        .settle_alone(&sale.id, p, &refs)
        .await
        .unwrap_err();
    assert_eq!(error.fault(), Fault::Server(WaitReason::IdsExhausted));
    run(
        &services,
        "ALTER SEQUENCE orders_id_seq MAXVALUE 2147483647",
    )
    .await;
    let settled = settle(&services.ledger, &sale, &batch).await;
    assert_eq!(letters(&settled), "ccc");
    assert_law_1(&services.ledger).await;
}

#[tokio::test]
async fn jobs_of_a_product_that_the_sale_does_not_offer_wait_for_its_declaration() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 9)]);
    let stray = job(&sale, "u", &sale.products[0].id, "k");
    let error = services
        .ledger
        .settle_alone(&sale.id, &sale.products[0].id, &[&stray])
        .await
        .unwrap_err();
    assert_eq!(error.fault(), Fault::Server(WaitReason::NotOffered));
    assert!(error.is_outage(), "no job is to blame: {error}");
}
