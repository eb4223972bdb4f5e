//! What a real PostgreSQL tells about how it keeps its data.
#![allow(
    clippy::unwrap_used,
    reason = "tests say by unwrapping what they take for granted"
)]

use std::time::Duration;

use flashsale_domain::durability::judge_ledger;
use flashsale_ledger::{Ledger, LedgerConfig};
use flashsale_testbed::{
    data_dir::DataDir,
    fixtures::{patience::until, services::Services},
    postgres::Postgres,
};
use sqlx::{Connection as _, PgConnection};

const PATIENCE: Duration = Duration::from_secs(30);

async fn judged(url: &str) -> (Option<bool>, &'static str) {
    let ledger = Ledger::open(&LedgerConfig {
        url: url.into(),
        connections: 1,
        transaction_pooler: false,
        ping_before_use: true,
        bounds: None,
        tls: flashsale_transport::TlsSource::System,
    });
    let found = judge_ledger(&ledger.unwrap().settings().await.unwrap());
    (found.holds, found.reason.as_str())
}

#[tokio::test]
async fn postgres_tells_what_a_session_commits_by() {
    let services = Services::start().await;
    let plain = judged(&services.database_url).await;
    assert_eq!(plain, (Some(true), "SingleCopy"));
    let url = format!(
        "{}?options=-c%20synchronous_commit%3Doff",
        services.database_url
    );
    let off = judged(&url).await;
    assert_eq!(off, (Some(false), "SynchronousCommitOff"));
}

#[tokio::test]
async fn postgres_tells_of_its_standbys() {
    let data_dir = DataDir::temporary().unwrap();
    let primary = Postgres::start(&data_dir).await.unwrap();
    let address = ([127, 0, 0, 1], primary.port()).into();
    let standby_dir = DataDir::temporary().unwrap();
    let mut standby = primary.replica(&standby_dir, address).await.unwrap();
    let mut connection = PgConnection::connect(&primary.url()).await.unwrap();
    let url = primary.url();
    until("the standby follows", PATIENCE, || async {
        judged(&url).await == (Some(false), "AsyncStandbys")
    })
    .await;
    // Each statement by itself: ALTER SYSTEM cannot run in a transaction.
    for statement in [
        "CREATE ROLE plain LOGIN PASSWORD 'plain'",
        "ALTER SYSTEM SET synchronous_standby_names = '*'",
        "SELECT pg_reload_conf()",
    ] {
        sqlx::raw_sql(statement)
            .execute(&mut connection)
            .await
            .unwrap();
    }
    until("commits wait for the standby", PATIENCE, || async {
        judged(&url).await == (Some(true), "SynchronousStandby")
    })
    .await;
    let (_, rest) = url.split_once('@').unwrap();
    let plain = judged(&format!("postgres://plain:plain@{rest}")).await;
    assert_eq!(plain, (None, "StandbysNotVisible"));
    standby.kill().await.unwrap();
    until("the standby is missed", PATIENCE, || async {
        judged(&url).await == (Some(false), "NoSynchronousStandby")
    })
    .await;
}
