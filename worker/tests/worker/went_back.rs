//! A ledger that went back: Redis follows it, and no order number is told twice.
#![allow(
    clippy::unwrap_used,
    reason = "tests say by unwrapping what they take for granted"
)]

use std::{
    net::{Ipv4Addr, SocketAddr},
    ops::Range,
    time::Duration,
};

use flashsale_domain::{
    outcome::{
        JobState,
        Outcome::{Confirmed, LimitReached, SoldOut},
    },
    sale::Sale,
};
use flashsale_ledger::Ledger;
use flashsale_queue::{
    keys::{SALES, SaleKeys},
    observation, stock,
    turnstile::{Admission, Buy},
};
use flashsale_recovery::retirement;
use flashsale_testbed::{
    data_dir::DataDir,
    fixtures::{
        patience::until,
        queue::{admit, buy, depth, record},
        sales::{open, sale},
        services::Services,
    },
    postgres::Installation,
};
use redis::AsyncCommands as _;
use tokio::process::Command;

use crate::{control_loop::ControlLoop, running::Worker};

const SOON: Duration = Duration::from_secs(20);

/// Lost orders: more than the 32 numbers that PostgreSQL writes to its log ahead of use.
const LOST: usize = 40;

/// Shoppers press and their buys are settled.
async fn sell(services: &Services, sale: &Sale, users: Range<usize>) {
    let buys: Vec<_> = users
        .map(|user| buy(sale, &format!("u{user}"), 0, "k"))
        .collect();
    let answers = admit(services, sale, &buys).await;
    let is_queued = |answer: &Admission| matches!(answer, Admission::Queued { .. });
    assert!(answers.iter().all(is_queued), "{answers:?}");
    until("the lane is empty", SOON, async || {
        depth(services, sale, 0).await == 0
    })
    .await;
}

async fn known_stock(services: &Services, sale: &Sale) -> Option<i32> {
    let mut queue = services.queue.clone();
    let known = stock::read(&mut queue, &SaleKeys::new(&sale.id)).await;
    known.unwrap().get(&sale.products[0].id)?.stock
}

async fn order_numbers(ledger: &Ledger) -> Vec<i64> {
    sqlx::query_scalar("SELECT id::bigint FROM orders ORDER BY id")
        .fetch_all(ledger.pool())
        .await
        .unwrap()
}

/// The loop turns until Redis has `stock` units; then everything is sold, and every number is new.
async fn follows_and_sells_on(
    services: &Services,
    control: &mut ControlLoop<'_>,
    sale: &Sale,
    (stock, told): (i32, i64),
) {
    for turn in 0.. {
        control.turn().await;
        if known_stock(services, sale).await == Some(stock) {
            break;
        }
        assert!(
            turn < 5,
            "Redis has {:?}",
            known_stock(services, sale).await
        );
    }
    let mut queue = services.queue.clone();
    let seen = observation::observe(&mut queue, &[sale]).await.unwrap();
    assert!(seen[0].went_back_ms.is_some(), "people are told");
    let before = order_numbers(&services.ledger).await;
    let left = usize::try_from(stock).unwrap();
    let worker = Worker::start(services, "after", 1);
    sell(services, sale, 1_000..1_000 + left).await;
    worker.stop().await;
    let after = order_numbers(&services.ledger).await;
    let fresh = &after[before.len()..];
    assert_eq!(fresh.len(), left);
    assert!(fresh.iter().all(|number| *number > told), "{fresh:?}");
    assert_eq!(services.ledger.oversold(&sale.id).await.unwrap(), 0);
    let step = control.turn().await;
    assert!(step.went_back.is_empty() && !step.declare, "{step:?}");
}

#[tokio::test]
async fn a_promoted_replica_that_lost_commits_is_followed() {
    let mut services = Services::start_own().await;
    let mut primary = services.postgres.take().unwrap();
    let sale = sale("drop", &[("p", 100)]);
    open(&services, &sale).await;
    let mut control = ControlLoop::new(&services, &sale);
    let worker = Worker::start(&services, "before", 1);
    sell(&services, &sale, 0..3).await;
    let elsewhere = DataDir::temporary().unwrap();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, primary.port()));
    let mut replica = primary.replica(&elsewhere, address).await.unwrap();
    replica.stop().await.unwrap();
    sell(&services, &sale, 3..3 + LOST).await;
    worker.stop().await;
    let told = order_numbers(&services.ledger).await.pop().unwrap();
    control.turn().await;
    primary.kill().await.unwrap();
    replica.take_the_place_of(&primary).await.unwrap();
    until("the ledger answers", SOON, async || {
        services.ledger.check_writable().await.is_ok()
    })
    .await;
    assert_eq!(order_numbers(&services.ledger).await.len(), 3);
    follows_and_sells_on(&services, &mut control, &sale, (97, told)).await;
}

/// A program of PostgreSQL's, on the database of this test.
async fn postgres_tool(services: &Services, name: &str, arguments: &[&str]) {
    let installation = Installation::find().await.unwrap();
    let output = Command::new(installation.program(name))
        .args(["--dbname", &services.database_url])
        .args(arguments)
        .output()
        .await
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {told}");
}

async fn empty_the_database(ledger: &Ledger) {
    sqlx::raw_sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        .execute(ledger.pool())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_dump_restored_into_the_same_server_is_followed() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 100)]);
    open(&services, &sale).await;
    let mut control = ControlLoop::new(&services, &sale);
    let worker = Worker::start(&services, "before", 1);
    sell(&services, &sale, 0..3).await;
    let dump = services.data_dir.path().join("dump.sql");
    let dump = dump.to_str().unwrap();
    postgres_tool(&services, "pg_dump", &["--file", dump]).await;
    // Until nothing is left, so that no batch raises the version again.
    sell(&services, &sale, 3..100).await;
    worker.stop().await;
    control.turn().await;
    sqlx::raw_sql("DROP SCHEMA public CASCADE")
        .execute(services.ledger.pool())
        .await
        .unwrap();
    let quietly = ["--quiet", "--set", "ON_ERROR_STOP=1", "--file", dump];
    sqlx::raw_sql("CREATE SCHEMA public")
        .execute(services.ledger.pool())
        .await
        .unwrap();
    postgres_tool(&services, "psql", &quietly).await;
    follows_and_sells_on(&services, &mut control, &sale, (97, 100)).await;
}

#[tokio::test]
async fn a_database_rebuilt_from_nothing_is_told_the_sale_again_and_followed() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 50)]);
    open(&services, &sale).await;
    let mut control = ControlLoop::new(&services, &sale);
    let worker = Worker::start(&services, "before", 1);
    sell(&services, &sale, 0..50).await;
    worker.stop().await;
    control.turn().await;
    empty_the_database(&services.ledger).await;
    services.ledger.migrate().await.unwrap();
    follows_and_sells_on(&services, &mut control, &sale, (50, 50)).await;
}

/// A batch is committed and its worker dies before it acknowledges: its jobs stand in the lane for
/// seconds. Whoever presses then must not be turned away from the units that are left.
#[tokio::test]
async fn units_beside_a_batch_that_is_not_acknowledged_can_be_bought() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 10)]);
    open(&services, &sale).await;
    let mut control = ControlLoop::new(&services, &sale);
    control.turn().await;
    let buys: Vec<_> = (0..5)
        .map(|user| buy(&sale, &format!("u{user}"), 0, "k"))
        .collect();
    admit(&services, &sale, &buys).await;
    let jobs: Vec<_> = buys
        .iter()
        .map(|buy| serde_json::from_slice(buy.job.as_ref().unwrap()).unwrap())
        .collect();
    let jobs: Vec<_> = jobs.iter().collect();
    let product = &sale.products[0].id;
    let settled = services.ledger.settle_alone(&sale.id, product, &jobs).await;
    assert_eq!(settled.unwrap().confirmed, 5);
    for _ in 0..3 {
        control.turn().await;
    }
    let others: Vec<_> = (5..10)
        .map(|user| buy(&sale, &format!("u{user}"), 0, "k"))
        .collect();
    let answers = admit(&services, &sale, &others).await;
    let is_queued = |answer: &Admission| matches!(answer, Admission::Queued { .. });
    assert!(answers.iter().all(is_queued), "{answers:?}");
    let worker = Worker::start(&services, "next", 1);
    until("all are sold", SOON, async || {
        depth(&services, &sale, 0).await == 0
    })
    .await;
    worker.stop().await;
    assert_eq!(order_numbers(&services.ledger).await.len(), 10);
    assert_eq!(known_stock(&services, &sale).await, Some(0));
}

/// Redis is emptied: every job that the ledger decided answers again, and its key leads to it.
#[tokio::test]
async fn a_lost_redis_is_given_every_outcome_back() {
    let services = Services::start().await;
    let mut drop = sale("drop", &[("p", 6), ("q", 3)]);
    drop.products[1].max_per_user = Some(1);
    open(&services, &drop).await;
    let mut control = ControlLoop::new(&services, &drop);
    control.turn().await;
    let mut buys: Vec<_> = (0..6)
        .map(|user| buy(&drop, &format!("u{user}"), 0, "k"))
        .collect();
    buys.extend((0..2).map(|press| buy(&drop, "greedy", 1, &format!("k{press}"))));
    admit(&services, &drop, &buys).await;
    // Two of the units go, so that the last two shoppers are turned away in the lane.
    let taken_back = services
        .ledger
        .restock(&drop.id, &drop.products[0].id, -2, None);
    taken_back.await.unwrap();
    let worker = Worker::start(&services, "w", 2);
    until("the lanes are empty", SOON, async || {
        depth(&services, &drop, 0).await + depth(&services, &drop, 1).await == 0
    })
    .await;
    worker.stop().await;
    let mut records = Vec::new();
    for buy in &buys {
        records.push(record(&services, &drop, buy.job_id).await.unwrap());
    }
    let ended: Vec<_> = records
        .iter()
        .map(|record| match record.state {
            JobState::Final { outcome, .. } => outcome,
            JobState::Queued { .. } => unreachable!("the lanes are empty"),
        })
        .collect();
    assert_eq!(
        ended[..6],
        [Confirmed, Confirmed, Confirmed, Confirmed, SoldOut, SoldOut]
    );
    assert_eq!(ended[6..], [Confirmed, LimitReached]);

    let mut queue = services.queue.clone();
    let () = redis::cmd("FLUSHALL")
        .query_async(&mut queue)
        .await
        .unwrap();
    for _ in 0..3 {
        control.turn().await;
    }
    for (buy, before) in buys.iter().zip(&records) {
        let after = record(&services, &drop, buy.job_id).await;
        assert_eq!(after.as_ref(), Some(before));
    }
    let repeated = admit(&services, &drop, &buys).await;
    let is_repeat = |(answer, buy): (&Admission, &Buy)| matches!(answer, Admission::Replayed { job_id, .. } if *job_id == buy.job_id);
    assert!(repeated.iter().zip(&buys).all(is_repeat), "{repeated:?}");
    let step = control.turn().await;
    assert_eq!(step.restore, None, "once for a run of a server");
}

/// A product is taken out of a sale while jobs stand in its lane.
#[tokio::test]
async fn a_product_taken_out_is_settled_and_let_go_and_nobody_can_buy_it() {
    let services = Services::start().await;
    let both = sale("drop", &[("p", 5), ("q", 5)]);
    open(&services, &both).await;
    let jobs = [buy(&both, "u0", 1, "k"), buy(&both, "u1", 1, "k")];
    admit(&services, &both, &jobs).await;
    let mut alone = both.clone();
    alone.products.truncate(1);
    let declared = services.ledger.declare(&alone).await.unwrap();
    assert_eq!(declared.unlisted, [both.products[1].id.clone()]);
    let mut control = ControlLoop::new(&services, &alone);
    control.turn().await;
    // A gateway whose catalogue is a moment old still sends buys of it.
    let answers = admit(&services, &both, &[buy(&both, "late", 1, "k")]).await;
    assert_eq!(answers, [Admission::UnknownProduct]);
    let other = sale("other", &[("q", 7)]);
    assert!(services.ledger.declare(&other).await.is_err(), "jobs wait");
    let worker = Worker::start(&services, "w", 2);
    until("the lane of q is empty", SOON, async || {
        depth(&services, &both, 1).await == 0
    })
    .await;
    worker.stop().await;
    assert_eq!(order_numbers(&services.ledger).await.len(), 2);
    for _ in 0..4 {
        control.turn().await;
    }
    let level = services.ledger.declare(&other).await.unwrap().levels;
    assert_eq!(level[0].stock, 7);
    assert_eq!(control.turn().await.announce, None);
}

#[tokio::test]
async fn a_sale_that_fell_out_of_the_list_of_sales_is_put_back() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 1)]);
    open(&services, &sale).await;
    let mut control = ControlLoop::new(&services, &sale);
    control.turn().await;
    let mut queue = services.queue.clone();
    let () = queue.srem(SALES, "drop").await.unwrap();
    control.turn().await;
    let members: Vec<String> = queue.smembers(SALES).await.unwrap();
    assert_eq!(members, ["drop"]);
}

/// A product moves from one sale to another, before anybody has bought it.
#[tokio::test]
async fn a_product_whose_lane_is_empty_is_let_go_at_once() {
    let services = Services::start().await;
    let both = sale("drop", &[("p", 5), ("q", 5)]);
    open(&services, &both).await;
    let mut alone = both.clone();
    alone.products.truncate(1);
    let unlisted = services.ledger.declare(&alone).await.unwrap().unlisted;
    let waiting = [buy(&both, "u", 1, "k")];
    admit(&services, &both, &waiting).await;
    let let_go = async || {
        let (ledger, mut queue) = (&services.ledger, services.queue.clone());
        retirement::let_go(ledger, &mut queue, &both.id, &unlisted)
            .await
            .unwrap()
    };
    assert_eq!(let_go().await, [], "a job waits");
    let late = admit(&services, &both, &[buy(&both, "late", 1, "k")]).await;
    assert_eq!(late, [Admission::UnknownProduct]);
    let worker = Worker::start(&services, "w", 2);
    until("the lane of q is empty", SOON, async || {
        depth(&services, &both, 1).await == 0
    })
    .await;
    worker.stop().await;
    assert_eq!(let_go().await, unlisted);
    let other = sale("other", &[("q", 7)]);
    services.ledger.declare(&other).await.unwrap();
}
