//! Who gets in with which token.

mod known_tokens;

use std::{sync::Arc, time::Duration};

use axum::{Router, extract::State, routing::get};
use serde_json::json;
use tokio::{net::TcpListener, sync::RwLock};

use crate::support::{
    Gateway, World, eventually, one_product,
    tokens::{
        AUDIENCE, ISSUER, JwksFile, Key, claims, claims_with, jwks, sign_with_secret, unix_seconds,
    },
};

async fn status(gateway: &Gateway, token: &str) -> u16 {
    let answer = gateway.client.buy_as("p", token, "k").await;
    if answer.status == 401 {
        assert_eq!(answer.problem(), "unauthorized");
        assert!(
            answer
                .header("www-authenticate")
                .unwrap()
                .starts_with("Bearer")
        );
    }
    answer.status
}

async fn sale(world: &World) {
    world.announce("drop", one_product("p", 1000)).await;
}

#[tokio::test]
async fn the_subject_of_a_good_token_is_the_shopper() {
    let world = World::new().await;
    sale(&world).await;
    let key = Key::ed25519("one", 1);
    let keys = JwksFile::new(&[&key]);
    let gateway = world.gateway_with(&keys.arguments()).await;
    let bearer = format!("Bearer {}", key.token("auth0|ann"));
    let headers = [("authorization", bearer.as_str()), ("idempotency-key", "k")];
    let answer = gateway
        .client
        .post_buy(&headers, br#"{"productId":"p","userId":"somebody-else"}"#)
        .await;
    let job = answer.job_id();
    let order = gateway
        .client
        .get_as(&format!("/orders/{job}"), &key.token("auth0|ann"))
        .await;
    assert_eq!(order.status, 200);
}

#[tokio::test]
async fn every_algorithm_works_and_none_accepts_a_changed_token() {
    let world = World::new().await;
    sale(&world).await;
    let names = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"];
    let mut signers: Vec<Key> = names.iter().map(|name| Key::rsa(name, name)).collect();
    signers.extend([Key::ed25519("ed", 1), Key::p256("256"), Key::p384("384")]);
    let keys = JwksFile::new(&signers.iter().collect::<Vec<_>>());
    let algorithms = format!("{},ES256,ES384,EdDSA", names.join(","));
    let mut arguments = keys.arguments().to_vec();
    arguments.extend(["--jwt-algorithms", &algorithms]);
    let gateway = world.gateway_with(&arguments).await;
    for (number, key) in signers.iter().enumerate() {
        let token = key.token(&format!("user-{number}"));
        assert_eq!(status(&gateway, &token).await, 200, "{number}");
        let another = key.token("another");
        let (signed, _) = token.rsplit_once('.').unwrap();
        let (_, signature) = another.rsplit_once('.').unwrap();
        let changed = format!("{signed}.{signature}");
        assert_eq!(status(&gateway, &changed).await, 401, "{number}");
    }
}

#[tokio::test]
async fn bad_tokens_are_refused() {
    let world = World::new().await;
    sale(&world).await;
    let key = Key::ed25519("one", 1);
    let rsa = Key::rsa("rsa", "PS256");
    let keys = JwksFile::new(&[&key, &rsa]);
    let gateway = world.gateway_with(&keys.arguments()).await;
    let now = unix_seconds();
    let good = key.token("ann");
    let (head, rest) = good.split_once('.').unwrap();
    let claims_of_good = rest.split_once('.').unwrap().0;
    let critical = key.header_with("crit", json!(["exp"]));
    let symmetric = key.header_with("alg", json!("HS256"));
    let secret = jwks(&[&key]);
    let bad = [
        ("expired", key.sign(&claims_with("exp", json!(now - 120)))),
        ("without an end", key.sign(&claims_with("exp", json!(null)))),
        (
            "with a text as end",
            key.sign(&claims_with("exp", json!("never"))),
        ),
        (
            "not yet valid",
            key.sign(&claims_with("nbf", json!(now + 600))),
        ),
        (
            "of another issuer",
            key.sign(&claims_with("iss", json!("https://evil.example.com/"))),
        ),
        (
            "without an issuer",
            key.sign(&claims_with("iss", json!(null))),
        ),
        (
            "for another audience",
            key.sign(&claims_with("aud", json!(["bank"]))),
        ),
        (
            "without an audience",
            key.sign(&claims_with("aud", json!(null))),
        ),
        (
            "without a subject",
            key.sign(&claims_with("sub", json!(null))),
        ),
        (
            "with an empty subject",
            key.sign(&claims_with("sub", json!(""))),
        ),
        (
            "with a subject that is a key",
            key.sign(&claims_with("sub", json!("a}:x"))),
        ),
        (
            "with a number as subject",
            key.sign(&claims_with("sub", json!(7))),
        ),
        ("by a forger", Key::ed25519("one", 2).token("ann")),
        ("by an algorithm that is not allowed", rsa.token("ann")),
        (
            "by a secret",
            sign_with_secret(secret.as_bytes(), &symmetric, &claims("ann")),
        ),
        (
            "by nobody",
            format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{claims_of_good}."),
        ),
        ("without a signature", format!("{head}.{claims_of_good}.")),
        ("cut short", good[..good.len() - 5].to_owned()),
        (
            "demanding an extension",
            key.sign_with(&critical, &claims("ann")),
        ),
        ("that is none", "nonsense".to_owned()),
        ("of dots", "..".to_owned()),
    ];
    for (what, token) in &bad {
        assert_eq!(status(&gateway, token).await, 401, "a token {what}");
    }
    assert_eq!(status(&gateway, &good).await, 200);
    let answer = gateway.buy("p", "ann", "k").await;
    assert_eq!(
        (answer.status, answer.header("www-authenticate")),
        (401, Some("Bearer"))
    );
    let answer = gateway.client.buy_as("p", &bad[0].1, "k").await;
    assert_eq!(
        answer.header("www-authenticate"),
        Some("Bearer error=\"invalid_token\"")
    );
    assert!(
        answer.text().contains("it has expired"),
        "{}",
        answer.text()
    );
}

#[tokio::test]
async fn a_token_that_names_no_key_is_checked_only_where_one_key_fits_its_algorithm() {
    let world = World::new().await;
    sale(&world).await;
    let (one, other) = (Key::ed25519("one", 1), Key::ed25519("other", 2));
    let single = Key::p256("single").without_id();
    let keys = JwksFile::new(&[&one, &other, &single]);
    let gateway = world.gateway_with(&keys.arguments()).await;
    assert_eq!(status(&gateway, &one.token("ann")).await, 200);
    assert_eq!(status(&gateway, &single.token("bob")).await, 200);
    let nameless = one.without_id().token("cid");
    let answer = gateway.client.buy_as("p", &nameless, "k").await;
    assert_eq!(answer.status, 401);
    assert!(
        answer.text().contains("several keys fit"),
        "{}",
        answer.text()
    );
    let named = single.sign_with(&single.header_with("kid", json!("single")), &claims("dan"));
    assert_ne!(status(&gateway, &named).await, 200, "that key has no name");
}

#[tokio::test]
async fn clocks_may_differ_by_the_leeway() {
    let world = World::new().await;
    sale(&world).await;
    let key = Key::ed25519("one", 1);
    let keys = JwksFile::new(&[&key]);
    let mut arguments = keys.arguments().to_vec();
    arguments.extend(["--jwt-leeway-seconds", "60"]);
    let gateway = world.gateway_with(&arguments).await;
    let now = unix_seconds();
    let late = key.sign(&claims_with("exp", json!(now - 20)));
    let early = key.sign(&claims_with("nbf", json!(now + 20)));
    assert_eq!(status(&gateway, &late).await, 200);
    assert_eq!(status(&gateway, &early).await, 200);
}

#[tokio::test]
async fn a_rotated_key_in_a_file_is_found_when_a_token_names_it() {
    let world = World::new().await;
    sale(&world).await;
    let (old, new) = (Key::ed25519("old", 1), Key::ed25519("new", 2));
    let keys = JwksFile::new(&[&old]);
    let gateway = world.gateway_with(&keys.arguments()).await;
    assert_eq!(status(&gateway, &old.token("ann")).await, 200);
    assert_eq!(status(&gateway, &new.token("bob")).await, 401);
    keys.write(&[&new]);
    eventually("the new key counts", async || {
        status(&gateway, &new.token("bob")).await == 200
    })
    .await;
    assert_eq!(
        status(&gateway, &old.token("ann")).await,
        401,
        "the old key is gone"
    );
}

/// An identity provider that serves whatever it is given.
async fn provider() -> (String, Arc<RwLock<String>>) {
    let keys = Arc::new(RwLock::new(String::new()));
    let serve = async |State(keys): State<Arc<RwLock<String>>>| keys.read().await.clone();
    let router = Router::new()
        .route("/keys", get(serve))
        .with_state(Arc::clone(&keys));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/keys", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, router).into_future());
    (url, keys)
}

#[tokio::test]
async fn keys_are_fetched_renewed_and_kept_when_the_provider_fails() {
    let world = World::new().await;
    sale(&world).await;
    let (old, new) = (Key::ed25519("old", 1), Key::ed25519("new", 2));
    let (url, served) = provider().await;
    let arguments = [
        "--jwks",
        &url,
        "--jwt-issuer",
        ISSUER,
        "--jwt-audience",
        AUDIENCE,
        "--jwks-refresh-seconds",
        "1",
    ];
    let gateway = world.gateway_unready(&arguments).await;
    let answer = gateway.client.buy_as("p", &old.token("ann"), "k").await;
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (503, "unavailable"),
        "no keys yet"
    );
    assert_eq!(gateway.probes.get("/readyz").await.status, 503);

    *served.write().await = jwks(&[&old]);
    gateway.wait_until_ready().await;
    assert_eq!(status(&gateway, &old.token("ann")).await, 200);

    *served.write().await = jwks(&[&old, &new]);
    eventually("the new key counts", async || {
        status(&gateway, &new.token("bob")).await == 200
    })
    .await;

    *served.write().await = "out of order".to_owned();
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
        assert_eq!(status(&gateway, &forged).await, 401);
    }
    let reads = gateway
        .metric("flashsale_gateway_jwks_refreshes_total{result=\"ok\"}")
        .await;
    assert!(reads.unwrap() < 5.0, "{reads:?}");
}

#[tokio::test]
async fn identity_that_cannot_work_stops_the_start_with_advice() {
    use clap::Parser as _;
    use flashsale_gateway::{config::Arguments, process::Process};
    let world = World::new().await;
    let cases: [(&[&str], &str); 4] = [
        (&[], "--jwks FILE|URL"),
        (
            &["--jwks", "/nowhere.json", "--jwt-issuer", "i"],
            "--jwt-audience",
        ),
        (
            &[
                "--jwks",
                "/nowhere.json",
                "--jwt-issuer",
                "i",
                "--jwt-audience",
                "a",
            ],
            "/nowhere.json",
        ),
        (
            &[
                "--jwks",
                "http://id.example.com/keys",
                "--jwt-issuer",
                "i",
                "--jwt-audience",
                "a",
            ],
            "use an https URL",
        ),
    ];
    for (arguments, advice) in cases {
        let arguments = Arguments::try_parse_from(world.arguments(arguments)).unwrap();
        let started =
            tokio::time::timeout(Duration::from_secs(5), Process::start(arguments.config));
        let error = started.await.unwrap().unwrap_err().to_string();
        assert!(error.contains(advice), "{error}");
    }
    let none = [
        "flashsale-gateway",
        "--redis-url=r",
        "--database-url=d",
        "--jwt-algorithms=none",
    ];
    assert!(Arguments::try_parse_from(none).is_err());
}
