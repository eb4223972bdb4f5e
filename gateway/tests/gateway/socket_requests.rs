//! The requests of the socket layer: WebSocket handshakes, origins, and refusals.

use std::net::SocketAddr;

use crate::support::{
    World,
    client::{Answer, Client},
};

const POLLING: &str = "/socket.io/?EIO=4&transport=polling";
const WEBSOCKET: &str = "/socket.io/?EIO=4&transport=websocket";

/// The headers of a good handshake.
const HANDSHAKE: [(&str, &str); 4] = [
    ("connection", "keep-alive, Upgrade"),
    ("upgrade", "websocket"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
];

/// A GET of `path` with these headers, and nothing of the test client's own.
fn get(path: &str, headers: &[(&str, &str)]) -> Vec<u8> {
    let mut head = format!("GET {path} HTTP/1.1\r\nhost: shop.example.com\r\n");
    for (name, value) in headers {
        head.extend([name, ": ", value, "\r\n"]);
    }
    head.push_str("\r\n");
    head.into_bytes()
}

fn assert_is_refused(answer: &Answer, status: u16, kind: &str, why: &str) {
    let found = (answer.status, answer.problem());
    assert_eq!(found, (status, kind.to_owned()), "{why}");
}

#[tokio::test]
async fn a_websocket_begins_with_a_handshake_to_the_letter() {
    let world = World::new().await;
    let gateway = world.gateway().await;
    let good = gateway
        .client
        .raw_half_closed(&get(WEBSOCKET, &HANDSHAKE))
        .await;
    assert_eq!(good.status, 101);
    let accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
    assert_eq!(good.header("sec-websocket-accept"), Some(accept));
    let changed = |name: &str, value: Option<&'static str>| {
        let mut headers = HANDSHAKE.to_vec();
        let place = headers
            .iter()
            .position(|(known, _)| *known == name)
            .unwrap();
        match value {
            Some(value) => headers[place].1 = value,
            None => drop(headers.remove(place)),
        }
        get(WEBSOCKET, &headers)
    };
    for (name, value, status, kind) in [
        ("upgrade", None, 426, "upgrade-required"),
        ("upgrade", Some("h2c"), 426, "upgrade-required"),
        ("connection", None, 426, "upgrade-required"),
        ("connection", Some("keep-alive"), 426, "upgrade-required"),
        ("sec-websocket-version", None, 426, "upgrade-required"),
        ("sec-websocket-version", Some("8"), 426, "upgrade-required"),
        ("sec-websocket-key", None, 400, "http-invalid"),
        ("sec-websocket-key", Some("a2V5"), 400, "http-invalid"),
    ] {
        let answer = gateway.client.raw_half_closed(&changed(name, value)).await;
        let why = format!("{name}: {value:?}");
        assert_is_refused(&answer, status, kind, &why);
        if status == 426 {
            assert_eq!(answer.header("upgrade"), Some("websocket"), "{why}");
            assert_eq!(answer.header("connection"), Some("upgrade"), "{why}");
            assert_eq!(answer.header("sec-websocket-version"), Some("13"), "{why}");
        }
    }
}

#[tokio::test]
async fn pages_of_other_origins_open_no_sockets_unless_they_are_listed() {
    let world = World::new().await;
    let closed = world.gateway().await;
    let listed = [
        "--auth-mode",
        "off",
        "--cors-origins",
        "https://other.example",
    ];
    let open = world.gateway_with(&listed).await;
    let with_origin = |path: &str, origin: &'static str| {
        let mut headers = HANDSHAKE.to_vec();
        if path == POLLING {
            headers.clear();
        }
        headers.push(("origin", origin));
        get(path, &headers)
    };
    for (path, welcome) in [(POLLING, 200), (WEBSOCKET, 101)] {
        for (gateway, origin, is_welcome) in [
            (&closed, "https://shop.example.com", true),
            (&closed, "https://other.example", false),
            (&closed, "null", false),
            (&open, "https://other.example", true),
            (&open, "https://evil.example", false),
        ] {
            let answer = gateway
                .client
                .raw_half_closed(&with_origin(path, origin))
                .await;
            if is_welcome {
                assert_eq!(answer.status, welcome, "{origin}");
            } else {
                assert_is_refused(&answer, 403, "origin-not-allowed", origin);
            }
        }
    }
}

/// A browser lets no page set `X-Forwarded-Host`, but anybody else can.
#[tokio::test]
async fn the_host_that_a_proxy_was_asked_for_is_believed_of_trusted_proxies_alone() {
    let world = World::new().await;
    let off = "--auth-mode=off";
    let gateway = world
        .gateway_with(&[off, "--trusted-proxies=127.0.0.9"])
        .await;
    let page = ("origin", "https://other.example");
    let asked = get(POLLING, &[page, ("x-forwarded-host", "other.example")]);
    for (last, status) in [(9, 200), (1, 403)] {
        let client = Client {
            from: Some(SocketAddr::from(([127, 0, 0, last], 0))),
            ..gateway.client
        };
        assert_eq!(client.raw_half_closed(&asked).await.status, status);
    }
}

#[tokio::test]
async fn refusals_of_the_socket_layer_keep_their_meaning() {
    let world = World::new().await;
    let shop = "https://shop.example.com";
    let gateway = world
        .gateway_with(&["--auth-mode", "off", "--cors-origins", shop])
        .await;
    let opened = gateway.client.get(POLLING).await.text();
    let sid = opened.split('"').nth(3).unwrap();
    let session = format!("{POLLING}&sid={sid}");
    let closed = format!("{POLLING}&sid=AAAAAAAAAAAAAAHs");
    for (method, path, body, code) in [
        ("GET", "/socket.io/?EIO=4", "", 0),
        ("GET", "/socket.io/?EIO=4&transport=carrier-pigeon", "", 0),
        ("GET", "/socket.io/?transport=polling", "", 5),
        ("GET", "/socket.io/?EIO=3&transport=polling", "", 5),
        ("POST", POLLING, "40", 2),
        ("GET", &closed, "", 1),
        ("POST", &closed, "40", 1),
        ("PUT", &session, "40", 3),
        // It ends the session, and so comes last.
        ("POST", &session, "abc", 3),
    ] {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: g\r\norigin: {shop}\r\nx-request-id: my-id\r\n\
             content-type: text/plain\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let next = "GET /session HTTP/1.1\r\nhost: g\r\nconnection: close\r\n\r\n";
        let answers = gateway
            .client
            .pipeline(format!("{request}{next}").as_bytes())
            .await;
        let [answer, next] = &answers[..] else {
            panic!("{request}: {answers:?}");
        };
        assert_eq!(answer.status, 400, "{request}");
        assert_eq!(answer.json()["code"], code, "{request}");
        assert!(answer.json()["message"].is_string(), "{request}");
        for (name, value) in [
            ("content-type", "application/json"),
            ("x-request-id", "my-id"),
            ("access-control-allow-origin", shop),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{request}");
        }
        assert!(answer.header("date").is_some(), "{request}");
        assert_eq!(answer.header("connection"), None, "the connection stays");
        assert_eq!(next.status, 200, "{request}");
    }
}
