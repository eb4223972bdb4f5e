//! Sales whose buys are acknowledged only when replicas of Redis have them.

use std::net::SocketAddr;

use flashsale_domain::sale::Sale;
use flashsale_queue::{
    connect::{self, SharedConnection},
    keys::SaleKeys,
};
use flashsale_testbed::{
    cluster::Cluster,
    data_dir::DataDir,
    fault_proxy::{Direction, End, FaultProxy, Flow},
    redis::{AppendFsync, Redis},
    sentinel::Watched,
};
use redis::{AsyncCommands, Cmd};
use serde_json::{Value, json};

use crate::support::{
    Gateway, World, all, client::Answer, client::Client, eventually, one_product,
};

/// A sale of one product that asks for one replica.
fn replicated(product: &str, stock: i32) -> Value {
    let mut spec = one_product(product, stock);
    spec["durability"] = json!({ "redisReplicas": 1 });
    spec
}

async fn replica_of(primary: &Redis) -> Redis {
    let data_dir = DataDir::temporary().unwrap();
    Redis::start_replica(&data_dir, primary).await.unwrap()
}

async fn tell(server: &Redis, command: &Cmd) {
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    command.exec_async(&mut connection).await.unwrap();
}

async fn follow(server: &Redis, address: SocketAddr) {
    let mut command = redis::cmd("REPLICAOF");
    command.arg(address.ip().to_string()).arg(address.port());
    tell(server, &command).await;
}

fn address_of(server: &Redis) -> SocketAddr {
    ([127, 0, 0, 1], server.port()).into()
}

/// Waits until the buy is acknowledged, now or before.
async fn acknowledged(gateway: &Gateway, product: &str, user: &str) -> Answer {
    let mut last = None;
    eventually("the buy is acknowledged", async || {
        let answer = gateway.buy(product, user, "k").await;
        let is_acknowledged = answer.status == 200;
        last = Some(answer);
        is_acknowledged
    })
    .await;
    last.unwrap()
}

/// The buy is refused for want of replicas, and no sooner for a machine that is busy.
async fn assert_not_replicated(gateway: &Gateway, product: &str, user: &str) {
    let mut last = None;
    eventually("the buy is decided in time", async || {
        let answer = gateway.buy(product, user, "k").await;
        let is_decided = answer.status != 503 || answer.problem() != "unavailable";
        last = Some(answer);
        is_decided
    })
    .await;
    let answer = last.unwrap();
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (503, "not-replicated")
    );
    assert!(answer.asks_to_come_back_soon(), "{answer:?}");
    let detail = answer.json()["detail"].to_string();
    assert!(detail.contains("same Idempotency-Key"), "{detail}");
}

/// Whether the replica has told that it has all that it was sent.
async fn has_everything(world: &World) -> bool {
    let mut info = redis::cmd("INFO");
    let mut connection = world.connection().await;
    let info: String = info
        .arg("replication")
        .query_async(&mut connection)
        .await
        .unwrap();
    let sent = info
        .lines()
        .find_map(|line| line.strip_prefix("master_repl_offset:"));
    info.contains(&format!("state=online,offset={},", sent.unwrap().trim()))
}

#[tokio::test]
async fn buys_wait_for_a_replica_and_refusals_do_not() {
    let world = World::new().await;
    world.announce("drop", replicated("p", 2)).await;
    let gateway = world.gateway().await;
    assert_not_replicated(&gateway, "p", "ann").await;
    let replica = replica_of(&world.redis).await;
    let ann = acknowledged(&gateway, "p", "ann").await;
    assert_eq!(ann.header("idempotent-replayed"), Some("true"));

    replica.pause().unwrap();
    assert_not_replicated(&gateway, "p", "bob").await;
    assert_not_replicated(&gateway, "p", "ann").await;
    assert_eq!(gateway.buy("p", "cat", "k").await.problem(), "sold-out");
    let shortfalls = gateway
        .metric("flashsale_gateway_replica_shortfalls_total")
        .await;
    assert!(shortfalls.unwrap() >= 4.0, "{shortfalls:?}");
    replica.resume().unwrap();
    let bob = acknowledged(&gateway, "p", "bob").await;
    assert_eq!(bob.header("idempotent-replayed"), Some("true"));
    assert_eq!(bob.json()["position"], 2);
}

#[tokio::test]
async fn a_gateway_follows_when_the_sale_asks_for_other_replicas() {
    let world = World::new().await;
    world.announce("drop", replicated("p", 100)).await;
    let gateway = world.gateway().await;
    assert_not_replicated(&gateway, "p", "ann").await;
    world.announce("drop", one_product("p", 100)).await;
    acknowledged(&gateway, "p", "ann").await;
    world.announce("drop", replicated("p", 100)).await;
    eventually("a replica is waited for again", async || {
        let answer = gateway.buy("p", "ann", "k").await;
        answer.status == 503 && answer.problem() == "not-replicated"
    })
    .await;
}

#[tokio::test]
async fn a_repeat_at_another_gateway_waits_for_the_replica_too() {
    let world = World::new().await;
    world.announce("drop", replicated("p", 100)).await;
    let replica = replica_of(&world.redis).await;
    let gateways = [world.gateway().await, world.gateway().await];
    let ann = acknowledged(&gateways[0], "p", "ann").await;
    // While a sale is paused, a repeat writes nothing by itself.
    let mut suspended = replicated("p", 100);
    suspended["suspend"] = json!(true);
    world.announce("drop", suspended).await;
    // Redis 7.0 has `WAIT` wait for whatever was sent to the replica before, also by others.
    eventually("the replica has everything", async || {
        has_everything(&world).await
    })
    .await;

    replica.pause().unwrap();
    assert_not_replicated(&gateways[1], "p", "ann").await;
    let new = gateways[1].buy("p", "bob", "k").await;
    assert_eq!(new.problem(), "sale-not-open");
    replica.resume().unwrap();
    let again = acknowledged(&gateways[1], "p", "ann").await;
    assert_eq!(again.json(), ann.json());
}

#[tokio::test]
async fn while_a_call_waits_further_ones_go_on_and_other_sales_do_not_notice() {
    let world = World::new().await;
    let sale = world.announce("drop", replicated("p", 1000)).await;
    world.announce("plain", one_product("q", 1000)).await;
    let replica = replica_of(&world.redis).await;
    let patience = [
        "--replica-timeout-millis=20000",
        "--turnstile-timeout-millis=30000",
    ];
    let gateway = world
        .gateway_with(&[&["--auth-mode", "off"][..], &patience].concat())
        .await;
    acknowledged(&gateway, "p", "ann").await;

    replica.pause().unwrap();
    let client = gateway.client;
    let first = tokio::spawn(async move { client.buy("p", "bob", "k").await });
    let mut connection = world.connection().await;
    let lane = SaleKeys::new(&sale.id).lane(&sale.products[0].id);
    let mut depth = async || connection.xlen::<_, usize>(&lane).await.unwrap();
    eventually("the first buy is decided", async || depth().await == 2).await;
    let more = tokio::spawn(all((0..100).map(move |number| async move {
        client.buy("p", &format!("user-{number}"), "k").await.status
    })));
    // Three further calls travel while the first waits.
    eventually("further buys are decided", async || depth().await > 2).await;
    for number in 0..20 {
        gateway
            .buy("q", &format!("user-{number}"), "k")
            .await
            .job_id();
    }
    assert!(!first.is_finished() && !more.is_finished());
    replica.resume().unwrap();
    assert_eq!(first.await.unwrap().status, 200);
    assert!(more.await.unwrap().iter().all(|status| *status == 200));
}

#[tokio::test]
async fn what_a_primary_without_its_replica_took_was_not_acknowledged() {
    let mut world = World::new().await;
    let primary = address_of(&world.redis);
    let replication = FaultProxy::start(primary).await.unwrap();
    let way_in = FaultProxy::start(primary).await.unwrap();
    let replica = replica_of(&world.redis).await;
    follow(&replica, replication.address()).await;
    let sale = world.announce("drop", replicated("p", 1000)).await;
    eventually("the replica has the sale", async || {
        has_everything(&world).await
    })
    .await;
    world.redis_url = way_in.url(&world.redis_url).unwrap();
    let gateway = world.gateway().await;
    acknowledged(&gateway, "p", "ann").await;

    let crowd = |prefix: &'static str| buy_all(gateway.client, "p", prefix);
    let mut told = crowd("early").await;
    assert_eq!(told.len(), 50);
    replication.set(Direction::ToClient, Flow::Silent);
    told.extend(crowd("late").await);
    tell(&replica, redis::cmd("REPLICAOF").arg("NO").arg("ONE")).await;
    way_in.lead_to(address_of(&replica));
    way_in.end_all(End::Reset);
    follow(&world.redis, address_of(&replica)).await;
    acknowledged(&gateway, "p", "late-7").await;
    world.redis_url = replica.url();
    let connection = connect_to(&world);
    assert_found(&told, &sale, &connection).await;
}

#[tokio::test]
async fn a_failover_by_sentinel_loses_no_acknowledged_buy() {
    let mut watched = Watched::start(1, AppendFsync::EverySecond).await.unwrap();
    let mut world = World::new().await;
    world.redis_url = watched.servers[0].url();
    let sale = world.announce("drop", replicated("p", 10_000)).await;
    world.redis_url = watched.url();
    let gateway = world.gateway().await;
    acknowledged(&gateway, "p", "ann").await;
    let crowd = tokio::spawn(buy_until_refused(gateway.client, "p"));
    eventually("some buys are acknowledged", async || {
        gateway.metric("flashsale_gateway_ack_seconds_count").await > Some(100.0)
    })
    .await;
    watched.servers[0].kill().await.unwrap();
    let told = crowd.await.unwrap();
    let connection = connect_to(&world);
    eventually("the replica is the primary", async || {
        connect::check_writable(&mut connection.clone())
            .await
            .is_ok()
    })
    .await;
    assert_found(&told, &sale, &connection).await;
    // Nobody follows the new primary until the former one is back.
    eventually("the new primary has no replica", async || {
        gateway.buy("p", "late", "k").await.problem() == "not-replicated"
    })
    .await;
    watched.servers[0].restart().await.unwrap();
    follow(&watched.servers[0], address_of(&watched.servers[1])).await;
    acknowledged(&gateway, "p", "late").await;
}

#[tokio::test]
async fn a_failover_in_a_cluster_loses_no_acknowledged_buy() {
    let mut cluster = Cluster::start(3, AppendFsync::EverySecond).await.unwrap();
    let mut world = World::new().await;
    world.redis_url = cluster.url();
    let connection = connect_to(&world);
    let sale = world
        .announce_by(&mut connection.clone(), "drop", replicated("p", 10_000))
        .await;
    let keys = SaleKeys::new(&sale.id);
    let gateway = world.gateway().await;
    acknowledged(&gateway, "p", "ann").await;
    let dies = cluster.primary_of(0, keys.record()).await.unwrap().unwrap();
    let crowd = tokio::spawn(buy_until_refused(gateway.client, "p"));
    eventually("some buys are acknowledged", async || {
        gateway.metric("flashsale_gateway_ack_seconds_count").await > Some(100.0)
    })
    .await;
    cluster.servers[dies].kill().await.unwrap();
    let told = crowd.await.unwrap();
    eventually("the new primary has no replica", async || {
        gateway.buy("p", "late", "k").await.problem() == "not-replicated"
    })
    .await;
    assert_found(&told, &sale, &connection).await;
    cluster.servers[dies].restart().await.unwrap();
    acknowledged(&gateway, "p", "late").await;
}

fn connect_to(world: &World) -> SharedConnection {
    let client = connect::redis_client(&world.redis_url).unwrap();
    connect::shared(&client).unwrap()
}

/// Fifty buys at once; the ids of the jobs that were acknowledged.
async fn buy_all(client: Client, product: &'static str, prefix: &'static str) -> Vec<String> {
    let answers = all((0..50).map(|number| async move {
        client
            .buy(product, &format!("{prefix}-{number}"), "k")
            .await
    }));
    let answers = answers.await.into_iter();
    answers
        .filter(|answer| answer.status == 200)
        .map(|answer| answer.job_id())
        .collect()
}

/// Buys until three in a row are not acknowledged; the ids of the jobs that were.
async fn buy_until_refused(client: Client, product: &'static str) -> Vec<String> {
    let buyers = (0..8).map(|buyer| async move {
        let mut told = Vec::new();
        let mut refused = 0;
        for number in 0.. {
            let answer = client.buy(product, &format!("{buyer}-{number}"), "k").await;
            if answer.status == 200 {
                told.push(answer.job_id());
                refused = 0;
            } else {
                refused += 1;
            }
            if refused == 3 {
                break;
            }
        }
        told
    });
    all(buyers).await.concat()
}

/// Every acknowledged job is where `connection` leads to.
async fn assert_found(told: &[String], sale: &Sale, connection: &SharedConnection) {
    assert!(told.len() >= 50, "{} buys were acknowledged", told.len());
    let jobs = SaleKeys::new(&sale.id);
    let found: Vec<Option<String>> = connection.clone().hmget(jobs.jobs(), told).await.unwrap();
    let lost = found.iter().filter(|job| job.is_none()).count();
    assert_eq!(lost, 0, "of {} acknowledged buys", told.len());
}
