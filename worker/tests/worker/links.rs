//! A worker whose links to Redis and PostgreSQL fall silent, or lead to a server that is no longer
//! the primary: it flows again by itself.

use std::{net::SocketAddr, time::Duration};

use flashsale_domain::sale::Sale;
use flashsale_ledger::LedgerConfig;
use flashsale_queue::{catalogue, connect, keys::SaleKeys};
use flashsale_testbed::{
    cluster::Cluster,
    data_dir::DataDir,
    fault_proxy::{Direction, FaultProxy, Flow},
    fixtures::{
        patience::until,
        queue::{depth, job, push},
        sales::{open, sale},
        services::Services,
    },
    redis::{AppendFsync, Redis},
    sentinel::Watched,
};
use redis::AsyncCommands as _;

use crate::running::Worker;

/// The longest that a lane may stand still when a link falls silent.
const SILENCE: Duration = Duration::from_secs(5);

/// The same when a primary is demoted.
const FAILOVER: Duration = Duration::from_secs(10);

/// The same when Sentinel has to find another one first.
const SENTINEL: Duration = Duration::from_mins(1);

const SOON: Duration = Duration::from_secs(10);

/// A worker behind links that can fail, and a lane that it has driven.
struct Scene {
    services: Services,
    redis: FaultProxy,
    postgres: FaultProxy,
    worker: Worker,
    sale: Sale,
}

impl Scene {
    async fn start() -> Self {
        let services = Services::start().await;
        let sale = sale("drop", &[("p", 1000)]);
        open(&services, &sale).await;
        let redis = proxy(&services.redis.url()).await;
        let postgres = proxy(&services.database_url).await;
        let client = connect::redis_client(&redis.url(&services.redis.url()).unwrap()).unwrap();
        let ledger = flashsale_ledger::Ledger::open(&LedgerConfig {
            url: postgres.url(&services.database_url).unwrap().into(),
            tls: flashsale_transport::TlsSource::System,
            connections: 4,
            transaction_pooler: false,
            ping_before_use: false,
            bounds: None,
        });
        let worker = Worker::start_at(&client, ledger.unwrap(), "w", 2);
        let scene = Self {
            services,
            redis,
            postgres,
            worker,
            sale,
        };
        scene.push("first").await;
        scene.emptied(SOON).await;
        scene
    }

    async fn push(&self, user: &str) {
        let job = job(&self.sale, user, &self.sale.products[0].id, "k");
        let json = serde_json::to_vec(&job).unwrap();
        push(&self.services, &self.sale, 0, &json).await;
    }

    async fn emptied(&self, longest: Duration) -> Duration {
        until("the lane is empty", longest, async || {
            depth(&self.services, &self.sale, 0).await == 0
        })
        .await
    }

    async fn orders(&self) -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM orders")
            .fetch_one(self.services.ledger.pool())
            .await
            .unwrap()
    }
}

async fn proxy(url: &str) -> FaultProxy {
    let address = url.rsplit_once('@').unwrap().1;
    let address = address.split_once('/').unwrap().0;
    FaultProxy::start(address.parse().unwrap()).await.unwrap()
}

#[tokio::test]
async fn a_silent_link_to_postgresql_holds_a_lane_up_for_seconds() {
    let scene = Scene::start().await;
    scene.postgres.swallow_present();
    scene.push("second").await;
    scene.emptied(SILENCE).await;
    assert_eq!(scene.orders().await, 2);
    scene.worker.stop().await;
}

#[tokio::test]
async fn a_silent_link_to_redis_holds_a_lane_up_for_seconds() {
    let scene = Scene::start().await;
    scene.redis.swallow_present();
    scene.push("second").await;
    scene.emptied(SILENCE).await;
    assert_eq!(scene.orders().await, 2);
    scene.worker.stop().await;
}

#[tokio::test]
async fn answers_that_never_come_are_waited_for_no_longer() {
    let scene = Scene::start().await;
    // Redis and PostgreSQL do as they are told, and the worker never hears of it.
    scene.postgres.set(Direction::ToClient, Flow::Silent);
    scene.redis.set(Direction::ToClient, Flow::Silent);
    scene.push("second").await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    scene.postgres.heal();
    scene.redis.heal();
    scene.emptied(SILENCE).await;
    assert_eq!(scene.orders().await, 2);
    scene.worker.stop().await;
}

/// A lane in a Redis that looks after its failovers by itself, and a worker that drives it.
struct FailingOver {
    services: Services,
    worker: Worker,
    sale: Sale,
}

impl FailingOver {
    async fn start(redis_url: &str, sale: Sale) -> Self {
        let client = connect::redis_client(redis_url).unwrap();
        let mut services = Services::start().await;
        services.queue = connect::shared(&client).unwrap();
        open(&services, &sale).await;
        let worker = Worker::start_at(&client, services.ledger.clone(), "w", 2);
        Self {
            services,
            worker,
            sale,
        }
    }

    /// Has a shopper buy, once Redis takes buys, and waits until the lane is empty.
    async fn settles(&self, user: &str) {
        let job = job(&self.sale, user, &self.sale.products[0].id, "k");
        let json = serde_json::to_vec(&job).unwrap();
        let lane = SaleKeys::new(&self.sale.id).lane(&self.sale.products[0].id);
        let queue = &self.services.queue;
        until("Redis takes the buy", SENTINEL, async || {
            let taken = queue.clone().xadd(&lane, "*", &[("job", &json)]).await;
            taken.is_ok_and(|_: String| true)
        })
        .await;
        until("the lane is empty", SENTINEL, async || {
            let depth = queue.clone().xlen(&lane).await;
            depth.is_ok_and(|depth: u64| depth == 0)
        })
        .await;
    }

    async fn end(self, orders: i64) {
        let settled: i64 = sqlx::query_scalar("SELECT count(*) FROM orders")
            .fetch_one(self.services.ledger.pool())
            .await
            .unwrap();
        assert_eq!(settled, orders);
        self.worker.stop().await;
    }
}

#[tokio::test]
async fn a_worker_goes_on_at_the_primary_that_sentinel_names() {
    let mut watched = Watched::start(1, AppendFsync::EverySecond).await.unwrap();
    let lane = FailingOver::start(&watched.url(), sale("drop", &[("p", 1000)])).await;
    lane.settles("first").await;
    watched.all_have_everything().await.unwrap();
    watched.servers[0].kill().await.unwrap();
    lane.settles("second").await;
    lane.end(2).await;
}

#[tokio::test]
async fn a_worker_follows_a_lane_through_a_cluster() {
    let mut cluster = Cluster::start(3, AppendFsync::EverySecond).await.unwrap();
    let sale = sale("drop", &[("p", 1000)]);
    let record = SaleKeys::new(&sale.id).record().to_owned();
    let lane = FailingOver::start(&cluster.url(), sale).await;
    lane.settles("first").await;
    let first = cluster.primary_of(0, &record).await.unwrap().unwrap();
    let second = (first + 1) % 3;
    cluster.move_slot(&record, first, second).await.unwrap();
    lane.settles("second").await;
    cluster.replicas_have_everything().await.unwrap();
    cluster.servers[second].kill().await.unwrap();
    lane.settles("third").await;
    lane.end(3).await;
}

#[tokio::test]
async fn a_worker_follows_redis_to_the_new_primary() {
    let scene = Scene::start().await;
    let data_dir = DataDir::temporary().unwrap();
    let successor = Redis::start(&data_dir, AppendFsync::EverySecond)
        .await
        .unwrap();
    let client = connect::redis_client(&successor.url()).unwrap();
    let mut queue = connect::shared(&client).unwrap();
    let url = scene.services.redis.url();
    let mut password = redis::cmd("CONFIG");
    let one_for_both = url.split([':', '@']).nth(2).unwrap();
    password.arg("SET").arg("requirepass").arg(one_for_both);
    let announced = catalogue::announce(&mut queue, &scene.sale, false);
    announced.await.unwrap();
    password.exec_async(&mut queue).await.unwrap();
    // Connections stay where they are: the old primary is a replica from now on, of nobody.
    let to = SocketAddr::from(([127, 0, 0, 1], successor.port()));
    scene.redis.lead_to(to);
    let mut demote = redis::cmd("REPLICAOF");
    demote.arg("127.0.0.1").arg(1);
    let mut old = scene.services.queue.clone();
    demote.exec_async(&mut old).await.unwrap();

    let product = &scene.sale.products[0].id;
    let lane = SaleKeys::new(&scene.sale.id).lane(product);
    let job = job(&scene.sale, "second", product, "k");
    let json = serde_json::to_vec(&job).unwrap();
    let _: String = queue.xadd(&lane, "*", &[("job", json)]).await.unwrap();
    until("the new primary's lane is empty", FAILOVER, async || {
        queue.clone().xlen::<_, u64>(&lane).await.unwrap() == 0
    })
    .await;
    assert_eq!(scene.orders().await, 2);
    scene.worker.stop().await;
}

#[tokio::test]
async fn a_worker_ends_whatever_is_silent() {
    let scene = Scene::start().await;
    scene.postgres.set_both(Flow::Silent);
    scene.redis.set_both(Flow::Silent);
    scene.push("second").await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let stopping = tokio::time::timeout(SOON, scene.worker.stop());
    stopping.await.expect("it stops");
}
