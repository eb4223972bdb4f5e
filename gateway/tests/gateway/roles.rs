//! A gateway whose role may read eight columns of the orders, or not even those.

use std::{net::SocketAddr, process::Stdio};

use flashsale_domain::{id::ProductId, job::Job};
use flashsale_ledger::Ledger;
use flashsale_testbed::{
    fixtures::{
        queue::job,
        roles::{Logins, ledger_at},
    },
    ports::free_port,
    postgres::Postgres,
};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::Command,
    time::timeout,
};

use crate::support::{PATIENCE, World, one_product};

/// A sale of which one job has its order in the ledger and nothing in Redis.
async fn scene() -> (World, Postgres, Ledger, Logins, Job) {
    let (world, postgres) = World::with_ledger().await;
    let ledger = ledger_at(&postgres.url());
    ledger.migrate().await.unwrap();
    let logins = Logins::create(&ledger, &postgres.url()).await;
    let sale = world.announce("drop", one_product("p", 10)).await;
    ledger.declare(&sale).await.unwrap();
    let p = ProductId::new("p").unwrap();
    let job = job(&sale, "ann", &p, "k");
    ledger.settle_alone(&sale.id, &p, &[&job]).await.unwrap();
    (world, postgres, ledger, logins, job)
}

#[tokio::test]
async fn an_order_is_found_by_a_role_that_may_read_nothing_else() {
    let (mut world, _postgres, _ledger, logins, job) = scene().await;
    world.ledger_url.clone_from(&logins.gateway);
    let gateway = world.gateway().await;
    assert_eq!(gateway.buy("p", "bob", "k").await.status, 200);
    let found = gateway.client.get(&format!("/orders/{}", job.job_id)).await;
    assert_eq!(found.json()["status"], "confirmed");
    let unknown = format!("/orders/{}", uuid::Uuid::now_v7());
    assert_eq!(gateway.client.get(&unknown).await.status, 404);
}

#[tokio::test]
async fn without_the_right_it_sells_and_asks_for_patience_until_it_has_it() {
    let (mut world, _postgres, ledger, logins, job) = scene().await;
    world.ledger_url.clone_from(&logins.gateway);
    let (worker, gateway) = (&logins.roles.worker, &logins.roles.gateway);
    let revoke = format!("REVOKE SELECT (id, job_id) ON orders FROM {gateway}, {worker}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(revoke))
        .execute(ledger.pool())
        .await
        .unwrap();
    let gateway = world.gateway().await;
    assert_eq!(gateway.buy("p", "bob", "k").await.status, 200);
    let path = format!("/orders/{}", job.job_id);
    let answer = gateway.client.get(&path).await;
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (503, "unavailable"),
        "neither unknown nor failed"
    );
    assert!(answer.asks_to_come_back_soon(), "{answer:?}");
    ledger.create_roles(&logins.roles).await.unwrap();
    let found = gateway.client.get(&path).await;
    assert_eq!(found.json()["status"], "confirmed");
}

#[tokio::test]
async fn a_right_that_is_missing_is_said_at_start() {
    let (world, _postgres, _ledger, logins, _) = scene().await;
    let address = |port| SocketAddr::from(([127, 0, 0, 1], port)).to_string();
    let mut child = Command::new(env!("CARGO_BIN_EXE_flashsale-gateway"))
        .args(["--auth-mode", "off", "--redis-url", &world.redis_url])
        // That of the workers, by mistake.
        .args(["--database-url", &logins.worker])
        .args(["--listen", &address(free_port().unwrap())])
        .args(["--probes-listen", &address(free_port().unwrap())])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let said = timeout(PATIENCE, async {
        loop {
            let line = lines.next_line().await.unwrap().expect("it still runs");
            if line.contains("lacks") {
                return line;
            }
        }
    });
    let said = said.await.unwrap();
    for part in [
        "SELECT on the column id of the table orders",
        "flashsale migrate --create-roles",
    ] {
        assert!(said.contains(part), "{said}");
    }
}
