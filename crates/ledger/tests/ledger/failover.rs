//! A ledger whose address names several servers, of which another one is the primary later.
#![allow(
    clippy::unwrap_used,
    reason = "tests say by unwrapping what they take for granted"
)]

use std::time::{Duration, Instant};

use flashsale_domain::{job::Job, sale::Sale};
use flashsale_ledger::{Fault, Ledger, LedgerConfig, LedgerError, WaitReason};
use flashsale_testbed::{
    data_dir::DataDir,
    fault_proxy::{Direction, FaultProxy, Flow},
    fixtures::{
        patience::until,
        queue::job,
        sales::{open, sale},
        services::Services,
    },
    postgres::Postgres,
};
use sqlx::{Connection as _, PgConnection, PgPool};

/// How long going on at another server may take, with what a busy machine adds.
const SOON: Duration = Duration::from_secs(30);

/// A primary, a standby that follows it, and a sale.
struct Cluster {
    services: Services,
    standby: Postgres,
    sale: Sale,
}

impl Cluster {
    async fn start() -> Self {
        let services = Services::start_own().await;
        let primary = services.postgres.as_ref().unwrap();
        let address = ([127, 0, 0, 1], primary.port()).into();
        let data_dir = DataDir::temporary().unwrap();
        let standby = primary.replica(&data_dir, address).await.unwrap();
        let sale = sale("drop", &[("p", 100)]);
        open(&services, &sale).await;
        Self {
            services,
            standby,
            sale,
        }
    }

    async fn settles_at_the_new_primary(&self, ledger: &Ledger) {
        let took = until("the new primary settles", SOON, async || {
            self.settle(ledger, "cid").await.is_ok()
        })
        .await;
        assert!(took < Duration::from_secs(20));
    }

    /// A ledger that knows both servers.
    fn ledger(&self, ping_before_use: bool) -> Ledger {
        let (before, database) = self.services.database_url.rsplit_once('/').unwrap();
        let standby = self.standby.port();
        ledger(
            &format!("{before},127.0.0.1:{standby}/{database}"),
            ping_before_use,
        )
    }

    async fn settle(&self, ledger: &Ledger, user: &str) -> Result<Job, LedgerError> {
        let product = &self.sale.products[0].id;
        let job = job(&self.sale, user, product, "k");
        ledger
            .settle_alone(&self.sale.id, product, &[&job])
            .await
            .map(|_| job)
    }

    /// Waits until the standby has everything that is committed.
    async fn until_caught_up(&self) {
        let primary = self.services.ledger.pool();
        until("the standby has caught up", SOON, async || {
            let row = sqlx::query_scalar(
                "SELECT count(*) > 0 AND bool_and(replay_lsn >= pg_current_wal_lsn())
                   FROM pg_stat_replication",
            );
            let caught_up: Option<bool> = row.fetch_one(primary).await.unwrap();
            caught_up == Some(true)
        })
        .await;
    }
}

fn ledger(url: &str, ping_before_use: bool) -> Ledger {
    Ledger::open(&LedgerConfig {
        url: url.into(),
        tls: flashsale_transport::TlsSource::System,
        connections: 4,
        transaction_pooler: false,
        ping_before_use,
        bounds: None,
    })
    .unwrap()
}

/// Orders of the server at `url`.
async fn orders(url: &str) -> i64 {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let count = sqlx::query_scalar("SELECT count(*) FROM orders");
    count.fetch_one(&mut connection).await.unwrap()
}

/// Demoted as some tools do it: the sessions stay, and see from then on a server that only reads.
#[tokio::test]
async fn after_a_failover_the_former_primary_is_left_at_once() {
    let cluster = Cluster::start().await;
    let (ledger, reader) = (cluster.ledger(false), cluster.ledger(true));
    for user in ["ann", "bob"] {
        cluster.settle(&ledger, user).await.unwrap();
    }
    reader.stock(&cluster.sale.id).await.unwrap();
    cluster.until_caught_up().await;
    cluster.services.ledger.pool().close().await;
    let former = &cluster.services.database_url;
    // Of another name than the sessions that are counted at the end.
    let onlooker = PgPool::connect(former).await.unwrap();
    for statement in [
        "ALTER SYSTEM SET default_transaction_read_only = on",
        "SELECT pg_reload_conf()",
    ] {
        let statement = sqlx::raw_sql(statement);
        statement.execute(&onlooker).await.unwrap();
    }
    cluster.standby.promote().await.unwrap();
    cluster.settles_at_the_new_primary(&ledger).await;
    assert_eq!(orders(former).await, 2);
    assert_eq!(orders(&cluster.standby.url()).await, 3);
    // One that only reads finds out as well, though it is never refused anything.
    until("the new stock is read", SOON, async || {
        reader.stock(&cluster.sale.id).await.unwrap()[0].stock == 97
    })
    .await;
    until("nobody uses the former primary", SOON, async || {
        let sessions = sqlx::query_scalar(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'flashsale'",
        );
        let sessions: i64 = sessions.fetch_one(&onlooker).await.unwrap();
        sessions == 0
    })
    .await;
}

#[tokio::test]
async fn writes_go_on_at_the_standby_that_is_promoted_when_the_primary_dies() {
    let mut cluster = Cluster::start().await;
    let ledger = cluster.ledger(false);
    cluster.settle(&ledger, "ann").await.unwrap();
    cluster.until_caught_up().await;
    let mut primary = cluster.services.postgres.take().unwrap();
    primary.kill().await.unwrap();
    cluster.settle(&ledger, "bob").await.unwrap_err();
    // Nobody takes writes, and each server is named with what it said.
    let began = Instant::now();
    let error = cluster.settle(&ledger, "bob").await.unwrap_err();
    assert_eq!(error.fault(), Fault::Server(WaitReason::ReadOnly));
    let words = error.to_string();
    for said in [
        format!("127.0.0.1:{}: takes no writes", cluster.standby.port()),
        format!("127.0.0.1:{}: ", primary.port()),
    ] {
        assert!(words.contains(&said), "{words}");
    }
    assert!(began.elapsed() < Duration::from_secs(10));
    cluster.standby.promote().await.unwrap();
    cluster.settles_at_the_new_primary(&ledger).await;
    ledger.migrate().await.unwrap();
}

/// A host that is gone does not even refuse connections.
#[tokio::test]
async fn a_host_that_does_not_answer_leaves_time_for_the_next_one() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 9)]);
    open(&services, &sale).await;
    let (user, place) = services.database_url.split_once('@').unwrap();
    let (address, database) = place.split_once('/').unwrap();
    let proxy = FaultProxy::start(address.parse().unwrap()).await.unwrap();
    proxy.set(Direction::ToClient, Flow::Silent);
    let silent = proxy.address();
    let url = format!("{user}@{silent},[::1]:1,{address}/{database}");
    let ledger = ledger(&url, false);
    let product = &sale.products[0].id;
    let began = Instant::now();
    ledger.take_over(&sale.id, product).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(4));
    // It is known from now on, and not asked for again.
    let began = Instant::now();
    ledger.take_over(&sale.id, product).await.unwrap();
    assert!(began.elapsed() < Duration::from_millis(900));
}
