//! Connections to the primary that Sentinel names.
#![allow(
    clippy::unwrap_used,
    reason = "tests say by unwrapping what they take for granted"
)]

use std::time::Duration;

use flashsale_queue::connect::{self, SharedConnection};
use flashsale_testbed::{
    fixtures::patience::until,
    redis::AppendFsync,
    sentinel::{NAME, Watched},
};
use flashsale_transport::{ReplyBounds, TlsSource};
use redis::AsyncCommands;
use tokio::time::timeout;

/// The Sentinels wait for a second, and then need a few rounds to agree and to change the servers.
const FAILOVER: Duration = Duration::from_mins(1);

/// A former primary that comes back is left alone for eight seconds, and the Sentinels look at it
/// every ten.
const DEMOTION: Duration = Duration::from_secs(90);

async fn watched() -> (Watched, SharedConnection) {
    let watched = Watched::start(1, AppendFsync::EverySecond).await.unwrap();
    let shared = connect_to(&watched.url());
    (watched, shared)
}

fn connect_to(url: &str) -> SharedConnection {
    connect::shared(&connect::redis_client(url).unwrap()).unwrap()
}

async fn writes_succeed_again(shared: &SharedConnection, value: &str) {
    until("writes succeed again", FAILOVER, || {
        let mut shared = shared.clone();
        async move { shared.set::<_, _, ()>("after", value).await.is_ok() }
    })
    .await;
}

/// What the server at `position` has under `after`; none also while it answers nobody, as one that
/// has just been made a replica.
async fn at(watched: &Watched, position: usize) -> Option<String> {
    let client = redis::Client::open(watched.servers[position].url()).unwrap();
    let mut direct = client.get_multiplexed_async_connection().await.ok()?;
    direct.get("after").await.ok()?
}

#[tokio::test]
async fn a_killed_primary_is_left_for_its_successor_by_every_connection() {
    let (mut watched, mut shared) = watched().await;
    let () = shared.set("before", "yes").await.unwrap();
    let mut blocking = shared.blocking(Duration::from_mins(1)).await.unwrap();
    let mut subscription = shared.subscribe(&["news"]).await.unwrap();
    let pool = connect::pool(&shared, 1);
    let pooled: String = pool.get().await.unwrap().get("before").await.unwrap();
    assert_eq!(pooled, "yes");

    watched.servers[0].kill().await.unwrap();
    let mut wait = redis::cmd("XREAD");
    wait.arg(&["BLOCK", "60000", "STREAMS", "lane", "$"]);
    wait.exec_async(&mut blocking).await.unwrap_err();
    let heard = timeout(FAILOVER, subscription.next()).await;
    heard.unwrap().unwrap_err();
    writes_succeed_again(&shared, "first").await;
    assert_eq!(at(&watched, 1).await.as_deref(), Some("first"));
    let pooled: String = pool.get().await.unwrap().get("after").await.unwrap();
    assert_eq!(pooled, "first");
    let mut subscription = shared.subscribe(&["news"]).await.unwrap();
    let () = shared.publish("news", "one").await.unwrap();
    let heard = subscription.next().await.unwrap();
    assert_eq!(heard.get_payload_bytes(), b"one");

    // It takes itself for a primary until the Sentinels tell it otherwise. When they do is up to
    // them: more than 90 s were seen.
    watched.servers[0].restart().await.unwrap();
    let () = shared.set("after", "second").await.unwrap();
    assert_eq!(at(&watched, 1).await.as_deref(), Some("second"));
    let () = shared.set("after", "third").await.unwrap();
    assert_eq!(at(&watched, 1).await.as_deref(), Some("third"));
}

/// The relay asks the Sentinels itself.
#[tokio::test]
async fn a_killed_primary_is_left_for_its_successor_through_a_relay() {
    let (mut watched, _) = watched().await;
    let bounds = ReplyBounds::default();
    let client = connect::bounded_redis_client(&watched.url(), &TlsSource::System, &bounds);
    let mut shared = connect::shared(&client.unwrap()).unwrap();
    let () = shared.set("before", "yes").await.unwrap();
    watched.servers[0].kill().await.unwrap();
    writes_succeed_again(&shared, "first").await;
    assert_eq!(at(&watched, 1).await.as_deref(), Some("first"));
}

#[tokio::test]
async fn a_primary_that_hangs_is_left_and_not_gone_back_to() {
    let (watched, mut shared) = watched().await;
    let () = shared.set("before", "yes").await.unwrap();
    watched.servers[0].pause().unwrap();
    writes_succeed_again(&shared, "first").await;
    watched.servers[0].resume().unwrap();
    until("the former primary follows", DEMOTION, || async {
        at(&watched, 0).await.as_deref() == Some("first")
    })
    .await;
    let () = shared.set("after", "second").await.unwrap();
    assert_eq!(at(&watched, 1).await.as_deref(), Some("second"));
}

#[tokio::test]
async fn sentinels_that_are_silent_or_gone_are_passed_over() {
    let (watched, _) = watched().await;
    watched.sentinels[0].pause().unwrap();
    watched.sentinels[1].kill().unwrap();
    let shared = connect_to(&watched.url());
    writes_succeed_again(&shared, "first").await;
    watched.sentinels[0].resume().unwrap();
}

#[tokio::test]
async fn a_name_that_no_sentinel_knows_and_a_wrong_password_are_told() {
    let (watched, _) = watched().await;
    let url = watched.url();
    for (wrong, told) in [
        (url.replace(&format!("/{NAME}"), "/other"), "Master"),
        (url.replace("://:", "://:wrong"), "Password"),
    ] {
        let error = connect_to(&wrong).exists::<_, bool>("k").await.unwrap_err();
        assert!(error.to_string().contains(told), "{error}");
    }
}
