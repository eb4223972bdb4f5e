//! Connections: how many there may be, and how long each may keep the gateway waiting.

use crate::support::{
    Gateway, World, eventually,
    kept::{Kept, ping},
    process::GatewayProcess,
};

/// A request that is answered in more bytes than a client that does not read has room for.
const LARGE: &[u8] = b"GET /openapi.json HTTP/1.1\r\nhost: g\r\n\r\n";

/// How often [`LARGE`] has to be answered before a connection on this machine is full, whose system
/// keeps up to 6 MB for a client.
const MANY: usize = 400;

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
        let mut connection = Kept::open(gateway.client.address).await;
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
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
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
        let mut connection = Kept::open(gateway.client.address).await;
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
        let mut connection = Kept::open(gateway.client.address).await;
        assert_eq!(connection.status().await, 200);
        kept.push(connection);
    }
    // As many are taken as were open when memory was seen to be short, which may be some more.
    eventually("memory is short", async || {
        let mut connection = Kept::open(gateway.client.address).await;
        let is_refused = connection.status().await == 503;
        if !is_refused {
            kept.push(connection);
        }
        is_refused
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
    let mut quiet = Kept::open(gateway.client.address).await;
    assert_eq!(quiet.status().await, 200);
    let mut silent = Kept::open(gateway.client.address).await;
    for begun in [&b"G"[..], b"GET /session HTTP/1.1\r\nhost: g\r\n"] {
        let mut slow = Kept::open(gateway.client.address).await;
        slow.send(begun).await;
        let answer = slow.rest().await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (408, "request-timeout")
        );
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let date = answer.header("date").unwrap();
        assert!(date.ends_with(" GMT"), "{date}");
        assert_eq!(answer.header("x-request-id").unwrap().len(), 36);
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
    let mut stalled = Kept::open(gateway.client.address).await;
    stalled.send(&LARGE.repeat(MANY)).await;
    eventually("the connection is cut off", async || {
        timed_out(&gateway, "write").await == Some(1.0) && open(&gateway).await == Some(0.0)
    })
    .await;
}

#[tokio::test]
async fn a_socket_that_does_not_read_is_cut_off() {
    let world = World::new().await;
    let gateway = world
        .gateway_with(&["--auth-mode=off", "--write-timeout-seconds=1"])
        .await;
    let mut stalled = Kept::open(gateway.client.address).await;
    stalled.become_socket().await;
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
        let mut stalled = Kept::open(address).await;
        stalled.send(&LARGE.repeat(MANY)).await;
        stalled
    };
    let answered = "flashsale_gateway_requests_total{route=\"/openapi.json\",status=\"2xx\"}";
    // What is made once is made before, by the threads of connections and of probes.
    let mut stalled = vec![stall().await];
    eventually("probes answer", async || {
        gateway.metric(answered).await.is_some()
    })
    .await;
    let before = resident_bytes(gateway.id());
    for _ in 0..CLIENTS {
        stalled.push(stall().await);
    }
    let mut last = None;
    eventually("all wait for their clients", async || {
        let now = gateway.metric(answered).await;
        let is_still = now == last && now > Some(100.0);
        last = now;
        is_still
    })
    .await;
    let each = resident_bytes(gateway.id()).saturating_sub(before) / CLIENTS;
    assert!(each < 48 * 1024, "{each} bytes for each client");
}
