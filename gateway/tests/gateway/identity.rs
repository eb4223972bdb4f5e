//! Who gets in with which token.

mod known_tokens;
mod providers;
mod rules;
mod sockets;

use std::time::Duration;

use serde_json::json;

use crate::support::{
    Gateway, World, eventually, one_product,
    tokens::{JwksFile, Key, claims, claims_with, jwks, sign_with_secret, unix_seconds},
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
    // The document's pattern of user ids holds whoever buys.
    let answer = gateway
        .client
        .post_buy(&headers, br#"{"productId":"p","userId":"some body"}"#)
        .await;
    assert_eq!(answer.problem(), "body-invalid");
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
    assert_ne!(status(&gateway, &new.token("bob")).await, 200);
    keys.write(&[&new]);
    eventually("the new key counts", async || {
        status(&gateway, &new.token("bob")).await == 200
    })
    .await;
    eventually("the old key is gone", async || {
        status(&gateway, &old.token("ann")).await == 401
    })
    .await;
}

#[tokio::test]
async fn identity_that_cannot_work_stops_the_start_with_advice() {
    use clap::Parser as _;
    use flashsale_gateway::{config::Arguments, process::Process};
    let world = World::new().await;
    let cases: [(&[&str], &str); 6] = [
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
        (
            &["--jwks=a,b", "--jwt-issuer=i", "--jwt-audience=a"],
            "2 key sets and --jwt-issuer 1 issuers",
        ),
        (
            &["--jwks=a,b", "--jwt-issuer=i,i", "--jwt-audience=a"],
            "names i twice",
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
