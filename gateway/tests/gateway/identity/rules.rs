//! What a token must say besides being signed.

use serde_json::{Value, json};

use super::{sale, status};
use crate::support::{
    World,
    client::Answer,
    tokens::{AUDIENCE, ISSUER, JwksFile, Key, claims, claims_with},
};

#[tokio::test]
async fn a_subject_that_cannot_be_a_user_id_is_forbidden_with_a_reason() {
    let world = World::new().await;
    sale(&world).await;
    let key = Key::ed25519("one", 1);
    let keys = JwksFile::new(&[&key]);
    let gateway = world.gateway_with(&keys.arguments()).await;
    for subject in ["ann smith", "Zoë", "", "a}:x"] {
        let token = key.sign(&claims_with("sub", json!(subject)));
        for answer in [
            gateway.client.buy_as("p", &token, "k").await,
            gateway.client.get_as("/session", &token).await,
        ] {
            assert_eq!(
                (answer.status, answer.problem().as_str()),
                (403, "subject-unsupported"),
                "{subject}"
            );
            let text = answer.text();
            assert!(text.contains("its subject (sub) cannot be used"), "{text}");
        }
    }
}

#[tokio::test]
async fn scopes_and_types_are_demanded_where_they_are_configured() {
    let world = World::new().await;
    sale(&world).await;
    let key = Key::ed25519("one", 1);
    let keys = JwksFile::new(&[&key]);
    let mut arguments = keys.arguments().to_vec();
    arguments.extend(["--jwt-required-scope", "buy", "--jwt-type", "at+jwt"]);
    let gateway = world.gateway_with(&arguments).await;
    let buy = async |typ: Value, scope: &str| -> Answer {
        let claims = claims_with("scope", json!(scope));
        let token = key.sign_with(&key.header_with("typ", typ), &claims);
        gateway.client.buy_as("p", &token, "k").await
    };
    assert_eq!(buy(json!("at+jwt"), "openid buy").await.status, 200);
    assert_eq!(buy(json!("JWT"), "buy").await.status, 401);
    assert_eq!(buy(json!(null), "buy").await.status, 401);
    let answer = buy(json!("application/at+jwt"), "openid").await;
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (403, "insufficient-scope")
    );
    assert_eq!(
        answer.header("www-authenticate"),
        Some("Bearer error=\"insufficient_scope\", scope=\"buy\"")
    );
}

#[tokio::test]
async fn a_token_for_another_purpose_is_refused_by_its_type() {
    let world = World::new().await;
    sale(&world).await;
    let key = Key::ed25519("one", 1);
    let keys = JwksFile::new(&[&key]);
    let gateway = world.gateway_with(&keys.arguments()).await;
    for (typ, expected) in [("at+jwt", 200), ("logout+jwt", 401), ("dpop+jwt", 401)] {
        let token = key.sign_with(&key.header_with("typ", json!(typ)), &claims("ann"));
        assert_eq!(status(&gateway, &token).await, expected, "{typ}");
    }
}

#[tokio::test]
async fn the_audience_may_be_in_another_claim() {
    let world = World::new().await;
    sale(&world).await;
    let key = Key::ed25519("one", 1);
    let keys = JwksFile::new(&[&key]);
    let mut arguments = keys.arguments().to_vec();
    arguments.extend(["--jwt-audience-claim", "client_id"]);
    let gateway = world.gateway_with(&arguments).await;
    let mut of_cognito = claims_with("client_id", json!(AUDIENCE));
    of_cognito.as_object_mut().unwrap().remove("aud");
    assert_eq!(status(&gateway, &key.sign(&of_cognito)).await, 200);
    of_cognito["client_id"] = json!("another");
    assert_eq!(status(&gateway, &key.sign(&of_cognito)).await, 401);
    assert_eq!(status(&gateway, &key.token("ann")).await, 401, "only aud");
}

#[tokio::test]
async fn each_issuer_signs_by_its_own_keys() {
    let world = World::new().await;
    sale(&world).await;
    // Both call their key the same.
    let (ours, theirs) = (Key::ed25519("1", 1), Key::ed25519("1", 2));
    let (our_file, their_file) = (JwksFile::new(&[&ours]), JwksFile::new(&[&theirs]));
    let paths = [&our_file.path, &their_file.path].map(|path| path.to_str().unwrap());
    let partner = "https://partner.example.com/";
    let (sets, issuers) = (paths.join(","), [ISSUER, partner].join(","));
    let arguments = [
        "--jwks",
        &sets,
        "--jwt-issuer",
        &issuers,
        "--jwt-audience",
        AUDIENCE,
    ];
    let gateway = world.gateway_with(&arguments).await;
    let of = |issuer: &str| claims_with("iss", json!(issuer));
    for (token, expected) in [
        (ours.sign(&of(ISSUER)), 200),
        (theirs.sign(&of(partner)), 200),
        (ours.sign(&of(partner)), 401),
        (theirs.sign(&of(ISSUER)), 401),
        (ours.sign(&of("https://evil.example.com/")), 401),
        (ours.sign(&claims_with("iss", json!(null))), 401),
        ("nonsense".to_owned(), 401),
    ] {
        assert_eq!(status(&gateway, &token).await, expected, "{token}");
    }
}
