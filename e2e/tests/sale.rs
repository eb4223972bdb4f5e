//! Whole sales by real processes, with parts killed in the middle: afterwards the audit must be
//! clean, and lanes must flow again within seconds.
#![allow(
    clippy::unwrap_used,
    reason = "tests say by unwrapping what they take for granted"
)]

use std::time::{Duration, Instant};

use flashsale_e2e::{
    crowd::Crowd,
    laws::{assert_audit_holds, empty_lane},
    patience::until,
    processes::{Child, client},
    sales::{open, sale},
    services::Services,
};

/// How long lanes may stand still after a part is back, or a dead worker's lease ran out.
const FLOWING: Duration = Duration::from_secs(5);

async fn orders(services: &Services) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM orders")
        .fetch_one(services.ledger.pool())
        .await
        .unwrap()
}

/// Waits until new orders are made, and tells how long that took.
async fn flows_again(services: &Services, since: Instant) -> Duration {
    let before = orders(services).await;
    until("orders are made again", FLOWING, || async {
        orders(services).await > before
    })
    .await;
    since.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_killed_in_the_middle_of_a_batch_loses_nothing() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 1_000_000)]);
    open(&services, &sale).await;
    let gateway = Child::gateway(&services, "gateway").await;
    let first = Child::worker(&services, "worker-one").await;
    let crowd = Crowd::start(&[gateway.url()], 16);
    crowd.bought_at_least(500).await;
    let second = Child::worker(&services, "worker-two").await;
    for _ in 0..3 {
        crowd.bought_at_least(crowd.bought() + 300).await;
    }
    first.process().kill().unwrap();
    println!(
        "taken over {:?} after the kill",
        flows_again(&services, Instant::now()).await
    );
    crowd.bought_at_least(crowd.bought() + 500).await;
    let acknowledged = crowd.leave().await;
    assert_audit_holds(&services, &sale, &acknowledged).await;
    second.terminate().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_killed_under_load_loses_nothing_and_buys_nothing_twice() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 1_000_000)]);
    open(&services, &sale).await;
    let mut one = Child::gateway(&services, "gateway-one").await;
    let two = Child::gateway(&services, "gateway-two").await;
    let worker = Child::worker(&services, "worker").await;
    let crowd = Crowd::start(&[one.url(), two.url()], 16);
    crowd.bought_at_least(500).await;
    one.kill_and_restart().await;
    crowd.bought_at_least(crowd.bought() + 500).await;
    let acknowledged = crowd.leave().await;
    assert_audit_holds(&services, &sale, &acknowledged).await;
    // A shopper's keys are numbered without a gap, so that each acknowledged buy is one order.
    assert_eq!(
        orders(&services).await,
        i64::try_from(acknowledged.len()).unwrap()
    );
    worker.terminate().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_stopped_under_load_ends_well_and_loses_nothing() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 1_000_000)]);
    open(&services, &sale).await;
    let one = Child::gateway(&services, "gateway-one").await;
    let two = Child::gateway(&services, "gateway-two").await;
    let worker = Child::worker(&services, "worker").await;
    let crowd = Crowd::start(&[one.url(), two.url()], 16);
    crowd.bought_at_least(500).await;
    one.terminate().await;
    crowd.bought_at_least(crowd.bought() + 500).await;
    let acknowledged = crowd.leave().await;
    assert_audit_holds(&services, &sale, &acknowledged).await;
    two.terminate().await;
    worker.terminate().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_of_postgresql_under_load_loses_nothing() {
    let mut services = Services::start_own().await;
    let sale = sale("drop", &[("p", 1_000_000)]);
    open(&services, &sale).await;
    let gateway = Child::gateway(&services, "gateway").await;
    let worker = Child::worker(&services, "worker").await;
    let crowd = Crowd::start(&[gateway.url()], 16);
    crowd.bought_at_least(500).await;
    services.postgres.as_mut().unwrap().kill().await.unwrap();
    // Buys are still taken: PostgreSQL is not asked for one.
    crowd.bought_at_least(crowd.bought() + 500).await;
    services.postgres.as_mut().unwrap().restart().await.unwrap();
    println!(
        "flowing again {:?} after PostgreSQL was back",
        flows_again(&services, Instant::now()).await
    );
    let acknowledged = crowd.leave().await;
    assert_audit_holds(&services, &sale, &acknowledged).await;
    worker.terminate().await;
}

/// Law 4: all of Redis is lost in the middle of a sale. Buys that waited are lost with it; what
/// is sold stays sold once, and the sale goes on with the stock of the ledger.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn losing_all_of_redis_never_oversells() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 400)]);
    open(&services, &sale).await;
    let gateway = Child::gateway(&services, "gateway").await;
    let worker = Child::worker(&services, "worker").await;
    let http = client();
    let buy = async |user: usize| {
        let sent = http
            .post(format!("{}/buy", gateway.url()))
            .header("Idempotency-Key", "k")
            .header("Content-Type", "application/json")
            .body(format!(r#"{{"productId":"p","userId":"u{user}"}}"#))
            .send()
            .await
            .unwrap();
        sent.status().as_u16()
    };
    for user in 0..300 {
        assert_eq!(buy(user).await, 200);
    }
    let mut queue = services.queue.clone();
    redis::cmd("FLUSHALL").exec_async(&mut queue).await.unwrap();
    open(&services, &sale).await;
    until("the sale is known again", FLOWING, || async {
        buy(300).await == 200
    })
    .await;
    // The first shoppers press again with their keys: they get the orders they have.
    for user in 0..600 {
        let status = buy(user).await;
        assert!(status == 200 || status == 409, "{status}");
    }
    // A repeat holds a unit while it waits, so some may have been turned away for nothing; what
    // is left then is sold to those who come next.
    for user in 600..1_000 {
        empty_lane(&services, &sale).await;
        if buy(user).await == 409 {
            break;
        }
    }
    empty_lane(&services, &sale).await;
    let report = flashsale_audit::audit(&services.ledger, &mut queue, &sale.id)
        .await
        .unwrap();
    assert!(report.holds(), "{report:#?}");
    let most: i64 =
        sqlx::query_scalar("SELECT max(n) FROM (SELECT count(*) n FROM orders GROUP BY user_id) c")
            .fetch_one(services.ledger.pool())
            .await
            .unwrap();
    assert_eq!((orders(&services).await, most), (400, 1));
    worker.terminate().await;
}
