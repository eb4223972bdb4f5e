//! Tokens that come again.

use serde_json::json;

use super::{sale, status};
use crate::support::{
    Gateway, World, eventually,
    tokens::{JwksFile, Key, claims_with, unix_seconds},
};

/// How many checks of tokens had this result.
async fn checks(gateway: &Gateway, result: &str) -> String {
    let name = format!("flashsale_gateway_token_checks_total{{result=\"{result}\"}}");
    gateway.metric(&name).await.unwrap().to_string()
}

#[tokio::test]
async fn a_known_token_is_not_checked_again_and_is_refused_once_its_key_is_gone() {
    let world = World::new().await;
    sale(&world).await;
    let (old, new) = (Key::ed25519("old", 1), Key::ed25519("new", 2));
    let keys = JwksFile::new(&[&old]);
    let mut arguments = keys.arguments().to_vec();
    arguments.extend(["--jwks-refresh-seconds", "1"]);
    let gateway = world.gateway_with(&arguments).await;
    let token = old.token("ann");
    for _ in 0..5 {
        assert_eq!(status(&gateway, &token).await, 200);
    }
    assert_eq!(checks(&gateway, "verified").await, "1");
    assert_eq!(checks(&gateway, "cached").await, "4");

    keys.write(&[&old, &new]);
    eventually("the new key counts", async || {
        status(&gateway, &new.token("bob")).await == 200
    })
    .await;
    let verified = checks(&gateway, "verified").await;
    assert_eq!(status(&gateway, &token).await, 200);
    assert_eq!(
        checks(&gateway, "verified").await,
        verified,
        "another key makes no token unknown"
    );

    keys.write(&[&new]);
    eventually("the token is refused with its key", async || {
        status(&gateway, &token).await == 401
    })
    .await;
}

#[tokio::test]
async fn a_known_token_ends_when_it_says() {
    let world = World::new().await;
    sale(&world).await;
    let key = Key::ed25519("one", 1);
    let keys = JwksFile::new(&[&key]);
    let mut arguments = keys.arguments().to_vec();
    arguments.extend(["--jwt-leeway-seconds", "0"]);
    let gateway = world.gateway_with(&arguments).await;
    let token = key.sign(&claims_with("exp", json!(unix_seconds() + 2)));
    assert_eq!(status(&gateway, &token).await, 200);
    assert_eq!(status(&gateway, &token).await, 200);
    assert_eq!(checks(&gateway, "cached").await, "1");
    eventually("it ends", async || status(&gateway, &token).await == 401).await;
}

#[tokio::test]
async fn refused_tokens_are_not_remembered_and_with_no_room_none_is() {
    let world = World::new().await;
    sale(&world).await;
    let (key, forger) = (Key::ed25519("one", 1), Key::ed25519("one", 2));
    let keys = JwksFile::new(&[&key]);
    let mut arguments = keys.arguments().to_vec();
    arguments.extend(["--jwt-cache-tokens", "0"]);
    let gateway = world.gateway_with(&arguments).await;
    let (good, bad) = (key.token("ann"), forger.token("ann"));
    for _ in 0..3 {
        assert_eq!(status(&gateway, &good).await, 200);
        assert_eq!(status(&gateway, &bad).await, 401);
    }
    assert_eq!(checks(&gateway, "verified").await, "3");
    assert_eq!(checks(&gateway, "refused").await, "3");
    assert_eq!(checks(&gateway, "cached").await, "0");
}
