//! The end of a process: nothing that was begun is cut off.

use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    process::Command,
};

use serde_json::json;

use crate::support::{
    World, all,
    client::{Answer, Client},
    eventually,
    kept::{Kept, ping},
    one_product,
    process::GatewayProcess,
    socket::Socket,
};

#[tokio::test]
async fn a_request_in_flight_is_answered_and_the_process_ends_well() {
    let world = World::new().await;
    world.announce("drop", one_product("p", 10)).await;
    let mut gateway = GatewayProcess::start(&world, &[]).await;
    let body = br#"{"productId":"p","userId":"ann"}"#;
    let head = format!(
        "POST /buy HTTP/1.1\r\nhost: g\r\ncontent-type: application/json\r\nidempotency-key: k\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let mut stream = TcpStream::connect(gateway.client.address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&body[..5]).await.unwrap();
    // An idle connection must not hold the end up.
    let _idle = TcpStream::connect(gateway.client.address).await.unwrap();
    assert_eq!(
        gateway.client.get("/sales").await.status,
        200,
        "the request above is being read"
    );
    gateway.terminate();
    eventually("nothing new is accepted", async || {
        TcpStream::connect(gateway.client.address).await.is_err()
    })
    .await;
    stream.write_all(&body[5..]).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert_eq!(Answer::parse(&answer).json()["position"], 1);
    assert!(gateway.child.wait().await.unwrap().success());
}

#[tokio::test]
async fn a_request_that_never_ends_is_waited_for_no_longer_than_the_grace() {
    let world = World::new().await;
    let mut gateway = GatewayProcess::start(&world, &["--shutdown-grace-seconds", "1"]).await;
    let mut stream = TcpStream::connect(gateway.client.address).await.unwrap();
    let head = b"POST /buy HTTP/1.1\r\nhost: g\r\ncontent-type: application/json\r\nidempotency-key: k\r\ncontent-length: 99\r\n\r\n{";
    stream.write_all(head).await.unwrap();
    assert_eq!(gateway.client.get("/sales").await.status, 200);
    let started = Instant::now();
    gateway.terminate();
    assert!(gateway.child.wait().await.unwrap().success());
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn shoppers_are_served_during_the_delay_and_turned_away_after_it() {
    let world = World::new().await;
    let mut gateway = GatewayProcess::start(&world, &["--shutdown-delay-seconds", "2"]).await;
    let started = Instant::now();
    gateway.terminate();
    let served = || async { TcpStream::connect(gateway.client.address).await.is_ok() };
    while started.elapsed() < Duration::from_millis(1_500) {
        // A new connection each time, as shoppers make them.
        assert_eq!(gateway.client.get("/sales").await.status, 200);
    }
    eventually("nothing new is accepted", async || !served().await).await;
    assert!(started.elapsed() >= Duration::from_secs(2));
    assert!(gateway.child.wait().await.unwrap().success());
}

#[tokio::test]
async fn a_taken_port_is_told() {
    let world = World::new().await;
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_flashsale-gateway"))
        .args(["--auth-mode", "off", "--redis-url", &world.redis_url])
        .args(["--database-url", &world.ledger_url])
        .args(["--listen", &taken.local_addr().unwrap().to_string()])
        .output()
        .await
        .unwrap();
    assert!(!output.status.success());
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("cannot listen on"), "{message}");
}

#[tokio::test]
async fn a_socket_that_does_not_read_holds_nothing_up() {
    let world = World::new().await;
    let mut gateway = GatewayProcess::start(&world, &["--shutdown-grace-seconds=2"]).await;
    let mut stalled = Kept::open(gateway.client.address).await;
    stalled.become_socket().await;
    let (text, masked_2, mask) = (0x81, 0x82, [0; 4]);
    stalled
        .send(&[&[text, masked_2][..], &mask, b"40"].concat())
        .await;
    // Each is answered, which is more than there is room for in the system's buffers.
    stalled.send(&ping().repeat(150_000)).await;
    eventually("the socket is in", async || {
        gateway.metric("flashsale_gateway_sockets").await == Some(1.0)
    })
    .await;
    let started = Instant::now();
    gateway.terminate();
    assert!(gateway.child.wait().await.unwrap().success());
    let took = started.elapsed();
    assert!(took < Duration::from_secs(4), "{took:?}");
}

/// How far apart sockets are closed that were made by `connect`.
async fn closing_spread<F>(connect: impl Fn(Client) -> F) -> Duration
where
    F: Future<Output = Socket> + Send + 'static,
{
    const SOCKETS: usize = 100;
    let world = World::new().await;
    let gateway = world.gateway().await;
    let sockets = all((0..SOCKETS).map(|_| connect(gateway.client))).await;
    eventually("all are in", async || {
        gateway.metric("flashsale_gateway_sockets").await == Some(100.0)
    })
    .await;
    gateway.shutdown.cancel();
    let mut closed = all(sockets.into_iter().map(|mut socket| async move {
        while socket.event().await.is_some() {}
        Instant::now()
    }))
    .await;
    closed.sort();
    closed[SOCKETS - 1] - closed[0]
}

#[tokio::test]
async fn sockets_are_closed_a_few_at_a_time() {
    let spread =
        closing_spread(|client| async move { Socket::connect(client.address, &json!({})).await })
            .await;
    assert!(spread > Duration::from_millis(300), "{spread:?}");
}

#[tokio::test]
async fn sockets_that_began_with_polling_are_closed_a_few_at_a_time() {
    let spread = closing_spread(Socket::upgrade).await;
    assert!(spread > Duration::from_millis(300), "{spread:?}");
}
