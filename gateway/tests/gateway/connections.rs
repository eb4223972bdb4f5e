//! Connections: how many there may be, and how long each may keep the gateway waiting.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

use crate::support::{
    Gateway, PATIENCE, World, client::Answer, eventually, process::GatewayProcess,
};

/// A request that is answered in more bytes than a client that does not read has room for.
const LARGE: &[u8] = b"GET /openapi.json HTTP/1.1\r\nhost: g\r\n\r\n";

/// How often [`LARGE`] has to be answered before a connection on this machine is full, whose system
/// keeps up to 6 MB for a client.
const MANY: usize = 400;

/// A connection that is kept.
struct Kept(TcpStream);

impl Kept {
    async fn open(gateway: &Gateway) -> Self {
        Self::open_from([127, 0, 0, 1], gateway.client.address).await
    }

    /// One from this address of the loopback network.
    async fn open_from(client: [u8; 4], gateway: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        // Little room for what is not read.
        socket.set_recv_buffer_size(2_048).unwrap();
        let client = IpAddr::V4(Ipv4Addr::from(client));
        socket.bind(SocketAddr::new(client, 0)).unwrap();
        Self(socket.connect(gateway).await.unwrap())
    }

    async fn send(&mut self, bytes: &[u8]) {
        // The gateway may have closed.
        let _ = self.0.write_all(bytes).await;
    }

    /// The status of `GET /session`.
    async fn status(&mut self) -> u16 {
        self.send(b"GET /session HTTP/1.1\r\nhost: g\r\n\r\n").await;
        let mut answer = Vec::new();
        while !answer.ends_with(b"}") {
            let mut read = [0; 4096];
            let count = timeout(PATIENCE, self.0.read(&mut read))
                .await
                .unwrap()
                .unwrap();
            assert!(
                count > 0,
                "closed after {:?}",
                String::from_utf8_lossy(&answer)
            );
            answer.extend_from_slice(&read[..count]);
        }
        Answer::parse(&answer).status
    }

    /// What comes until the gateway closes.
    async fn rest(&mut self) -> Answer {
        let mut answer = Vec::new();
        timeout(PATIENCE, self.0.read_to_end(&mut answer))
            .await
            .unwrap()
            .unwrap();
        Answer::parse(&answer)
    }
}

async fn refused(gateway: &Gateway, reason: &str) -> Option<f64> {
    let name = format!("flashsale_gateway_connections_refused_total{{reason=\"{reason}\"}}");
    gateway.metric(&name).await
}

async fn timed_out(gateway: &Gateway, waiting: &str) -> Option<f64> {
    let name = format!("flashsale_gateway_connections_timed_out_total{{waiting=\"{waiting}\"}}");
    gateway.metric(&name).await
}

async fn open(gateway: &Gateway) -> Option<f64> {
    gateway.metric("flashsale_gateway_connections").await
}

#[tokio::test]
async fn a_connection_too_many_is_refused_and_those_that_are_open_stay() {
    let world = World::new().await;
    let gateway = world
        .gateway_with(&["--auth-mode=off", "--max-connections=3"])
        .await;
    let mut kept = Vec::new();
    for _ in 0..3 {
        let mut connection = Kept::open(&gateway).await;
        assert_eq!(connection.status().await, 200);
        kept.push(connection);
    }
    assert_eq!(open(&gateway).await, Some(3.0));
    let limit = gateway.metric("flashsale_gateway_connections_limit").await;
    assert_eq!(limit, Some(3.0));
    let answer = gateway.client.get("/session").await;
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (503, "unavailable")
    );
    let retry: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=5).contains(&retry), "{retry}");
    assert_eq!(refused(&gateway, "total").await, Some(1.0));
    for connection in &mut kept {
        assert_eq!(connection.status().await, 200);
    }
    kept.pop();
    eventually("the place is free again", async || {
        gateway.client.get("/session").await.status == 200
    })
    .await;
}

#[tokio::test]
async fn one_address_takes_no_more_than_its_share() {
    let world = World::new().await;
    let gateway = world
        .gateway_with(&["--auth-mode=off", "--connections-per-address=2"])
        .await;
    let address = gateway.client.address;
    let mut kept = Vec::new();
    for (client, status) in [
        ([127, 0, 0, 2], 200),
        ([127, 0, 0, 2], 200),
        ([127, 0, 0, 2], 503),
        ([127, 0, 0, 3], 200),
    ] {
        let mut connection = Kept::open_from(client, address).await;
        assert_eq!(connection.status().await, status, "{client:?}");
        kept.push(connection);
    }
    assert_eq!(refused(&gateway, "address").await, Some(1.0));
    // What comes from here may be a proxy's.
    for _ in 0..3 {
        let mut connection = Kept::open(&gateway).await;
        assert_eq!(connection.status().await, 200);
        kept.push(connection);
    }
}

#[tokio::test]
async fn no_more_connections_are_taken_than_there_are_while_memory_is_short() {
    /// Connections that are taken in any case.
    const LEAST: usize = 64;
    let world = World::new().await;
    // Less than any process has.
    let gateway = world
        .gateway_with(&[
            "--auth-mode=off",
            "--max-connections=1000",
            "--memory-limit-bytes=1000",
        ])
        .await;
    let mut kept = Vec::new();
    for _ in 0..LEAST {
        let mut connection = Kept::open(&gateway).await;
        assert_eq!(connection.status().await, 200);
        kept.push(connection);
    }
    eventually("memory is short", async || {
        gateway.client.get("/session").await.status == 503
    })
    .await;
    assert!(refused(&gateway, "memory").await >= Some(1.0));
    assert_eq!(kept[0].status().await, 200);
    kept.pop();
    eventually("another takes the place of one that left", async || {
        gateway.client.get("/session").await.status == 200
    })
    .await;
}

#[tokio::test]
async fn a_head_that_was_begun_has_to_end_while_a_quiet_connection_is_kept() {
    let world = World::new().await;
    let gateway = world
        .gateway_with(&["--auth-mode=off", "--head-timeout-seconds=1"])
        .await;
    let mut quiet = Kept::open(&gateway).await;
    assert_eq!(quiet.status().await, 200);
    let mut silent = Kept::open(&gateway).await;
    for begun in [&b"G"[..], b"GET /session HTTP/1.1\r\nhost: g\r\n"] {
        let mut slow = Kept::open(&gateway).await;
        slow.send(begun).await;
        let answer = slow.rest().await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (408, "request-timeout")
        );
    }
    assert_eq!(timed_out(&gateway, "head").await, Some(2.0));
    // The second head of a connection is waited for no longer than the first.
    assert_eq!(quiet.status().await, 200);
    assert_eq!(silent.status().await, 200);
    quiet.send(b"GET /").await;
    assert_eq!(quiet.rest().await.status, 408);
}

#[tokio::test]
async fn a_message_to_a_polling_socket_has_to_arrive_in_time() {
    let world = World::new().await;
    let gateway = world
        .gateway_with(&["--auth-mode=off", "--request-timeout-seconds=1"])
        .await;
    let path = "/socket.io/?EIO=4&transport=polling";
    let opened = gateway.client.get(path).await.text();
    let opened: serde_json::Value = serde_json::from_str(&opened[1..]).unwrap();
    let session = opened["sid"].as_str().unwrap();
    let head = format!(
        "POST {path}&sid={session} HTTP/1.1\r\nhost: g\r\ncontent-type: text/plain\r\n\
         content-length: 100\r\n\r\n"
    );
    let answer = gateway.client.raw(head.as_bytes()).await;
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (408, "request-timeout")
    );
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_off() {
    let world = World::new().await;
    let gateway = world
        .gateway_with(&["--auth-mode=off", "--write-timeout-seconds=1"])
        .await;
    let mut stalled = Kept::open(&gateway).await;
    stalled.send(&LARGE.repeat(MANY)).await;
    eventually("the connection is cut off", async || {
        timed_out(&gateway, "write").await == Some(1.0) && open(&gateway).await == Some(0.0)
    })
    .await;
}

/// A ping of the largest size, as a client sends it (RFC 6455, section 5.2).
fn ping() -> Vec<u8> {
    let (first, masked_125, mask) = (0x89, 0xfd, [0; 4]);
    [&[first, masked_125][..], &mask, &[b'x'; 125]].concat()
}

#[tokio::test]
async fn a_socket_that_does_not_read_is_cut_off() {
    let world = World::new().await;
    let gateway = world
        .gateway_with(&["--auth-mode=off", "--write-timeout-seconds=1"])
        .await;
    let mut stalled = Kept::open(&gateway).await;
    stalled
        .send(
            b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nhost: g\r\n\
              connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
              sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        )
        .await;
    // Each ping is answered.
    let pings = ping().repeat(1_000);
    eventually("the socket is cut off", async || {
        stalled.send(&pings).await;
        timed_out(&gateway, "write").await == Some(1.0) && open(&gateway).await == Some(0.0)
    })
    .await;
}

fn resident_bytes(process: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes: usize = line
        .unwrap()
        .trim()
        .trim_end_matches("kB")
        .trim()
        .parse()
        .unwrap();
    kibibytes * 1024
}

#[tokio::test]
async fn a_client_that_does_not_read_costs_little_memory() {
    const CLIENTS: usize = 100;
    let world = World::new().await;
    let gateway = GatewayProcess::start(&world, &["--max-connections=500"]).await;
    let address = gateway.client.address;
    let stall = async || {
        let mut stalled = Kept::open_from([127, 0, 0, 1], address).await;
        stalled.send(&LARGE.repeat(MANY)).await;
        stalled
    };
    // What is made once is made before.
    let mut stalled = vec![stall().await];
    let before = resident_bytes(gateway.id());
    for _ in 0..CLIENTS {
        stalled.push(stall().await);
    }
    eventually("all wait", async || {
        gateway.metric("flashsale_gateway_connections").await == Some(101.0)
    })
    .await;
    let each = resident_bytes(gateway.id()).saturating_sub(before) / CLIENTS;
    assert!(each < 64 * 1024, "{each} bytes for each client");
}
