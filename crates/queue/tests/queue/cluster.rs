//! Sales on a Redis Cluster.
#![allow(
    clippy::unwrap_used,
    reason = "tests say by unwrapping what they take for granted"
)]

use std::time::Duration;

use flashsale_domain::sale::Sale;
use flashsale_queue::{
    catalogue,
    connect::{self, SharedConnection},
    keys::{EVENTS, SaleKeys},
    observation, stock,
    turnstile::{Admission, Turnstile},
};
use flashsale_testbed::{
    cluster::Cluster,
    data_dir::DataDir,
    fixtures::{patience::until, queue::buy, sales::sale},
    redis::{AppendFsync, Redis},
};
use redis::AsyncCommands;
use tokio::time::timeout;

/// The servers wait for a second, vote, and tell each other.
const FAILOVER: Duration = Duration::from_secs(20);

struct Scene {
    cluster: Cluster,
    shared: SharedConnection,
    /// One on each primary.
    sales: Vec<Sale>,
}

impl Scene {
    async fn set() -> Self {
        let cluster = Cluster::start(3, AppendFsync::EverySecond).await.unwrap();
        let client = connect::redis_client(&cluster.url()).unwrap();
        let shared = connect::shared(&client).unwrap();
        let mut sales = Vec::new();
        for primary in 0..3 {
            sales.push(sale_on(&cluster, primary).await);
        }
        let scene = Self {
            cluster,
            shared,
            sales,
        };
        for sale in &scene.sales {
            scene.announce(sale).await;
        }
        // One that is promoted without its sale takes no buys.
        scene.cluster.replicas_have_everything().await.unwrap();
        scene
    }

    async fn announce(&self, sale: &Sale) {
        let mut queue = self.shared.clone();
        let level = flashsale_domain::stock::StockLevel {
            product: sale.products[0].id.clone(),
            stock: sale.products[0].stock,
            version: 1,
            settled_version: 1,
        };
        stock::publish(&mut queue, &SaleKeys::new(&sale.id), &[level])
            .await
            .unwrap();
        catalogue::announce(&mut queue, sale, false).await.unwrap();
    }

    /// Whether the buy is taken, now or before.
    async fn admits(&self, sale: &Sale, user: &str) -> bool {
        let mut queue = self.shared.clone();
        let keys = SaleKeys::new(&sale.id);
        let buys = [buy(sale, user, 0, "k")];
        let admitted = Turnstile::default().admit(&mut queue, &keys, &buys).await;
        matches!(
            admitted.as_deref(),
            Ok([Admission::Queued { .. } | Admission::Replayed { .. }])
        )
    }
}

/// A sale whose slot the primary at `position` has.
async fn sale_on(cluster: &Cluster, position: usize) -> Sale {
    for number in 0.. {
        let sale = sale(&format!("drop-{number}"), &[("p", 100)]);
        let keys = SaleKeys::new(&sale.id);
        let on = cluster.primary_of(0, keys.record()).await.unwrap();
        if on == Some(position) {
            return sale;
        }
    }
    unreachable!()
}

#[tokio::test]
async fn sales_on_every_server_are_read_in_one_go_and_withdrawn_whole() {
    let scene = Scene::set().await;
    let mut queue = scene.shared.clone();
    let all = catalogue::read_all(&mut queue).await.unwrap().announced;
    assert_eq!(all.len(), 3);
    for sale in &scene.sales {
        assert!(scene.admits(sale, "ann").await);
    }
    let sales: Vec<&Sale> = scene.sales.iter().collect();
    let seen = observation::observe(&mut queue, &sales).await.unwrap();
    for (observation, sale) in seen.iter().zip(&sales) {
        assert_eq!(observation.sale, sale.id);
        assert!(observation.is_listed);
        assert_eq!(observation.depth(), 1);
    }
    let ids: Vec<_> = sales.iter().map(|sale| &sale.id).collect();
    let mut servers = scene.shared.server_ids(&ids).await.unwrap();
    servers.sort_unstable();
    servers.dedup();
    assert_eq!(servers.len(), 3, "each sale is on a server of its own");
    for sale in &sales {
        catalogue::withdraw(&mut queue, &sale.id).await.unwrap();
    }
    for position in 0..3 {
        let keys: Vec<String> = scene
            .cluster
            .ask(position, redis::cmd("KEYS").arg("*"))
            .await
            .unwrap();
        let left: Vec<_> = keys
            .iter()
            .filter(|key| !key.ends_with(":withdrawn"))
            .collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[tokio::test]
async fn an_address_that_fits_another_kind_of_redis_is_answered_with_a_sentence() {
    let scene = Scene::set().await;
    let member = scene.cluster.servers[1].url();
    let lone = Redis::start(&DataDir::temporary().unwrap(), AppendFsync::EverySecond)
        .await
        .unwrap();
    let cluster = lone.url().replace("redis://", "redis+cluster://");
    for (url, told) in [
        (member.as_str(), "write redis+cluster:// for redis://"),
        (
            cluster.trim_end_matches('/'),
            "write redis:// for redis+cluster://",
        ),
    ] {
        let shared = connect::shared(&connect::redis_client(url).unwrap()).unwrap();
        let record = SaleKeys::new(&scene.sales[0].id).record().to_owned();
        let error = shared.clone().exists::<_, bool>(record).await.unwrap_err();
        assert!(error.to_string().contains(told), "{error}");
    }
}

#[tokio::test]
async fn what_is_said_at_one_server_is_heard_from_every_other() {
    let scene = Scene::set().await;
    let mut subscription = scene.shared.subscribe(&[EVENTS]).await.unwrap();
    for position in 0..6 {
        let mut say = redis::cmd("PUBLISH");
        say.arg(EVENTS).arg(position);
        let _: i64 = scene.cluster.ask(position, &say).await.unwrap();
        let heard = timeout(FAILOVER, subscription.next())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(heard.get_payload::<usize>().unwrap(), position);
    }
}

#[tokio::test]
async fn buys_go_on_while_a_slot_moves_and_after_it() {
    let scene = Scene::set().await;
    let sale = &scene.sales[0];
    let keys = SaleKeys::new(&sale.id);
    let product = &sale.products[0].id;
    let mut blocking = scene.shared.blocking(Duration::from_secs(1)).await.unwrap();
    for user in ["ann", "bob"] {
        assert!(scene.admits(sale, user).await);
    }
    let moving = scene.cluster.move_slot(keys.record(), 0, 1);
    let buying = async {
        for number in 0..50 {
            let user = format!("u{number}");
            until("the buy is taken", FAILOVER, || scene.admits(sale, &user)).await;
        }
    };
    let (moved, ()) = tokio::join!(moving, buying);
    moved.unwrap();
    let on = scene.cluster.primary_of(0, keys.record()).await.unwrap();
    assert_eq!(on, Some(1));
    let lane = keys.lane(product);
    let depth: u64 = scene.shared.clone().xlen(&lane).await.unwrap();
    assert_eq!(depth, 52, "each buy is in the lane once");
    let entries = flashsale_queue::lane::wait(
        &mut blocking,
        &lane,
        flashsale_queue::lane::HEAD,
        100,
        Duration::from_millis(100),
    )
    .await;
    assert_eq!(entries.unwrap().len(), 52);
}

#[tokio::test]
async fn a_killed_primary_holds_up_its_own_sale_alone_until_its_replica_takes_over() {
    let mut scene = Scene::set().await;
    scene.cluster.servers[0].kill().await.unwrap();
    for (number, sale) in scene.sales[1..].iter().enumerate() {
        assert!(scene.admits(sale, &format!("meanwhile-{number}")).await);
    }
    let sale = &scene.sales[0];
    until("its replica takes buys", FAILOVER, || {
        scene.admits(sale, "later")
    })
    .await;
    // The address names servers that are gone, too.
    let mut subscription = scene.shared.subscribe(&[EVENTS]).await.unwrap();
    let _: i64 = scene.shared.clone().publish(EVENTS, "x").await.unwrap();
    timeout(FAILOVER, subscription.next())
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn a_primary_that_hangs_is_left_for_its_replica() {
    let scene = Scene::set().await;
    let sale = &scene.sales[0];
    assert!(scene.admits(sale, "ann").await);
    scene.cluster.servers[0].pause().unwrap();
    until("its replica takes buys", FAILOVER, || {
        scene.admits(sale, "bob")
    })
    .await;
    scene.cluster.servers[0].resume().unwrap();
    assert!(scene.admits(sale, "cy").await);
}
