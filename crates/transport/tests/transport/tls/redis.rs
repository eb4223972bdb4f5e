//! TLS with Redis: alone, behind Sentinels, in a cluster.

use std::time::Duration;

use flashsale_queue::connect::{self, RedisClient, SharedConnection};
use flashsale_testbed::{
    certificates::Authority,
    cluster::Cluster,
    data_dir::DataDir,
    fixtures::patience::until,
    redis::{AppendFsync, Redis},
    sentinel::Watched,
};
use flashsale_transport::{ReplyBounds, TlsSource};
use redis::AsyncCommands;

use super::{Files, NOTICED};

async fn start(files: &Files) -> Redis {
    let data_dir = DataDir::temporary().unwrap();
    Redis::start_with_tls(&data_dir, AppendFsync::EverySecond, files.server.path())
        .await
        .unwrap()
}

fn shared(url: &str, tls: &TlsSource) -> SharedConnection {
    connect::shared(&connect::redis_client_with(url, tls).unwrap()).unwrap()
}

/// A client that connects by itself, and one that does so through a relay.
fn clients(url: &str, tls: &TlsSource) -> [RedisClient; 2] {
    [
        connect::redis_client_with(url, tls).unwrap(),
        connect::bounded_redis_client(url, tls, &ReplyBounds::default()).unwrap(),
    ]
}

/// Commands, messages, waiting and pooled connections: each connects in its own way.
async fn every_connection_works(url: &str, tls: &TlsSource) {
    for client in clients(url, tls) {
        every_connection_of(&client).await;
    }
}

async fn every_connection_of(client: &RedisClient) {
    let mut shared = connect::shared(client).unwrap();
    // The first command waits for a lookup and several handshakes.
    until("the first command is answered", NOTICED, || {
        let mut shared = shared.clone();
        async move { shared.set::<_, _, ()>("fs:{a}", "shared").await.is_ok() }
    })
    .await;
    let mut blocking = shared.blocking(Duration::from_secs(1)).await.unwrap();
    let read: String = blocking.get("fs:{a}").await.unwrap();
    assert_eq!(read, "shared");
    let pool = connect::pool(&shared, 1);
    let read: String = pool.get().await.unwrap().get("fs:{a}").await.unwrap();
    assert_eq!(read, "shared");
    let mut subscription = shared.subscribe(&["news"]).await.unwrap();
    let () = shared.publish("news", "one").await.unwrap();
    let heard = subscription.next().await.unwrap();
    assert_eq!(heard.get_payload_bytes(), b"one");
}

/// What a single command and what a connection of one's own say.
async fn refusals(url: &str, tls: &TlsSource) -> Vec<String> {
    let mut refusals = Vec::new();
    for client in clients(url, tls) {
        let mut shared = connect::shared(&client).unwrap();
        let shared: Result<String, _> = shared.get("fs:{a}").await;
        let own = connect::blocking(&client, Duration::from_secs(1)).await;
        refusals.push(shared.unwrap_err().to_string());
        refusals.push(own.map(drop).unwrap_err().to_string());
    }
    refusals
}

#[tokio::test]
async fn a_server_alone_is_reached_with_the_right_certificates() {
    let files = Files::new();
    let redis = start(&files).await;
    every_connection_works(&redis.tls_url("127.0.0.1").unwrap(), &files.source()).await;
}

#[tokio::test]
async fn sentinels_and_the_primary_are_reached_with_the_right_certificates() {
    let files = Files::new();
    let watched = Watched::start_with_tls(AppendFsync::EverySecond, files.server.path())
        .await
        .unwrap();
    let url = watched.tls_url().unwrap();
    every_connection_works(&url, &files.source()).await;
    files.write_client(None, None);
    for refusal in refusals(&url, &files.source()).await {
        assert!(refusal.contains("as ca.crt"), "{refusal}");
    }
}

#[tokio::test]
async fn a_cluster_is_reached_with_the_right_certificates() {
    let files = Files::new();
    let cluster = Cluster::start_with_tls(2, AppendFsync::EverySecond, files.server.path())
        .await
        .unwrap();
    let url = cluster.tls_url().unwrap();
    every_connection_works(&url, &files.source()).await;
    // Of both primaries.
    let mut shared = shared(&url, &files.source());
    for sale in 0..20 {
        let () = shared.set(format!("fs:{{{sale}}}"), "x").await.unwrap();
    }
    files.write_client(None, None);
    for refusal in refusals(&url, &files.source()).await {
        assert!(refusal.contains("as ca.crt"), "{refusal}");
    }
}

#[tokio::test]
async fn a_refusal_says_which_file_is_missing_or_wrong() {
    let files = Files::new();
    let stranger = Authority::new("stranger").unwrap();
    let redis = start(&files).await;
    let url = redis.tls_url("127.0.0.1").unwrap();
    let (own, other) = (Some(&files.authority), Some(&stranger));
    for (trusted, signer, expected) in [
        (None, own, "give the authority's certificate as ca.crt"),
        (other, own, "give the authority's certificate as ca.crt"),
        (
            own,
            None,
            "wants a client certificate: give tls.crt and tls.key",
        ),
        (
            own,
            other,
            "does not accept the client certificate: give tls.crt",
        ),
    ] {
        files.write_client(trusted, signer);
        for refusal in refusals(&url, &files.source()).await {
            assert!(refusal.contains(expected), "{expected}: {refusal}");
            assert!(refusal.contains("--redis-tls"), "{refusal}");
        }
    }
}

#[tokio::test]
async fn a_certificate_of_another_host_is_refused() {
    let files = Files::new();
    let server = files.authority.server(&["localhost"]).unwrap();
    super::write(files.server.path(), Some(&files.authority), Some(&server));
    let redis = start(&files).await;
    let by_name = redis.tls_url("localhost").unwrap();
    every_connection_works(&by_name, &files.source()).await;
    for refusal in refusals(&redis.tls_url("127.0.0.1").unwrap(), &files.source()).await {
        assert!(refusal.contains("is for another host"), "{refusal}");
    }
}

#[tokio::test]
async fn replaced_files_are_used_without_a_restart() {
    let mut files = Files::new();
    let redis = start(&files).await;
    let url = redis.tls_url("127.0.0.1").unwrap();
    let mut shared = shared(&url, &files.source());
    let () = shared.set("known", "yes").await.unwrap();
    files.rotate();
    redis.use_certificates(files.server.path()).await.unwrap();
    // A mistake changes nothing: the certificate of an authority that the server does not trust.
    let stranger = Authority::new("stranger").unwrap();
    files.write_client(Some(&files.authority), Some(&stranger));
    tokio::time::sleep(2 * flashsale_transport::RELOAD_INTERVAL).await;
    assert_eq!(shared.generation(), 0);
    let known: String = shared.get("known").await.unwrap();
    assert_eq!(known, "yes");

    files.write_client(Some(&files.authority), Some(&files.authority));
    until("the connection is replaced", NOTICED, || {
        let shared = shared.clone();
        async move { shared.generation() == 1 }
    })
    .await;
    let known: String = shared.get("known").await.unwrap();
    assert_eq!(known, "yes");
    let mut blocking = shared.blocking(Duration::from_secs(1)).await.unwrap();
    let known: String = blocking.get("known").await.unwrap();
    assert_eq!(known, "yes");
}

#[tokio::test]
async fn an_address_without_tls_needs_no_certificates() {
    let files = Files::new();
    let redis = start(&files).await;
    every_connection_works(&redis.url(), &files.source()).await;
}
