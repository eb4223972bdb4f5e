//! Connections to Redis over links that fall silent, and to primaries that are demoted.
#![allow(
    clippy::unwrap_used,
    reason = "tests say by unwrapping what they take for granted"
)]

use std::{net::SocketAddr, time::Duration};

use flashsale_queue::connect::{self, SharedConnection, check_writable};
use flashsale_testbed::{
    data_dir::DataDir,
    fault_proxy::FaultProxy,
    fixtures::patience::until,
    redis::{AppendFsync, Redis},
};
use futures_util::future::join_all;
use redis::{AsyncCommands, RedisResult, Script, aio::MultiplexedConnection};
use tokio::time::timeout;

/// The longest that a connection may be of no use when another one would work.
const BOUND: Duration = Duration::from_secs(3);

const WRITING_SCRIPT: &str = "return redis.call('SET', KEYS[1], ARGV[1])";

/// A Redis behind a link that can fail.
struct Linked {
    redis: Redis,
    proxy: FaultProxy,
    shared: SharedConnection,
}

impl Linked {
    async fn start() -> Self {
        let redis = start_redis().await;
        let proxy = FaultProxy::start(address(&redis)).await.unwrap();
        let client = connect::redis_client(&proxy.url(&redis.url()).unwrap()).unwrap();
        let mut shared = connect::shared(&client).unwrap();
        let () = shared.set("known", "yes").await.unwrap();
        Self {
            redis,
            proxy,
            shared,
        }
    }

    /// Has the server take no more writes, and leads new connections to a new primary. The
    /// connections that there are stay, as they do when Sentinel or an operator fails over.
    async fn fail_over(&self) -> (Redis, MultiplexedConnection) {
        let successor = start_redis().await;
        // One password for both.
        let url = self.redis.url();
        let password = url.split([':', '@']).nth(2).unwrap();
        let mut command = redis::cmd("CONFIG");
        command.arg("SET").arg("requirepass").arg(password);
        let mut connection = direct(&successor).await;
        command.exec_async(&mut connection).await.unwrap();
        self.proxy.lead_to(address(&successor));
        self.demote().await;
        (successor, connection)
    }

    async fn demote(&self) {
        let mut command = redis::cmd("REPLICAOF");
        command.arg("127.0.0.1").arg(1);
        let mut connection = direct(&self.redis).await;
        command.exec_async(&mut connection).await.unwrap();
    }
}

async fn start_redis() -> Redis {
    let data_dir = DataDir::temporary().unwrap();
    Redis::start(&data_dir, AppendFsync::EverySecond)
        .await
        .unwrap()
}

fn address(redis: &Redis) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], redis.port()))
}

async fn direct(redis: &Redis) -> MultiplexedConnection {
    let client = redis::Client::open(redis.url()).unwrap();
    client.get_multiplexed_async_connection().await.unwrap()
}

#[tokio::test]
async fn a_silent_connection_is_replaced() {
    let linked = Linked::start().await;
    linked.proxy.swallow_present();
    until("commands are answered again", BOUND, || {
        let mut shared = linked.shared.clone();
        async move { shared.set::<_, _, ()>("known", "still").await.is_ok() }
    })
    .await;
    assert_eq!(linked.shared.generation(), 1);
}

#[tokio::test]
async fn a_connection_to_a_slow_server_is_kept() {
    let linked = Linked::start().await;
    let mut pause = redis::cmd("CLIENT");
    pause.arg("PAUSE").arg(900).arg("ALL");
    let mut connection = direct(&linked.redis).await;
    pause.exec_async(&mut connection).await.unwrap();
    let mut shared = linked.shared.clone();
    let answer: RedisResult<String> = shared.get("known").await;
    assert!(
        answer.unwrap_err().is_timeout(),
        "it was asked in the pause"
    );
    until("commands are answered again", BOUND, || {
        let mut shared = linked.shared.clone();
        async move { shared.get::<_, String>("known").await.is_ok() }
    })
    .await;
    assert_eq!(linked.shared.generation(), 0);
    assert_eq!(linked.proxy.accepted(), 1);
}

#[tokio::test]
async fn a_demoted_primary_is_left_at_the_first_refused_write() {
    let script = Script::new(WRITING_SCRIPT);
    for way in [
        "command",
        "pipeline",
        "transaction",
        "script",
        "script in a transaction",
    ] {
        let linked = Linked::start().await;
        let (_server, mut successor) = linked.fail_over().await;
        // Replaced connections are not replaced again at once.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let mut shared = linked.shared.clone();
        let mut pipe = redis::pipe();
        let refused: RedisResult<()> = match way {
            "command" => shared.set("k", way).await,
            "pipeline" => pipe.get("k").set("k", way).query_async(&mut shared).await,
            "transaction" => pipe.atomic().set("k", way).query_async(&mut shared).await,
            "script" => script.key("k").arg(way).invoke_async(&mut shared).await,
            _ => {
                let mut load = redis::cmd("SCRIPT");
                load.arg("LOAD").arg(WRITING_SCRIPT);
                load.exec_async(&mut shared).await.unwrap();
                pipe.atomic().invoke_script(script.key("k").arg(way));
                pipe.query_async(&mut shared).await
            }
        };
        refused.expect_err(way);
        let () = shared.set("k", way).await.unwrap();
        assert_eq!(successor.get::<_, String>("k").await.unwrap(), way);
        assert_eq!(linked.shared.generation(), 1, "{way}");
    }
}

#[tokio::test]
async fn only_a_server_that_takes_writes_is_found_writable() {
    let linked = Linked::start().await;
    let mut shared = linked.shared.clone();
    check_writable(&mut shared).await.unwrap();
    assert!(!shared.exists::<_, bool>("fs:sales").await.unwrap());
    linked.demote().await;
    let () = redis::cmd("PING").query_async(&mut shared).await.unwrap();
    check_writable(&mut shared).await.unwrap_err();
}

#[tokio::test]
async fn many_failures_replace_a_connection_once() {
    let linked = Linked::start().await;
    linked.demote().await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let writes = (0..100).map(|_| {
        let mut shared = linked.shared.clone();
        async move { shared.set::<_, _, ()>("k", "v").await.unwrap_err() }
    });
    join_all(writes).await;
    assert_eq!(linked.shared.generation(), 1);
}

#[tokio::test]
async fn what_was_made_from_a_replaced_connection_ends_with_it() {
    let linked = Linked::start().await;
    let mut blocking = linked
        .shared
        .blocking(Duration::from_mins(1))
        .await
        .unwrap();
    let mut subscription = linked.shared.subscribe(&["news"]).await.unwrap();
    let pool = connect::pool(&linked.shared, 1);
    let () = pool
        .get()
        .await
        .unwrap()
        .get("known")
        .await
        .map(|_: String| ())
        .unwrap();
    let _successor = linked.fail_over().await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut wait = redis::cmd("XREAD");
    wait.arg(&["BLOCK", "60000", "STREAMS", "lane", "$"]);
    let mut shared = linked.shared.clone();
    let (waited, heard, _) = timeout(BOUND, async {
        tokio::join!(
            // A replica lets everyone read, and so wait.
            wait.exec_async(&mut blocking),
            subscription.next(),
            shared.set::<_, _, ()>("k", "v"),
        )
    })
    .await
    .unwrap();
    waited.unwrap_err();
    heard.unwrap_err();
    let pooled: Option<String> = pool.get().await.unwrap().get("known").await.unwrap();
    assert_eq!(pooled, None, "the successor knows nothing");
}

#[tokio::test]
async fn a_silent_subscription_ends() {
    let linked = Linked::start().await;
    let mut subscription = linked.shared.subscribe(&["news"]).await.unwrap();
    let mut direct = direct(&linked.redis).await;
    let () = direct.publish("news", "one").await.unwrap();
    let heard = subscription.next().await.unwrap();
    assert_eq!(heard.get_payload_bytes(), b"one");
    linked.proxy.swallow_present();
    let ended = timeout(BOUND, subscription.next()).await;
    ended.unwrap().unwrap_err();
}
