//! Sessions of sockets: how many there may be, and how long they may stay unknown.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use crate::support::{Gateway, PATIENCE, World, client::Answer, eventually, socket::Socket};

const POLLING: &str = "/socket.io/?EIO=4&transport=polling";

async fn refused(gateway: &Gateway, reason: &str) -> Option<f64> {
    let name = format!("flashsale_gateway_sessions_refused_total{{reason=\"{reason}\"}}");
    gateway.metric(&name).await
}

async fn sessions(gateway: &Gateway) -> (Option<f64>, Option<f64>) {
    (
        gateway.metric("flashsale_gateway_sessions").await,
        gateway.metric("flashsale_gateway_sessions_pending").await,
    )
}

fn is_refused(answer: &Answer) -> bool {
    if answer.status == 200 {
        return false;
    }
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (503, "unavailable")
    );
    assert!(answer.asks_to_come_back_soon());
    true
}

#[tokio::test]
async fn sessions_are_limited_and_end_when_they_do_not_join() {
    let world = World::new().await;
    let gateway = world
        .gateway_with(&[
            "--auth-mode=off",
            "--max-sockets=2",
            "--max-pending-sockets=8",
            "--socket-connect-timeout-seconds=1",
        ])
        .await;
    let _joined = Socket::connect(gateway.client.address, &json!({})).await;
    assert!(!is_refused(&gateway.client.get(POLLING).await));
    assert_eq!(sessions(&gateway).await, (Some(2.0), Some(1.0)));
    assert!(is_refused(&gateway.client.get(POLLING).await));
    assert_eq!(refused(&gateway, "total").await, Some(1.0));
    eventually("the session that did not join is gone", async || {
        sessions(&gateway).await == (Some(1.0), Some(0.0))
    })
    .await;
    assert!(!is_refused(&gateway.client.get(POLLING).await));
}

#[tokio::test]
async fn sessions_that_have_not_joined_are_limited_and_do_not_crowd_out_others() {
    let world = World::new().await;
    let gateway = world
        .gateway_with(&["--auth-mode=off", "--max-pending-sockets=2"])
        .await;
    let mut joined = Vec::new();
    for _ in 0..3 {
        joined.push(Socket::connect(gateway.client.address, &json!({})).await);
    }
    for _ in 0..2 {
        assert!(!is_refused(&gateway.client.get(POLLING).await));
    }
    assert_eq!(sessions(&gateway).await, (Some(5.0), Some(2.0)));
    assert!(is_refused(&gateway.client.get(POLLING).await));
    assert_eq!(refused(&gateway, "pending").await, Some(1.0));
    assert_eq!(gateway.client.get("/session").await.status, 200);
}

#[tokio::test]
async fn one_address_has_a_quarter_of_the_sessions_that_have_not_joined() {
    let world = World::new().await;
    let gateway = world
        .gateway_with(&["--auth-mode=off", "--max-pending-sockets=4"])
        .await;
    let mut client = gateway.client;
    client.from = Some(SocketAddr::from(([127, 0, 0, 2], 0)));
    assert!(!is_refused(&client.get(POLLING).await));
    assert!(is_refused(&client.get(POLLING).await));
    assert_eq!(refused(&gateway, "address").await, Some(1.0));
    client.from = Some(SocketAddr::from(([127, 0, 0, 3], 0)));
    assert!(!is_refused(&client.get(POLLING).await));
}

#[tokio::test]
async fn a_shopper_has_a_limited_number_of_sockets() {
    let world = World::new().await;
    let gateway = world
        .gateway_with(&["--auth-mode=off", "--sockets-per-shopper=2"])
        .await;
    let address = gateway.client.address;
    let connect = async |user: &str| Socket::connect(address, &json!({ "userId": user })).await;
    let first = connect("ann").await;
    let _second = connect("ann").await;
    assert!(connect("ann").await.handshake.starts_with("44"));
    assert_eq!(refused(&gateway, "shopper").await, Some(1.0));
    assert!(connect("bob").await.handshake.starts_with("40"));
    drop(first);
    eventually("the place is free again", async || {
        connect("ann").await.handshake.starts_with("40")
    })
    .await;
}

#[tokio::test]
async fn a_socket_that_is_refused_is_closed_and_does_not_get_to_guess_again() {
    let world = World::new().await;
    let gateway = world.gateway().await;
    let started = Instant::now();
    let nobody = json!({ "userId": "no id" });
    let mut socket = Socket::connect(gateway.client.address, &nobody).await;
    assert!(socket.handshake.starts_with("44"), "{}", socket.handshake);
    socket.send(format!("40{nobody}")).await;
    let again = socket.text().await.unwrap();
    assert!(again.contains("connect again"), "{again}");
    assert_eq!(socket.event().await, None);
    assert!(started.elapsed() < PATIENCE / 10, "{:?}", started.elapsed());
    let checked = gateway
        .metric("flashsale_gateway_sockets_refused_total")
        .await;
    assert_eq!(checked, Some(1.0));
}

#[tokio::test]
async fn polling_can_be_switched_off() {
    let world = World::new().await;
    let gateway = world
        .gateway_with(&["--auth-mode=off", "--websocket-only"])
        .await;
    assert_eq!(gateway.client.get(POLLING).await.status, 400);
    let socket = Socket::connect(gateway.client.address, &json!({})).await;
    assert!(socket.handshake.starts_with("40"));
}

/// A ping that is not answered would end it, too, but not within twenty seconds.
#[tokio::test]
async fn a_session_ends_when_its_client_gives_up_a_poll() {
    let world = World::new().await;
    let gateway = world.gateway().await;
    let opened = gateway.client.get(POLLING).await.text();
    let opened: Value = serde_json::from_str(opened.strip_prefix('0').unwrap()).unwrap();
    let session = format!("{POLLING}&sid={}", opened["sid"].as_str().unwrap());
    let headers = [("content-type", "text/plain")];
    let post = gateway.client.request("POST", &session, &headers, b"40{}");
    assert_eq!(post.await.text(), "ok");
    // The first ping comes at once.
    let mut heard = String::new();
    while !(heard.contains('2') && heard.contains("40{")) {
        heard += &gateway.client.get(&session).await.text();
    }
    // Whose client does not say who it is ends by itself, some seconds later.
    assert_eq!(sessions(&gateway).await, (Some(1.0), Some(0.0)));
    let begun = Instant::now();
    let mut poll = TcpStream::connect(gateway.client.address).await.unwrap();
    let request = format!("GET {session} HTTP/1.1\r\nhost: gateway\r\n\r\n");
    poll.write_all(request.as_bytes()).await.unwrap();
    drop(poll);
    eventually("the session is gone", async || {
        sessions(&gateway).await == (Some(0.0), Some(0.0))
    })
    .await;
    assert!(begun.elapsed() < Duration::from_secs(15));
}
