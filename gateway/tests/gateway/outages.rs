//! Redis away, silent, emptied of scripts, restarted.

use std::time::{Duration, Instant};

use flashsale_queue::{connect, keys::SaleKeys};
use flashsale_testbed::{
    cluster::Cluster,
    fault_proxy::{FaultProxy, Flow},
    redis::AppendFsync,
    sentinel::Watched,
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use uuid::Uuid;

use crate::support::{Gateway, World, all, eventually, one_product};

/// A gateway knows of a new sale within this: it looks once a second.
const KNOWN: Duration = Duration::from_secs(3);

/// A buy is answered within this, whatever Redis does.
const BOUND: Duration = Duration::from_secs(1);

async fn assert_unavailable_in_time(gateway: &Gateway, prefix: &str) {
    let client = gateway.client;
    let answers = all((0..50).map(|number| {
        let user = format!("{prefix}-{number}");
        async move {
            let started = Instant::now();
            let answer = client.buy("p", &user, "k").await;
            (answer, started.elapsed())
        }
    }))
    .await;
    let mut durations = Vec::new();
    for (answer, took) in answers {
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (503, "unavailable")
        );
        assert!(answer.asks_to_come_back_soon(), "{answer:?}");
        durations.push(took);
    }
    durations.sort_unstable();
    // The last few may have waited for the processor of a busy machine.
    let (most, all) = (durations[44], durations[49]);
    assert!(most < BOUND && all < 3 * BOUND, "{durations:?}");
}

/// 1 while the gateway reads its sales from Redis, else 0.
async fn sees_redis(gateway: &Gateway) -> Option<f64> {
    gateway.metric("flashsale_gateway_observation_up").await
}

async fn assert_recovers(gateway: &Gateway, user: &str) {
    eventually("buys pass again", async || {
        gateway.buy("p", user, "k").await.status == 200
    })
    .await;
    eventually("the sales are refreshed again", async || {
        sees_redis(gateway).await == Some(1.0)
    })
    .await;
}

#[tokio::test]
async fn killed_redis_is_told_in_time_and_forgotten_when_it_is_back() {
    let mut world = World::new().await;
    world.announce("drop", one_product("p", 1000)).await;
    let gateway = world.gateway().await;
    gateway.buy("p", "ann", "k").await.job_id();
    for round in 0..2 {
        world.redis.kill().await.unwrap();
        assert_unavailable_in_time(&gateway, &format!("round-{round}")).await;
        eventually("the gateway sees that Redis is away", async || {
            sees_redis(&gateway).await == Some(0.0)
        })
        .await;
        // Otherwise no gateway would be left in the Service to say so.
        assert_eq!(gateway.probes.get("/readyz").await.status, 200);
        let sales = gateway.client.get("/sales").await.json();
        assert_eq!(
            sales["sales"][0]["products"][0]["productId"], "p",
            "the catalogue stays"
        );
        world.redis.restart().await.unwrap();
        // What a loss of Redis takes away, others restore.
        world.announce("drop", one_product("p", 1000)).await;
        assert_recovers(&gateway, &format!("late-{round}")).await;
    }
}

#[tokio::test]
async fn buys_that_wait_are_limited_over_all_sales() {
    let world = World::new().await;
    world.announce("drop", one_product("p", 1000)).await;
    world.announce("other", one_product("q", 1000)).await;
    let gateway = world
        .gateway_with(&[
            "--auth-mode=off",
            "--turnstile-timeout-millis=60000",
            "--intake-timeout-millis=60000",
            "--intake-total-backlog=3",
        ])
        .await;
    gateway.buy("p", "ann", "k").await.job_id();
    let redis = Pid::from_raw(world.redis.pid().unwrap());
    kill(redis, Signal::SIGSTOP).unwrap();
    let client = gateway.client;
    let mut buys = Vec::new();
    // The first are on their way, in calls that come to no end; the others wait for theirs.
    eventually("three wait", async || {
        let waiting = gateway.metric("flashsale_gateway_buys_waiting").await;
        if waiting < Some(3.0) {
            let user = format!("user-{}", buys.len());
            buys.push(tokio::spawn(async move {
                client.buy("p", &user, "k").await.status
            }));
        }
        waiting == Some(3.0)
    })
    .await;
    // No buy of this sale waits.
    let answer = gateway.buy("q", "ann", "k").await;
    assert_eq!(answer.problem(), "unavailable");
    kill(redis, Signal::SIGCONT).unwrap();
    let mut acknowledged = 0;
    for buy in buys {
        // One that arrived when three waited already was refused as well.
        match buy.await.unwrap() {
            200 => acknowledged += 1,
            status => assert_eq!(status, 503),
        }
    }
    assert!(acknowledged > 3, "{acknowledged}");
    assert_eq!(gateway.buy("q", "ann", "k").await.status, 200);
    let waiting = gateway.metric("flashsale_gateway_buys_waiting").await;
    assert_eq!(waiting, Some(0.0));
}

#[tokio::test]
async fn silent_redis_is_told_in_time_and_forgotten_when_it_speaks() {
    let world = World::new().await;
    world.announce("drop", one_product("p", 1000)).await;
    let gateway = world.gateway().await;
    gateway.buy("p", "ann", "k").await.job_id();
    let redis = Pid::from_raw(world.redis.pid().unwrap());
    for round in 0..2 {
        kill(redis, Signal::SIGSTOP).unwrap();
        for part in 0..4 {
            assert_unavailable_in_time(&gateway, &format!("silent-{round}-{part}")).await;
        }
        kill(redis, Signal::SIGCONT).unwrap();
        assert_recovers(&gateway, &format!("late-{round}")).await;
    }
}

#[tokio::test]
async fn buys_pass_again_at_the_primary_that_sentinel_names() {
    let mut watched = Watched::start(1, AppendFsync::EverySecond).await.unwrap();
    let mut world = World::new().await;
    world.redis_url = watched.servers[0].url();
    world.announce("drop", one_product("p", 1000)).await;
    world.redis_url = watched.url();
    let gateway = world.gateway().await;
    gateway.buy("p", "ann", "k").await.job_id();
    watched.all_have_everything().await.unwrap();

    watched.servers[0].kill().await.unwrap();
    assert_unavailable_in_time(&gateway, "early").await;
    assert_recovers(&gateway, "late").await;
    let again = gateway.buy("p", "ann", "k").await.json();
    assert_eq!(again["position"], 1, "the new primary knows the first buy");
}

/// Before the opening no buy comes that would notice.
#[tokio::test]
async fn a_gateway_without_buys_reads_its_sales_at_the_primary_that_sentinel_names() {
    let mut watched = Watched::start(1, AppendFsync::EverySecond).await.unwrap();
    let mut world = World::new().await;
    world.redis_url = watched.servers[0].url();
    world.announce("drop", one_product("p", 1000)).await;
    world.redis_url = watched.url();
    let gateway = world.gateway().await;
    watched.all_have_everything().await.unwrap();

    watched.servers[0].kill().await.unwrap();
    for seen in [0.0, 1.0] {
        eventually(&format!("Redis is seen: {seen}"), async || {
            sees_redis(&gateway).await == Some(seen)
        })
        .await;
    }
    gateway.buy("p", "ann", "k").await.job_id();
}

#[tokio::test]
async fn a_primary_of_a_cluster_that_dies_holds_up_its_own_sales_alone() {
    let mut cluster = Cluster::start(3, AppendFsync::EverySecond).await.unwrap();
    let mut world = World::new().await;
    world.redis_url = cluster.url();
    let client = connect::redis_client(&world.redis_url).unwrap();
    let queue = connect::shared(&client).unwrap();
    let mut positions = Vec::new();
    for (name, product) in [("one", "p"), ("two", "q"), ("three", "r"), ("four", "s")] {
        let sale = world
            .announce_by(&mut queue.clone(), name, one_product(product, 1000))
            .await;
        let keys = SaleKeys::new(&sale.id);
        let position = cluster.primary_of(0, keys.record()).await.unwrap().unwrap();
        positions.push((position, product));
    }
    let (dies, product) = positions[0];
    let gateway = world.gateway().await;
    for (_, product) in &positions {
        gateway.buy(product, "ann", "k").await.job_id();
    }
    cluster.replicas_have_everything().await.unwrap();
    cluster.servers[dies].kill().await.unwrap();
    for (position, product) in &positions {
        if *position != dies {
            gateway.buy(product, "bob", "k").await.job_id();
        }
    }
    eventually("buys pass again", async || {
        gateway.buy(product, "bob", "k").await.status == 200
    })
    .await;
}

#[tokio::test]
async fn a_buy_that_was_taken_unseen_is_found_by_its_retry() {
    let world = World::new().await;
    world.announce("drop", one_product("p", 1000)).await;
    let gateway = world.gateway().await;
    gateway.buy("p", "ann", "first").await.job_id();
    let redis = Pid::from_raw(world.redis.pid().unwrap());
    kill(redis, Signal::SIGSTOP).unwrap();
    assert_eq!(gateway.buy("p", "ann", "second").await.status, 503);
    kill(redis, Signal::SIGCONT).unwrap();
    let mut retry = None;
    eventually("the retry is answered", async || {
        let answer = gateway.buy("p", "ann", "second").await;
        let is_answered = answer.status == 200;
        retry = Some(answer);
        is_answered
    })
    .await;
    // Redis had the call in its socket and took the buy when it woke.
    let retry = retry.unwrap();
    assert_eq!(retry.header("idempotent-replayed"), Some("true"));
    assert_eq!(retry.json()["position"], 2);
}

#[tokio::test]
async fn forgotten_scripts_are_loaded_again_without_a_failure() {
    let mut world = World::new().await;
    world.announce("drop", one_product("p", 1000)).await;
    let gateway = world.gateway().await;
    let mut connection = world.connection().await;
    for number in 0..3 {
        let _: () = redis::cmd("SCRIPT")
            .arg("FLUSH")
            .query_async(&mut connection)
            .await
            .unwrap();
        gateway
            .buy("p", &format!("user-{number}"), "k")
            .await
            .job_id();
    }
    world.redis.restart().await.unwrap();
    assert_recovers(&gateway, "late").await;
}

#[tokio::test]
async fn a_gateway_starts_without_redis_and_sells_once_it_is_there() {
    let mut world = World::new().await;
    world.announce("drop", one_product("p", 1000)).await;
    world.redis.stop().await.unwrap();
    let gateway = world.gateway_unready(&["--auth-mode", "off"]).await;
    assert_eq!(gateway.probes.get("/healthz").await.status, 200);
    assert_eq!(gateway.probes.get("/readyz").await.status, 503);
    world.redis.restart().await.unwrap();
    assert_recovers(&gateway, "ann").await;
}

/// Looking up orders and reading the catalogue must not compete for connections.
#[tokio::test]
async fn a_crowd_that_looks_up_orders_does_not_keep_the_catalogue_from_redis() {
    let (mut world, _postgres) = World::with_ledger().await;
    world.announce("drop", one_product("p", 1)).await;
    let link = FaultProxy::start(([127, 0, 0, 1], world.redis.port()).into());
    let link = link.await.unwrap();
    let direct = world.redis_url.clone();
    world.redis_url = link.url(&direct).unwrap();
    let gateway = world.gateway_with(&["--auth-mode=off"]).await;
    link.set_both(Flow::Delayed(Duration::from_millis(60)));
    let client = gateway.client;
    let crowd: Vec<_> = (0..300)
        .map(|_| {
            tokio::spawn(async move {
                loop {
                    client.get(&format!("/orders/{}", Uuid::new_v4())).await;
                }
            })
        })
        .collect();
    eventually("look-ups wait for a connection", async || {
        let answer = client.get(&format!("/orders/{}", Uuid::new_v4())).await;
        answer.status == 503
    })
    .await;

    world.redis_url = direct;
    for number in 0..3 {
        let name = format!("drop-{number}");
        let announced = Instant::now();
        world.announce(&name, one_product("p", 1)).await;
        eventually("the gateway knows the sale", async || {
            client.get("/sales").await.text().contains(&name)
        })
        .await;
        assert!(announced.elapsed() < KNOWN, "{:?}", announced.elapsed());
        assert_eq!(gateway.probes.get("/readyz").await.status, 200);
    }
    for task in crowd {
        task.abort();
    }
}
