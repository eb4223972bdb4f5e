//! What RFC 9110 and 9112 ask for: heads, half-closed connections, and `Connection` in answers.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::support::{Gateway, World, eventually, one_product};

const PATIENCE: Duration = Duration::from_secs(10);

/// A buy as bytes, with these further headers.
fn buy(user: &str, headers: &str) -> Vec<u8> {
    let body = format!("{{\"productId\":\"p\",\"userId\":\"{user}\"}}");
    format!(
        "POST /buy HTTP/1.1\r\nhost: g\r\ncontent-type: application/json\r\nidempotency-key: k\r\n\
         {headers}content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

async fn gateway_with_stock(world: &World) -> Gateway {
    world.announce("drop", one_product("p", 1000)).await;
    world.gateway().await
}

#[tokio::test]
async fn who_closes_the_sending_side_after_a_request_is_answered() {
    let world = World::new().await;
    let gateway = gateway_with_stock(&world).await;
    for number in 0..30 {
        let user = format!("user-{number}");
        let answer = gateway.client.raw_half_closed(&buy(&user, "")).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    for path in [
        "/sales",
        "/session",
        "/sales/none",
        "/orders/0190a5a0-7000-7000-8000-000000000001",
    ] {
        let get = format!("GET {path} HTTP/1.1\r\nhost: g\r\n\r\n");
        let answer = gateway.client.raw_half_closed(get.as_bytes()).await;
        assert!(answer.status >= 200, "{path}");
    }
    // What will never come is not waited for.
    let short = b"POST /buy HTTP/1.1\r\nhost: g\r\ncontent-type: application/json\r\nidempotency-key: k\r\ncontent-length: 99\r\n\r\n{";
    let answer = gateway.client.raw_half_closed(short).await;
    let found = (answer.status, answer.problem());
    assert_eq!(found, (400, "body-invalid".to_owned()));
    assert_eq!(answer.header("connection"), Some("close"));
}

#[tokio::test]
async fn a_buy_is_counted_when_its_client_has_gone() {
    let world = World::new().await;
    let gateway = gateway_with_stock(&world).await;
    for number in 0..30 {
        let mut stream = TcpStream::connect(gateway.client.address).await.unwrap();
        let user = format!("user-{number}");
        stream.write_all(&buy(&user, "")).await.unwrap();
    }
    let counted = "flashsale_gateway_buys_total{answer=\"queued\",sale=\"drop\"}";
    eventually("every buy is counted", async || {
        gateway.metric(counted).await == Some(30.0)
    })
    .await;
}

#[tokio::test]
async fn a_poll_ends_with_its_client() {
    let world = World::new().await;
    let gateway = world.gateway().await;
    let open = "/socket.io/?EIO=4&transport=polling";
    let opened = gateway.client.get(open).await.text();
    let sid = opened.split('"').nth(3).unwrap();
    let session = format!("{open}&sid={sid}");
    assert_eq!(
        gateway.client.get(&session).await.text(),
        "2",
        "the first ping"
    );
    // The next packet is 25 seconds away.
    let mut poll = TcpStream::connect(gateway.client.address).await.unwrap();
    let get = format!("GET {session} HTTP/1.1\r\nhost: g\r\n\r\n");
    poll.write_all(get.as_bytes()).await.unwrap();
    poll.shutdown().await.unwrap();
    let mut rest = Vec::new();
    let ended = timeout(PATIENCE, poll.read_to_end(&mut rest)).await;
    ended.expect("the poll to end").unwrap();
    assert!(rest.is_empty());
    // And with the poll its session: nobody is there who could go on with it.
    let headers = [("content-type", "text/plain")];
    let post = gateway.client.request("POST", &session, &headers, b"40{}");
    let answer = post.await;
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("Session ID unknown"), "{answer:?}");
}

#[tokio::test]
async fn a_head_is_checked_before_anything_looks_at_it() {
    let world = World::new().await;
    let gateway = gateway_with_stock(&world).await;
    let close = "connection: close\r\n";
    let get = |head: &str| format!("GET /sales HTTP/1.1\r\n{head}{close}\r\n").into_bytes();
    let chunked = |coding: &str| {
        let body = r#"{"productId":"p","userId":"ann"}"#;
        format!(
            "POST /buy HTTP/1.1\r\nhost: g\r\n{close}content-type: application/json\r\n\
             idempotency-key: k\r\ntransfer-encoding: {coding}\r\n\r\n\
             {:x}\r\n{body}\r\n0\r\n\r\n",
            body.len()
        )
        .into_bytes()
    };
    let expecting = |what: &str| buy("bob", &format!("expect: {what}\r\n{close}"));
    let no_host = [
        b"POST /buy HTTP/1.1\r\n".as_slice(),
        &buy("eve", close)[29..],
    ]
    .concat();
    for (bytes, status, kind) in [
        (get("host: shop.example.com:8080\r\n"), 200, ""),
        (get("host: [::1]\r\n"), 200, ""),
        (get("host:\r\n"), 200, ""),
        (b"GET /sales HTTP/1.0\r\n\r\n".to_vec(), 200, ""),
        (get(""), 400, "http-invalid"),
        (get("host: a\r\nhost: b\r\n"), 400, "http-invalid"),
        (get("host: a\r\nhost: a\r\n"), 400, "http-invalid"),
        (get("host: a b\r\n"), 400, "http-invalid"),
        (get("host: a/b\r\n"), 400, "http-invalid"),
        (get("host: user@a\r\n"), 400, "http-invalid"),
        (
            b"GET /sales HTTP/1.0\r\nhost: a b\r\n\r\n".to_vec(),
            400,
            "http-invalid",
        ),
        (no_host, 400, "http-invalid"),
        (chunked("chunked"), 200, ""),
        (chunked("gzip, chunked"), 501, "transfer-coding-unsupported"),
        (chunked("chunked, chunked"), 400, "http-invalid"),
        (chunked("chunked, gzip"), 400, "http-invalid"),
        (expecting("tea"), 417, "expectation-failed"),
        (
            b"OPTIONS * HTTP/1.1\r\nhost: g\r\nconnection: close\r\n\r\n".to_vec(),
            204,
            "",
        ),
        (
            b"GET * HTTP/1.1\r\nhost: g\r\nconnection: close\r\n\r\n".to_vec(),
            400,
            "http-invalid",
        ),
    ] {
        let answer = gateway.client.raw(&bytes).await;
        let what = String::from_utf8_lossy(&bytes).into_owned();
        assert_eq!(answer.status, status, "{what}");
        assert!(answer.header("date").is_some(), "{what}");
        assert!(answer.header("x-request-id").is_some(), "{what}");
        if status >= 400 {
            assert_eq!(answer.problem(), kind, "{what}");
            assert_eq!(answer.header("connection"), Some("close"), "{what}");
        }
    }
    let star = b"OPTIONS * HTTP/1.1\r\nhost: g\r\nconnection: close\r\n\r\n";
    let answer = gateway.client.raw(star).await;
    assert_eq!(answer.header("allow"), Some("GET, HEAD, POST"));
}

#[tokio::test]
async fn a_refusal_ends_the_connection_only_where_it_must_and_says_so() {
    let world = World::new().await;
    let gateway = gateway_with_stock(&world).await;
    let head = "host: g\r\ncontent-type: application/json\r\n";
    let session = "GET /session HTTP/1.1\r\nhost: g\r\nconnection: close\r\n\r\n";
    // A small body that is there is read for the sake of the next request.
    for refused in [
        format!("POST /buy HTTP/1.1\r\n{head}content-length: 10\r\n\r\n0123456789"),
        format!(
            "POST /buy HTTP/1.1\r\n{head}transfer-encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n"
        ),
        format!("POST /sales HTTP/1.1\r\n{head}content-length: 2\r\n\r\n{{}}"),
        format!("GET /sales/none HTTP/1.1\r\n{head}content-length: 2\r\n\r\n{{}}"),
    ] {
        let answers = gateway
            .client
            .pipeline(format!("{refused}{session}").as_bytes())
            .await;
        assert_eq!(answers.len(), 2, "{refused}: {answers:?}");
        assert!(answers[0].status >= 400, "{refused}");
        assert_eq!(answers[0].header("connection"), None, "{refused}");
        assert_eq!(answers[1].status, 200, "{refused}");
    }
    // Anything else is not waited for.
    for refused in [
        format!("POST /buy HTTP/1.1\r\n{head}content-length: 100\r\n\r\n0123456789"),
        format!(
            "POST /buy HTTP/1.1\r\n{head}idempotency-key: k\r\ncontent-length: 99999\r\n\r\n{{"
        ),
        format!("POST /buy HTTP/1.1\r\n{head}expect: 100-continue\r\ncontent-length: 50\r\n\r\n"),
        format!("POST /sales HTTP/1.1\r\n{head}content-length: 100000\r\n\r\n{{"),
        format!("POST /sales HTTP/1.1\r\n{head}expect: 100-continue\r\ncontent-length: 50\r\n\r\n"),
        format!(
            "POST /buy HTTP/1.1\r\n{head}idempotency-key: k\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"
        ),
    ] {
        let answer = gateway.client.raw(refused.as_bytes()).await;
        assert!(answer.status >= 400, "{refused}: {answer:?}");
        assert_eq!(answer.header("connection"), Some("close"), "{refused}");
    }
}
