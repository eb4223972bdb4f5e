//! Calls of the ledger over links that fall silent, on servers that take no writes, and behind rows
//! that others hold.
#![allow(
    clippy::unwrap_used,
    reason = "tests say by unwrapping what they take for granted"
)]

use std::time::{Duration, Instant};

use flashsale_domain::{job::Job, sale::Sale};
use flashsale_ledger::{Fault, Ledger, LedgerConfig, LedgerError, WaitReason};
use flashsale_testbed::{
    fault_proxy::{Direction, FaultProxy, Flow},
    fixtures::{
        patience::until,
        queue::job,
        sales::{open, sale},
        services::Services,
    },
};
use futures_util::future::join_all;
use sqlx::{Acquire as _, Connection as _, PgConnection};

/// How long settling may take, with what a busy machine adds.
const SETTLED: Duration = Duration::from_secs(5);

/// A ledger behind a link that can fail, and a sale in it.
struct Linked {
    services: Services,
    proxy: FaultProxy,
    ledger: Ledger,
    sale: Sale,
}

impl Linked {
    async fn start(connections: u32) -> Self {
        let services = Services::start().await;
        let url = &services.database_url;
        let (_, address) = url.split_once('@').unwrap();
        let (address, _) = address.split_once('/').unwrap();
        let proxy = FaultProxy::start(address.parse().unwrap()).await.unwrap();
        let ledger = Ledger::open(&LedgerConfig {
            url: proxy.url(url).unwrap().into(),
            tls: flashsale_transport::TlsSource::System,
            connections,
            transaction_pooler: false,
            ping_before_use: false,
            bounds: None,
        })
        .unwrap();
        let sale = sale("drop", &[("a", 100), ("b", 100)]);
        open(&services, &sale).await;
        let linked = Self {
            services,
            proxy,
            ledger,
            sale,
        };
        linked.connect_all(connections).await;
        linked
    }

    /// Fills the pool with connections that wait.
    async fn connect_all(&self, connections: u32) {
        let ids = std::slice::from_ref(&self.sale.id);
        while self.ledger.pool().num_idle() < usize::try_from(connections).unwrap() {
            let asking = (0..connections).map(|_| self.ledger.stocks(ids));
            for answer in join_all(asking).await {
                answer.unwrap();
            }
            // Connections go back once they have shown that they are good.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn settle(&self, user: &str) -> Result<(), LedgerError> {
        let product = &self.sale.products[0].id;
        let job: Job = job(&self.sale, user, product, "k");
        self.ledger
            .settle_alone(&self.sale.id, product, &[&job])
            .await
            .map(drop)
    }

    /// Holds the row of product `b` until dropped.
    async fn hold_b(&self) -> PgConnection {
        let mut connection = PgConnection::connect(&self.services.database_url)
            .await
            .unwrap();
        sqlx::raw_sql("BEGIN; SELECT 1 FROM products WHERE id = 'b' FOR UPDATE")
            .execute(&mut connection)
            .await
            .unwrap();
        connection
    }
}

#[tokio::test]
async fn a_silent_link_costs_one_call_however_many_connections_wait() {
    let linked = Linked::start(5).await;
    linked.proxy.swallow_present();
    let began = Instant::now();
    let error = linked.settle("ann").await.unwrap_err();
    assert!(matches!(error, LedgerError::TimedOut(_)), "{error}");
    assert!(began.elapsed() < SETTLED, "{:?}", began.elapsed());
    let began = Instant::now();
    linked.settle("bob").await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn a_call_over_a_link_that_lets_nothing_through_ends_in_time() {
    let linked = Linked::start(1).await;
    linked.proxy.set(Direction::ToClient, Flow::Silent);
    for _ in 0..2 {
        let began = Instant::now();
        let error = linked.settle("ann").await.unwrap_err();
        assert!(error.is_outage(), "{error}");
        assert!(began.elapsed() < SETTLED, "{:?}", began.elapsed());
    }
    linked.proxy.heal();
    linked.settle("ann").await.unwrap();
}

/// A driver whose takeover hangs has to be done with it before its lease of three seconds ends, with
/// what a busy machine adds.
#[tokio::test]
async fn every_step_of_a_takeover_ends_before_a_lease_does() {
    let linked = Linked::start(1).await;
    linked.proxy.set(Direction::ToClient, Flow::Silent);
    let (ledger, sale) = (&linked.ledger, &linked.sale);
    let product = &sale.products[0].id;
    let before_the_lease = Duration::from_secs(4);
    let began = Instant::now();
    ledger
        .take_over_from(&sale.id, product, None)
        .await
        .unwrap_err();
    assert!(began.elapsed() < before_the_lease, "{:?}", began.elapsed());
    let began = Instant::now();
    ledger.raise_order_numbers(1).await.unwrap_err();
    assert!(began.elapsed() < before_the_lease, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_call_that_its_caller_gave_up_blocks_no_connection() {
    let linked = Linked::start(1).await;
    linked.proxy.set(Direction::ToClient, Flow::Silent);
    let ids = std::slice::from_ref(&linked.sale.id);
    let given_up = tokio::time::timeout(Duration::from_millis(200), linked.ledger.stocks(ids));
    given_up.await.unwrap_err();
    linked.proxy.swallow_present();
    linked.proxy.heal();
    let began = Instant::now();
    linked.ledger.stocks(ids).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn a_connection_that_falls_silent_after_its_call_blocks_nothing() {
    let linked = Linked::start(1).await;
    // Long enough to silence the link while the connection is still to show that it is good.
    let slow = Flow::Delayed(Duration::from_millis(100));
    linked.proxy.set(Direction::ToClient, slow);
    linked.settle("ann").await.unwrap();
    linked.proxy.swallow_present();
    linked.proxy.heal();
    let began = Instant::now();
    linked.settle("bob").await.unwrap();
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn connections_to_a_server_that_takes_no_writes_are_left_at_once() {
    let linked = Linked::start(3).await;
    linked.ledger.check_writable().await.unwrap();
    // As after a failover whose old primary goes on as a standby: what is connected stays there.
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut connection = linked.ledger.pool().acquire().await.unwrap();
        sqlx::raw_sql("SET default_transaction_read_only = on")
            .execute(connection.acquire().await.unwrap())
            .await
            .unwrap();
        held.push(connection);
    }
    drop(held);
    linked.connect_all(3).await;
    let read_only = Fault::Server(WaitReason::ReadOnly);
    assert_eq!(linked.settle("ann").await.unwrap_err().fault(), read_only);
    linked.settle("ann").await.unwrap();
}

#[tokio::test]
async fn only_a_ledger_that_takes_writes_is_found_writable() {
    let linked = Linked::start(1).await;
    let mut connection = linked.ledger.pool().acquire().await.unwrap();
    sqlx::raw_sql("SET default_transaction_read_only = on")
        .execute(&mut *connection)
        .await
        .unwrap();
    drop(connection);
    linked.connect_all(1).await;
    let error = linked.ledger.check_writable().await.unwrap_err();
    assert_eq!(error.fault(), Fault::Server(WaitReason::ReadOnly));
    linked.ledger.check_writable().await.unwrap();
}

#[tokio::test]
async fn a_declaration_behind_a_held_row_lets_go_of_the_others() {
    let linked = Linked::start(2).await;
    let holder = linked.hold_b().await;
    let began = Instant::now();
    let error = linked.ledger.declare(&linked.sale).await.unwrap_err();
    assert_eq!(error.fault(), Fault::Server(WaitReason::Locked), "{error}");
    assert!(
        began.elapsed() < Duration::from_secs(4),
        "{:?}",
        began.elapsed()
    );
    linked.settle("ann").await.unwrap();
    drop(holder);
    linked.ledger.declare(&linked.sale).await.unwrap();
}

#[tokio::test]
async fn an_abandoned_declaration_lets_go_of_its_rows() {
    let linked = Linked::start(2).await;
    let _holder = linked.hold_b().await;
    let declaring = linked.ledger.declare(&linked.sale);
    let given_up = tokio::time::timeout(Duration::from_millis(200), declaring);
    given_up.await.unwrap_err();
    until("product a is settled", SETTLED, async || {
        linked.settle("ann").await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn sessions_end_soon_for_clients_that_are_gone() {
    let linked = Linked::start(1).await;
    for (setting, value) in [
        ("client_connection_check_interval", "1s"),
        ("idle_in_transaction_session_timeout", "10s"),
        ("lock_timeout", "1500ms"),
    ] {
        let shown: String = sqlx::query_scalar("SELECT current_setting($1)")
            .bind(setting)
            .fetch_one(linked.ledger.pool())
            .await
            .unwrap();
        assert_eq!(shown, value, "{setting}");
    }
}
