//! Bad input: always a problem document with the right 4xx, never a 500, and nothing in Redis
//! that is not the sale's.

use std::collections::BTreeSet;

use redis::AsyncCommands as _;

use crate::support::{Gateway, World, client::Answer, one_product};

const KEY: (&str, &str) = ("idempotency-key", "k");

/// Bodies that are no buy, each with the status and problem they deserve.
fn bodies() -> Vec<(Vec<u8>, u16, &'static str)> {
    let invalid = |body: &[u8]| (body.to_vec(), 400, "body-invalid");
    let product = |id: &str| {
        let json = serde_json::json!({ "productId": id, "userId": "ann" }).to_string();
        (json.into_bytes(), 400, "body-invalid")
    };
    let user = |id: &str| {
        let json = serde_json::json!({ "productId": "p", "userId": id }).to_string();
        (json.into_bytes(), 400, "body-invalid")
    };
    vec![
        invalid(b""),
        invalid(b"{"),
        invalid(b"null"),
        invalid(b"[]"),
        invalid(b" [\"p\",\"ann\"]"),
        invalid(b"42"),
        invalid(b"\"p\""),
        invalid(b"{}"),
        invalid(b"{\"productId\":null,\"userId\":\"ann\"}"),
        invalid(b"{\"productId\":7,\"userId\":\"ann\"}"),
        invalid(b"{\"productId\":[\"p\"],\"userId\":\"ann\"}"),
        invalid(b"{\"productId\":\"p\",\"userId\":7}"),
        invalid(b"{\"productId\":\"p\"}"),
        invalid(b"{\"productid\":\"p\",\"userId\":\"ann\"}"),
        invalid(b"{\"productId\":\"p\",\"productId\":\"q\",\"userId\":\"ann\"}"),
        invalid(b"{\"productId\":\"p\",\"userId\":\"ann\"} trailing"),
        invalid(b"{'productId':'p','userId':'ann'}"),
        invalid(b"{\"productId\":\"\xff\xfe\",\"userId\":\"ann\"}"),
        invalid(b"{\"productId\":\"\\ud800\",\"userId\":\"ann\"}"),
        invalid(b"\xef\xbb\xbf{\"productId\":\"p\",\"userId\":\"ann\"}"),
        product(""),
        product("p p"),
        product("{other}"),
        product("p}:lane:q"),
        product("p\nq"),
        product("p\0"),
        product("p:lane:q"),
        product("../p"),
        product("*"),
        product("-p"),
        product("\u{e9}"),
        product(&"p".repeat(256)),
        user(""),
        user("a b"),
        user("{other}"),
        user("ann}:x"),
        user("ann\r\nSET x y"),
        user("ann\0"),
        user("a\"b"),
        user("a\\b"),
        user(&"u".repeat(256)),
        (product(&"p".repeat(10_240)).0, 413, "body-too-large"),
        (vec![b' '; 10_240], 413, "body-too-large"),
        (
            [b"[".repeat(4000), b"]".repeat(90)].concat(),
            400,
            "body-invalid",
        ),
        (
            b"{\"productId\":\"nobody-sells-this\",\"userId\":\"ann\"}".to_vec(),
            404,
            "unknown-product",
        ),
    ]
}

fn show(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(80)]).into_owned()
}

async fn sale_and_gateway(world: &World) -> Gateway {
    world.announce("drop", one_product("p", 10)).await;
    world.announce("other", one_product("q", 10)).await;
    world.gateway().await
}

async fn keys_of(world: &World) -> BTreeSet<String> {
    let mut connection = world.connection().await;
    connection.keys("*").await.unwrap()
}

#[tokio::test]
async fn malformed_bodies_are_told_what_is_wrong_and_leave_nothing_behind() {
    let world = World::new().await;
    let gateway = sale_and_gateway(&world).await;
    let before = keys_of(&world).await;
    let bodies = bodies();
    assert!(bodies.len() >= 30);
    for (body, status, kind) in bodies {
        let answer = gateway.client.post_buy(&[KEY], &body).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (status, kind),
            "{}",
            show(&body)
        );
    }
    assert_eq!(keys_of(&world).await, before);
}

#[tokio::test]
async fn malformed_keys_are_told_what_is_wrong_and_leave_nothing_behind() {
    let world = World::new().await;
    let gateway = sale_and_gateway(&world).await;
    let before = keys_of(&world).await;
    let (long, longest) = ("k".repeat(256), "k".repeat(10_240));
    for key in [
        "",
        "\"\"",
        "\"",
        "a b",
        "{other}",
        "k}:x",
        "a\"b",
        "\"open",
        "open\"",
        "a\\b",
        "\"a\\\"b\"",
        "k\u{e9}",
        "a\tb",
        &long,
        &longest,
    ] {
        let answer = gateway.buy("p", "ann", key).await;
        let found = (answer.status, answer.problem());
        assert_eq!(
            found,
            (400, "idempotency-key-invalid".to_owned()),
            "{}",
            show(key.as_bytes())
        );
    }
    let body = br#"{"productId":"p","userId":"ann"}"#;
    let twice = gateway.client.post_buy(&[KEY, KEY], body).await;
    assert_eq!(twice.problem(), "idempotency-key-invalid");
    assert_eq!(keys_of(&world).await, before);
}

#[tokio::test]
async fn a_body_that_is_not_plain_json_is_refused_by_its_type() {
    let world = World::new().await;
    let gateway = sale_and_gateway(&world).await;
    let body = br#"{"productId":"p","userId":"ann"}"#;
    let cases: [&[(&str, &str)]; 6] = [
        &[],
        &[("content-type", "text/plain")],
        &[("content-type", "application/x-www-form-urlencoded")],
        &[("content-type", "multipart/form-data; boundary=x")],
        &[("content-type", "application/json; charset=utf-16")],
        &[
            ("content-type", "application/json"),
            ("content-encoding", "gzip"),
        ],
    ];
    for headers in cases {
        let mut all = vec![KEY];
        all.extend(headers);
        let answer = gateway.client.request("POST", "/buy", &all, body).await;
        let found = (answer.status, answer.problem());
        assert_eq!(
            found,
            (415, "media-type-unsupported".to_owned()),
            "{headers:?}"
        );
        // What would have been taken.
        let is_compressed = headers.iter().any(|(name, _)| *name == "content-encoding");
        if is_compressed {
            assert_eq!(answer.header("accept-encoding"), Some("identity"));
        } else {
            assert_eq!(answer.header("accept"), Some("application/json"));
        }
    }
}

#[tokio::test]
async fn addresses_and_methods_that_are_not_there_are_problems_too() {
    let world = World::new().await;
    let gateway = sale_and_gateway(&world).await;
    for path in [
        "/buy/",
        "/nothing",
        "/sales/drop/p",
        "/metrics",
        "/..%2f..%2fetc/passwd",
        "/socket.io",
    ] {
        let answer = gateway.client.get(path).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (404, "not-found"),
            "{path}"
        );
    }
    for path in [
        "/sales/%00",
        "/sales/%ff",
        "/sales/a%20b",
        "/sales/%7Bdrop%7D",
        "/sales/DROP",
    ] {
        let answer = gateway.client.get(path).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (404, "unknown-sale"),
            "{path}"
        );
    }
    for (method, path, allowed) in [
        ("GET", "/buy", "POST"),
        ("PUT", "/buy", "POST"),
        ("DELETE", "/sales", "GET,HEAD"),
    ] {
        let answer = gateway.client.request(method, path, &[], b"").await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (405, "method-not-allowed")
        );
        assert_eq!(answer.header("allow"), Some(allowed), "{method} {path}");
    }
}

#[tokio::test]
async fn what_is_no_http_gets_a_problem_document_as_well() {
    let world = World::new().await;
    let gateway = sale_and_gateway(&world).await;
    let huge = format!(
        "GET /sales HTTP/1.1\r\nhost: g\r\nx: {}\r\n\r\n",
        "a".repeat(100_000)
    );
    let long = format!("GET /{} HTTP/1.1\r\nhost: g\r\n\r\n", "a".repeat(70_000));
    let cases: [(&[u8], u16, &str); 6] = [
        (
            b"POST /buy HTTP/1.1\r\nhost: g\r\nidempotency-key: a\0b\r\n\r\n",
            400,
            "http-invalid",
        ),
        (
            b"POST /buy HTTP/1.1\r\nhost: g\r\nidempotency-key: a\r\n b\r\n\r\n",
            400,
            "http-invalid",
        ),
        (b"nonsense\r\n\r\n", 400, "http-invalid"),
        (
            b"POST /buy HTTP/1.1\r\nhost: g\r\ncontent-length: -1\r\n\r\n",
            400,
            "http-invalid",
        ),
        (huge.as_bytes(), 431, "head-too-large"),
        (long.as_bytes(), 431, "head-too-large"),
    ];
    for (bytes, status, kind) in cases {
        let answer: Answer = gateway.client.raw(bytes).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (status, kind),
            "{}",
            show(bytes)
        );
        assert_eq!(answer.header("connection"), Some("close"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert!(
            answer
                .header("date")
                .is_some_and(|date| date.ends_with("GMT"))
        );
        assert!(
            answer
                .header("x-request-id")
                .is_some_and(|id| id.len() == 36)
        );
    }
}

#[tokio::test]
async fn a_chunked_body_over_the_limit_is_cut_off() {
    let world = World::new().await;
    let gateway = sale_and_gateway(&world).await;
    let mut bytes = b"POST /buy HTTP/1.1\r\nhost: g\r\nconnection: close\r\ncontent-type: application/json\r\nidempotency-key: k\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..8 {
        bytes.extend_from_slice(b"400\r\n");
        bytes.extend_from_slice(&[b' '; 1024]);
        bytes.extend_from_slice(b"\r\n");
    }
    let answer = gateway.client.raw(&bytes).await;
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (413, "body-too-large")
    );
}

#[tokio::test]
async fn a_body_that_never_comes_is_waited_for_no_longer_than_configured() {
    let world = World::new().await;
    world.announce("drop", one_product("p", 10)).await;
    let gateway = world
        .gateway_with(&["--auth-mode", "off", "--request-timeout-seconds", "1"])
        .await;
    let head = b"POST /buy HTTP/1.1\r\nhost: g\r\nconnection: close\r\ncontent-type: application/json\r\nidempotency-key: k\r\ncontent-length: 30\r\n\r\n{";
    let answer = gateway.client.raw(head).await;
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (408, "request-timeout")
    );
}
