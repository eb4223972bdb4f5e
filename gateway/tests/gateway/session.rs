//! `GET /session`: who is asking, with and without authentication.

use serde_json::json;

use crate::support::{
    World,
    tokens::{JwksFile, Key},
};

const SIGN_IN: &str = "https://id.example.com/sign-in?shop=1";

#[tokio::test]
async fn where_authentication_is_off_nobody_is_known_and_tokens_are_not_looked_at() {
    let world = World::new().await;
    let gateway = world.gateway().await;
    let expected = json!({ "auth": "off", "userId": null, "signInUrl": null, "operations": false });
    for answer in [
        gateway.client.get("/session").await,
        gateway.client.get_as("/session", "nonsense").await,
    ] {
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.json(), expected);
    }
}

#[tokio::test]
async fn a_token_says_who_is_asking_and_without_one_it_says_where_to_get_it() {
    let world = World::new().await;
    let key = Key::ed25519("one", 1);
    let keys = JwksFile::new(&[&key]);
    let mut arguments = keys.arguments().to_vec();
    arguments.extend(["--sign-in-url", SIGN_IN]);
    let gateway = world.gateway_with(&arguments).await;
    let session =
        |user| json!({ "auth": "jwt", "userId": user, "signInUrl": SIGN_IN, "operations": false });
    let nobody = gateway.client.get("/session").await;
    assert_eq!((nobody.status, nobody.json()), (200, session(None)));
    let ann = gateway.client.get_as("/session", &key.token("ann")).await;
    assert_eq!((ann.status, ann.json()), (200, session(Some("ann"))));
    let forged = Key::ed25519("one", 2).token("ann");
    for bad in [forged.as_str(), "nonsense", ""] {
        let answer = gateway.client.get_as("/session", bad).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (401, "unauthorized"),
            "{bad}"
        );
        assert!(answer.header("www-authenticate").is_some());
    }
    let counted = "flashsale_gateway_requests_total{route=\"/session\",status=\"2xx\"}";
    assert_eq!(gateway.metric(counted).await, Some(2.0));
}

#[tokio::test]
async fn whether_operations_are_served_is_told_and_their_token_is_not() {
    let world = World::new().await;
    let token = "a-token-of-operations";
    let arguments = ["--auth-mode", "off", "--operations-token", token];
    let gateway = world.gateway_with(&arguments).await;
    let answer = gateway.client.get("/session").await;
    assert_eq!(answer.json()["operations"], true);
    assert!(!answer.text().contains(token));
}
