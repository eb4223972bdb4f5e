//! What real stores tell about how they keep their data.
#![allow(
    clippy::unwrap_used,
    reason = "tests say by unwrapping what they take for granted"
)]

use std::time::Duration;

use flashsale_core::{
    connect::{self, LedgerConfig},
    durability::{judge_ledger, judge_redis, read_redis},
    keys::SaleKeys,
};
use flashsale_testbed::{
    data_dir::DataDir,
    fixtures::{patience::until, sales::sale, services::Services},
    postgres::Postgres,
    redis::Redis,
};
use sqlx::{Connection as _, PgConnection};

const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn redis_tells_of_its_replicas() {
    let services = Services::start().await;
    let keys = SaleKeys::new(&sale("drop", &[("p", 5)]).id);
    let judged = async |wanted| {
        let mut queue = services.queue.clone();
        let settings = read_redis(&mut queue, &keys).await.unwrap();
        let found = judge_redis(&settings, wanted);
        (found.holds, found.reason.as_str())
    };
    assert_eq!(judged(0).await, (Some(true), "SingleCopy"));
    assert_eq!(judged(1).await, (Some(false), "TooFewReplicas"));
    let data_dir = DataDir::temporary().unwrap();
    let mut replica = Redis::start_replica(&data_dir, &services.redis)
        .await
        .unwrap();
    until("the replica follows", PATIENCE, || async {
        judged(1).await == (Some(true), "ReplicaAcknowledged")
    })
    .await;
    assert_eq!(judged(0).await, (Some(false), "AsyncReplicas"));
    assert_eq!(judged(2).await, (Some(false), "TooFewReplicas"));
    let mut set = redis::cmd("CONFIG");
    set.arg(&["SET", "min-replicas-to-write", "1"]);
    set.exec_async(&mut services.queue.clone()).await.unwrap();
    assert_eq!(judged(0).await, (Some(true), "AsyncReplicas"));
    replica.kill().await.unwrap();
    until("the replica is missed", PATIENCE, || async {
        judged(1).await == (Some(false), "TooFewReplicas")
    })
    .await;
}

async fn judged(url: &str) -> (Option<bool>, &'static str) {
    let ledger = flashsale_core::ledger::Ledger::open(&LedgerConfig {
        url: url.to_owned(),
        connections: 1,
        transaction_pooler: false,
        ping_before_use: true,
        bounds: None,
        tls: connect::TlsSource::System,
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
