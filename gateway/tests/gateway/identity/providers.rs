//! Identity providers that change their keys, are slow, or are away.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{Router, extract::State, routing::get};
use tokio::{net::TcpListener, sync::RwLock, time::sleep};

use super::{sale, status};
use crate::support::{
    Gateway, World, eventually,
    tokens::{AUDIENCE, ISSUER, JwksFile, Key, jwks},
};

/// An identity provider that serves whatever it is given.
struct Provider {
    url: String,
    served: Arc<Served>,
}

#[derive(Default)]
struct Served {
    keys: RwLock<String>,
    delay_ms: AtomicU64,
    requests: AtomicU32,
}

impl Provider {
    async fn start() -> Self {
        let served = Arc::new(Served::default());
        let serve = async |State(served): State<Arc<Served>>| {
            served.requests.fetch_add(1, Ordering::Relaxed);
            // A slow provider is what the test is about.
            sleep(Duration::from_millis(
                served.delay_ms.load(Ordering::Relaxed),
            ))
            .await;
            served.keys.read().await.clone()
        };
        let router = Router::new()
            .route("/keys", get(serve))
            .with_state(Arc::clone(&served));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        tokio::spawn(axum::serve(listener, router).into_future());
        Self { url, served }
    }

    async fn serve(&self, text: impl Into<String>) {
        *self.served.keys.write().await = text.into();
    }

    fn requests(&self) -> u32 {
        self.served.requests.load(Ordering::Relaxed)
    }

    /// Arguments of a gateway that trusts it.
    fn arguments(&self) -> Vec<&str> {
        vec![
            "--jwks",
            &self.url,
            "--jwt-issuer",
            ISSUER,
            "--jwt-audience",
            AUDIENCE,
        ]
    }
}

/// Asserts that the token is neither accepted nor refused; how many seconds later to come again.
async fn told_to_wait(gateway: &Gateway, token: &str) -> u64 {
    let answer = gateway.client.buy_as("p", token, "k").await;
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (503, "unavailable")
    );
    answer.header("retry-after").unwrap().parse().unwrap()
}

#[tokio::test]
async fn keys_are_fetched_renewed_and_kept_when_the_provider_fails() {
    let world = World::new().await;
    sale(&world).await;
    let (old, new) = (Key::ed25519("old", 1), Key::ed25519("new", 2));
    let provider = Provider::start().await;
    let mut arguments = provider.arguments();
    arguments.extend(["--jwks-refresh-seconds", "1"]);
    let gateway = world.gateway_unready(&arguments).await;
    told_to_wait(&gateway, &old.token("ann")).await;
    assert_eq!(gateway.probes.get("/readyz").await.status, 503);

    provider.serve(jwks(&[&old])).await;
    gateway.wait_until_ready().await;
    assert_eq!(status(&gateway, &old.token("ann")).await, 200);

    provider.serve(jwks(&[&old, &new])).await;
    eventually("the new key counts", async || {
        status(&gateway, &new.token("bob")).await == 200
    })
    .await;

    provider.serve("out of order").await;
    let failures = async || {
        gateway
            .metric("flashsale_gateway_jwks_refreshes_total{result=\"failed\"}")
            .await
    };
    let before = failures().await;
    eventually("a renewal fails", async || failures().await > before).await;
    assert_eq!(
        status(&gateway, &new.token("cid")).await,
        200,
        "the known keys stay in use"
    );
}

#[tokio::test]
async fn made_up_key_ids_do_not_have_the_provider_asked_each_time() {
    let world = World::new().await;
    sale(&world).await;
    let key = Key::ed25519("one", 1);
    let keys = JwksFile::new(&[&key]);
    let gateway = world.gateway_with(&keys.arguments()).await;
    for number in 0..20 {
        let forged = Key::ed25519(&format!("made-up-{number}"), 9).token("eve");
        assert_ne!(status(&gateway, &forged).await, 200);
    }
    let reads = gateway
        .metric("flashsale_gateway_jwks_refreshes_total{result=\"ok\"}")
        .await;
    assert!(reads.unwrap() < 5.0, "{reads:?}");
}

#[tokio::test]
async fn a_key_that_is_unknown_just_after_a_read_is_waited_for_and_then_refused() {
    let world = World::new().await;
    sale(&world).await;
    let (known, new) = (Key::ed25519("known", 1), Key::ed25519("new", 2));
    let provider = Provider::start().await;
    provider.serve(jwks(&[&known])).await;
    let gateway = world.gateway_with(&provider.arguments()).await;
    let wait = told_to_wait(&gateway, &new.token("ann")).await;
    assert!((1..=5).contains(&wait), "{wait}");
    provider.serve(jwks(&[&known, &new])).await;
    eventually("the new key counts", async || {
        match status(&gateway, &new.token("ann")).await {
            200 => true,
            503 => false,
            other => panic!("the token was answered {other}"),
        }
    })
    .await;
    let removed = Key::ed25519("removed", 3).token("bob");
    told_to_wait(&gateway, &removed).await;
    eventually("a key that is in no set is refused", async || {
        status(&gateway, &removed).await == 401
    })
    .await;
    assert_eq!(
        status(&gateway, &removed).await,
        401,
        "without another read"
    );
    assert_eq!(provider.requests(), 3);
}

#[tokio::test]
async fn a_slow_provider_is_not_given_up_with_the_request_that_asked() {
    let world = World::new().await;
    sale(&world).await;
    let (known, new) = (Key::ed25519("known", 1), Key::ed25519("new", 2));
    let provider = Provider::start().await;
    provider.serve(jwks(&[&known])).await;
    let gateway = world.gateway_with(&provider.arguments()).await;
    provider.serve(jwks(&[&known, &new])).await;
    provider.served.delay_ms.store(3_000, Ordering::Relaxed);
    let token = new.token("ann");
    eventually("the provider is asked", async || {
        told_to_wait(&gateway, &token).await;
        provider.requests() == 2
    })
    .await;
    let asked = Instant::now();
    eventually("the answer counts", async || {
        status(&gateway, &token).await == 200
    })
    .await;
    assert!(asked.elapsed() < Duration::from_secs(4), "{asked:?}");
    assert_eq!(
        provider.requests(),
        2,
        "once at the start, once for the token"
    );

    provider.served.delay_ms.store(0, Ordering::Relaxed);
    provider.serve("out of order").await;
    let failed = "flashsale_gateway_jwks_refreshes_total{result=\"failed\"}";
    assert_eq!(gateway.metric(failed).await, Some(0.0));
    let unknown = Key::ed25519("unknown", 3).token("bob");
    eventually(
        "a read for an unknown key is counted when it fails",
        async || {
            told_to_wait(&gateway, &unknown).await;
            gateway.metric(failed).await == Some(1.0)
        },
    )
    .await;
}

#[tokio::test]
async fn keys_that_cannot_be_renewed_expire() {
    let world = World::new().await;
    sale(&world).await;
    let key = Key::ed25519("one", 1);
    let provider = Provider::start().await;
    provider.serve(jwks(&[&key])).await;
    let mut arguments = provider.arguments();
    arguments.extend(["--jwks-refresh-seconds", "1"]);
    arguments.extend(["--jwks-max-stale-seconds", "2"]);
    let gateway = world.gateway_with(&arguments).await;
    let token = key.token("ann");
    assert_eq!(status(&gateway, &token).await, 200);
    provider.serve("out of order").await;
    eventually("a known token is refused", async || {
        status(&gateway, &token).await == 503
    })
    .await;
    told_to_wait(&gateway, &token).await;
    assert_eq!(
        gateway.probes.get("/readyz").await.status,
        200,
        "what no gateway can mend takes none out of service"
    );
    provider.serve(jwks(&[&key])).await;
    eventually("it is accepted again", async || {
        status(&gateway, &token).await == 200
    })
    .await;
}

#[tokio::test]
async fn a_gateway_starts_without_the_provider_by_the_keys_that_it_served_last() {
    let world = World::new().await;
    sale(&world).await;
    let key = Key::ed25519("one", 1);
    let provider = Provider::start().await;
    provider.serve(jwks(&[&key])).await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("keys.json");
    let mut arguments = provider.arguments();
    arguments.extend(["--jwks-cache", file.to_str().unwrap()]);
    let first = world.gateway_with(&arguments).await;
    assert_eq!(status(&first, &key.token("ann")).await, 200);
    drop(first);

    provider.serve("out of order").await;
    let second = world.gateway_with(&arguments).await;
    assert_eq!(status(&second, &key.token("ann")).await, 200);
    let read_at = format!("flashsale_gateway_jwks_read_timestamp_seconds{{issuer=\"{ISSUER}\"}}");
    assert!(second.metric(&read_at).await.unwrap() > 0.0);

    let another = Provider::start().await;
    let mut arguments = another.arguments();
    arguments.extend(["--jwks-cache", file.to_str().unwrap()]);
    let third = world.gateway_unready(&arguments).await;
    told_to_wait(&third, &key.token("ann")).await;
    eventually(
        "the keys of one provider are not those of another",
        async || {
            let ready = third.probes.get("/readyz").await;
            ready.status == 503 && ready.text().contains("signing keys")
        },
    )
    .await;
}
