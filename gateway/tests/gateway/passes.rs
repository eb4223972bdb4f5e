//! Passes: proof before the opening, for sales that ask for it.

use std::{collections::HashMap, time::Duration};

use axum::{Json, Router, routing::post};
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use tokio::{net::TcpListener, time::timeout};
use url::form_urlencoded;

use crate::support::{
    Gateway, World,
    client::Answer,
    one_product,
    tokens::{JwksFile, Key},
};

const SECRET: &str = "--pass-secret=a-secret-that-all-the-gateways-have";
const EASY: &str = "--pass-difficulty=8";

/// A sale that asks for a pass.
fn guarded(product: &str) -> Value {
    let mut spec = one_product(product, 10);
    spec["turnstile"]["pass"] = json!("Required");
    spec
}

async fn post_json(gateway: &Gateway, path: &str, body: &Value) -> Answer {
    let headers = [("content-type", "application/json")];
    let body = body.to_string();
    gateway
        .client
        .request("POST", path, &headers, body.as_bytes())
        .await
}

async fn challenge(gateway: &Gateway, sale: &str, user: &str) -> Value {
    let asked = json!({ "sale": sale, "userId": user });
    let answer = post_json(gateway, "/pass/challenge", &asked).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    answer.json()
}

/// Finds the number that a challenge of less than 16 bits asks for.
fn work(challenge: &Value) -> String {
    let (text, bits) = (&challenge["challenge"], &challenge["difficulty"]);
    let (text, bits) = (text.as_str().unwrap(), bits.as_u64().unwrap());
    (0..u32::MAX)
        .map(|number| number.to_string())
        .find(|proof| {
            let digest = digest(&SHA256, format!("{text}.{proof}").as_bytes());
            let [first, second, ..] = *digest.as_ref() else {
                unreachable!()
            };
            u64::from(u16::from_be_bytes([first, second]).leading_zeros()) >= bits
        })
        .unwrap()
}

async fn prove(gateway: &Gateway, sale: &str, user: &str, proof: &str) -> Answer {
    let body = json!({ "sale": sale, "userId": user, "proof": proof });
    post_json(gateway, "/pass", &body).await
}

async fn pass(gateway: &Gateway, sale: &str, user: &str) -> String {
    let proof = work(&challenge(gateway, sale, user).await);
    let answer = prove(gateway, sale, user, &proof).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["pass"].as_str().unwrap().to_owned()
}

async fn buy(gateway: &Gateway, product: &str, user: &str, pass: Option<&str>) -> Answer {
    let body = json!({ "productId": product, "userId": user }).to_string();
    let mut headers = vec![("idempotency-key", "k")];
    headers.extend(pass.map(|pass| ("flashsale-pass", pass)));
    gateway.client.post_buy(&headers, body.as_bytes()).await
}

fn is_refused(answer: &Answer) -> bool {
    if answer.status == 200 {
        return false;
    }
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (403, "pass-required")
    );
    true
}

#[tokio::test]
async fn who_has_worked_gets_a_pass_of_their_own_for_one_sale() {
    let world = World::new().await;
    for (sale, product) in [("drop", "p"), ("other", "q")] {
        world.announce(sale, guarded(product)).await;
    }
    world.announce("free", one_product("r", 10)).await;
    let gateway = world.gateway_with(&["--auth-mode=off", SECRET, EASY]).await;
    let sales = gateway.client.get("/sales/drop").await.json();
    assert_eq!(sales["passRequired"], true);
    assert!(is_refused(&buy(&gateway, "p", "ann", None).await));
    assert!(is_refused(
        &buy(&gateway, "p", "ann", Some("made up")).await
    ));
    let pass = pass(&gateway, "drop", "ann").await;
    let taken = buy(&gateway, "p", "ann", Some(&pass)).await.job_id();
    let again = buy(&gateway, "p", "ann", Some(&pass)).await.job_id();
    assert_eq!(again, taken, "a pass is good for repeats");
    assert!(is_refused(&buy(&gateway, "p", "bob", Some(&pass)).await));
    assert!(is_refused(&buy(&gateway, "q", "ann", Some(&pass)).await));
    assert!(!is_refused(&buy(&gateway, "r", "ann", None).await));
    let refused = "flashsale_gateway_buys_total{answer=\"pass-required\",sale=\"drop\"}";
    assert_eq!(gateway.metric(refused).await, Some(3.0));
    let issued = "flashsale_gateway_passes_total{result=\"issued\"}";
    assert_eq!(gateway.metric(issued).await, Some(1.0));
}

#[tokio::test]
async fn a_proof_is_for_one_shopper_in_one_sale() {
    let world = World::new().await;
    world.announce("drop", guarded("p")).await;
    world.announce("other", guarded("q")).await;
    let gateway = world
        .gateway_with(&["--auth-mode=off", SECRET, "--pass-difficulty=14"])
        .await;
    let given = challenge(&gateway, "drop", "ann").await;
    assert_eq!(given["verifier"], "proof-of-work");
    assert_eq!(given["difficulty"], 14);
    assert_eq!(given["siteKey"], Value::Null);
    let proof = work(&given);
    for (sale, user, proof) in [
        ("drop", "bob", proof.as_str()),
        ("other", "ann", &proof),
        ("drop", "ann", "x"),
        ("drop", "ann", ""),
    ] {
        let answer = prove(&gateway, sale, user, proof).await;
        assert_eq!(answer.status, 403, "{sale} {user} {proof}");
        assert_eq!(answer.problem(), "proof-refused");
    }
    assert_eq!(prove(&gateway, "drop", "ann", &proof).await.status, 200);
    let answer = prove(&gateway, "nothing", "ann", &proof).await;
    assert_eq!(answer.problem(), "unknown-sale");
    for body in [
        json!({}),
        json!({ "sale": "drop" }),
        json!(["drop", "ann", proof]),
    ] {
        for path in ["/pass", "/pass/challenge"] {
            let answer = post_json(&gateway, path, &body).await;
            assert_eq!(answer.problem(), "body-invalid", "{path} {body}");
        }
    }
}

#[tokio::test]
async fn gateways_with_the_same_secret_take_each_others_passes() {
    let world = World::new().await;
    world.announce("drop", guarded("p")).await;
    let off = "--auth-mode=off";
    let one = world.gateway_with(&[off, SECRET, EASY]).await;
    let new = "the-new-secret-that-all-gateways-get";
    let both = format!("--pass-secret={new},a-secret-that-all-the-gateways-have");
    let both = world.gateway_with(&[off, &both, EASY]).await;
    let without = world.gateway_with(&[off, EASY]).await;
    let old_pass = pass(&one, "drop", "ann").await;
    assert!(!is_refused(&buy(&both, "p", "ann", Some(&old_pass)).await));
    assert!(is_refused(
        &buy(&without, "p", "ann", Some(&old_pass)).await
    ));
    let new_pass = pass(&both, "drop", "bob").await;
    assert!(is_refused(&buy(&one, "p", "bob", Some(&new_pass)).await));
    // One that makes up its secret takes its own.
    let own_pass = pass(&without, "drop", "eve").await;
    assert!(!is_refused(
        &buy(&without, "p", "eve", Some(&own_pass)).await
    ));
}

#[tokio::test]
async fn with_tokens_a_pass_is_the_shoppers_of_the_token() {
    let world = World::new().await;
    world.announce("drop", guarded("p")).await;
    let key = Key::ed25519("key", 1);
    let file = JwksFile::new(&[&key]);
    let arguments = [&file.arguments()[..], &[SECRET, EASY]].concat();
    let gateway = world.gateway_with(&arguments).await;
    let ann = format!("Bearer {}", key.token("ann"));
    let headers = [
        ("content-type", "application/json"),
        ("authorization", ann.as_str()),
    ];
    let ask = async |path: &str, body: Value| {
        let body = body.to_string();
        let client = &gateway.client;
        client
            .request("POST", path, &headers, body.as_bytes())
            .await
    };
    let given = ask("/pass/challenge", json!({ "sale": "drop" })).await;
    let proof = work(&given.json());
    let answer = ask("/pass", json!({ "sale": "drop", "proof": proof })).await;
    let pass = answer.json()["pass"].as_str().unwrap().to_owned();
    for (user, status) in [("bob", 403), ("ann", 200)] {
        let bearer = format!("Bearer {}", key.token(user));
        let headers = [
            ("idempotency-key", "k"),
            ("authorization", &bearer),
            ("flashsale-pass", &pass),
        ];
        let answer = gateway.client.post_buy(&headers, b"{\"productId\":\"p\"}");
        assert_eq!(answer.await.status, status, "{user}");
    }
    let answer = post_json(&gateway, "/pass/challenge", &json!({ "sale": "drop" })).await;
    assert_eq!(answer.problem(), "unauthorized");
}

/// Approves of the response `good` where the secret is right, and fails at `broken`.
async fn verify(form: String) -> Json<Value> {
    let asked: HashMap<String, String> = form_urlencoded::parse(form.as_bytes())
        .into_owned()
        .collect();
    if asked["response"] == "broken" {
        return Json(json!("no verdict"));
    }
    let is_good = asked["secret"] == "the shop's & no one's" && asked["response"] == "good";
    Json(json!({ "success": is_good, "hostname": "shop.example.com" }))
}

/// The option for a verifier on this machine.
async fn verifier() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().route("/siteverify", post(verify));
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("--pass-verify-url=http://{address}/siteverify")
}

#[tokio::test]
async fn an_external_verifier_is_asked_where_there_is_one() {
    let world = World::new().await;
    world.announce("drop", guarded("p")).await;
    let url = verifier().await;
    let gateway = world
        .gateway_with(&[
            "--auth-mode=off",
            SECRET,
            "--pass-verifier=site-verify",
            &url,
            "--pass-verify-secret=the shop's & no one's",
            "--pass-site-key=0x4AAA",
        ])
        .await;
    let given = challenge(&gateway, "drop", "ann").await;
    assert_eq!(given["verifier"], "site-verify");
    assert_eq!(given["siteKey"], "0x4AAA");
    assert_eq!(given["challenge"], Value::Null);
    let answer = prove(&gateway, "drop", "ann", "bad").await;
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (403, "proof-refused")
    );
    let answer = prove(&gateway, "drop", "ann", "broken").await;
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (503, "unavailable")
    );
    let answer = prove(&gateway, "drop", "ann", "good").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let pass = answer.json()["pass"].as_str().unwrap().to_owned();
    assert!(!is_refused(&buy(&gateway, "p", "ann", Some(&pass)).await));
}

#[tokio::test]
async fn a_secret_that_can_be_guessed_is_refused_at_the_start() {
    let world = World::new().await;
    let arguments = world.arguments(&["--auth-mode=off", "--pass-secret=short"]);
    let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_flashsale-gateway"))
        .args(&arguments[1..])
        .kill_on_drop(true)
        .output();
    let output = timeout(Duration::from_secs(20), output).await;
    let output = output.expect("it ends at once").unwrap();
    assert!(!output.status.success());
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("openssl rand -hex 32"), "{error}");
    assert!(!error.contains("short"), "{error}");
}
