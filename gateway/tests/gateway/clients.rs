//! Who is asking, as far as addresses say.

use std::{
    net::SocketAddr,
    path::Path,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::support::{
    Gateway, World, client::Client, eventually, one_product, process::GatewayProcess,
};

const POLLING: &str = "/socket.io/?EIO=4&transport=polling";

/// A client that connects from this address of the loopback network.
fn from(gateway: &Gateway, client: [u8; 4]) -> Client {
    Client {
        from: Some(SocketAddr::from((client, 0))),
        ..gateway.client
    }
}

/// Of one address there may be one socket that has not said whose it is, and four in all.
#[tokio::test]
async fn behind_a_trusted_proxy_each_client_has_its_own_share() {
    let world = World::new().await;
    let gateway = world
        .gateway_with(&[
            "--auth-mode=off",
            "--max-pending-sockets=4",
            "--trusted-proxies=127.0.0.8/30",
        ])
        .await;
    let proxy = from(&gateway, [127, 0, 0, 9]);
    for (client, said, status) in [
        (proxy, "203.0.113.1", 200),
        (proxy, "198.51.100.1, 203.0.113.1", 503),
        (proxy, "203.0.113.1, 203.0.113.2", 200),
        (proxy, "203.0.113.2, 127.0.0.10", 503),
        // No proxy, so it speaks for itself alone.
        (from(&gateway, [127, 0, 0, 20]), "203.0.113.3", 200),
        (from(&gateway, [127, 0, 0, 20]), "203.0.113.4", 503),
    ] {
        let headers = [("x-forwarded-for", said)];
        let answer = client.request("GET", POLLING, &headers, b"").await;
        assert_eq!(answer.status, status, "{said}");
    }
    let refused = "flashsale_gateway_sessions_refused_total{reason=\"address\"}";
    assert_eq!(gateway.metric(refused).await, Some(3.0));
}

#[tokio::test]
async fn only_the_header_that_proxies_write_is_read() {
    let world = World::new().await;
    let gateway = world
        .gateway_with(&[
            "--auth-mode=off",
            "--max-pending-sockets=4",
            "--trusted-proxies=127.0.0.9",
            "--proxy-header=forwarded",
        ])
        .await;
    let proxy = from(&gateway, [127, 0, 0, 9]);
    for (forged, status) in [("198.51.100.1", 200), ("198.51.100.2", 503)] {
        let headers = [
            ("x-forwarded-for", forged),
            ("forwarded", "for=\"[2001:db8::7]:4711\";proto=https"),
        ];
        let answer = proxy.request("GET", POLLING, &headers, b"").await;
        assert_eq!(answer.status, status, "{forged}");
    }
}

const REFUSED: &str = "flashsale_gateway_requests_refused_total";

async fn refused(gateway: &Gateway, route: &str) -> Option<f64> {
    let name = format!("{REFUSED}{{route=\"{route}\"}}");
    gateway.metric(&name).await
}

/// A gateway that takes three requests of an address at once, and one a second.
async fn gateway_of_three(world: &World, further: &[&str]) -> Gateway {
    let mut arguments = vec![
        "--auth-mode=off",
        "--requests-per-address=1",
        "--request-burst-per-address=3",
    ];
    arguments.extend(further);
    world.gateway_with(&arguments).await
}

#[tokio::test]
async fn an_address_that_sends_too_much_is_refused_whoever_it_says_it_is() {
    let world = World::new().await;
    world.announce("drop", one_product("p", 10)).await;
    let gateway = gateway_of_three(&world, &[]).await;
    let flood = from(&gateway, [127, 0, 0, 2]);
    let mut refusal = None;
    // A bucket may refill by one while this runs.
    for user in 0..20 {
        let sent = Instant::now();
        let answer = flood.buy("p", &format!("user-{user}"), "k").await;
        if answer.status == 429 {
            refusal = Some((answer, sent.elapsed()));
            break;
        }
        assert_eq!(answer.status, 200);
    }
    let (refusal, took) = refusal.unwrap();
    assert!(
        took >= Duration::from_millis(100),
        "not held back: {took:?}"
    );
    assert_eq!(refusal.problem(), "quota-exceeded");
    assert!(refusal.asks_to_come_back_soon(), "{refusal:?}");
    assert_eq!(refusal.header("ratelimit"), Some("\"address\";r=0;t=1"));
    let policy = refusal.header("ratelimit-policy");
    assert_eq!(policy, Some("\"address\";q=3;w=3"));
    assert!(refusal.header("x-request-id").is_some());
    assert_eq!(refused(&gateway, "/buy").await, Some(1.0));
    let answers = "flashsale_gateway_buys_total{answer=\"quota-exceeded\",sale=\"\"}";
    assert_eq!(gateway.metric(answers).await, Some(1.0));
    let others = from(&gateway, [127, 0, 0, 3]);
    others.buy("p", "ann", "k").await.job_id();
}

#[tokio::test]
async fn this_machine_proxies_and_files_are_not_limited() {
    let world = World::new().await;
    let gateway = gateway_of_three(&world, &["--trusted-proxies=127.0.0.9"]).await;
    for _ in 0..10 {
        assert_eq!(gateway.client.get("/session").await.status, 200);
        let proxy = from(&gateway, [127, 0, 0, 9]);
        assert_eq!(proxy.get("/session").await.status, 200);
        let client = from(&gateway, [127, 0, 0, 2]);
        assert_ne!(client.get("/assets/shop.js").await.status, 429);
    }
}

/// Whoever connects over IPv4 to a gateway that listens on `[::]` has an IPv4-mapped address there,
/// all of which are in one /64.
#[tokio::test]
async fn over_ipv4_clients_are_told_apart_wherever_a_gateway_listens() {
    let world = World::new().await;
    let limits = [
        "--auth-mode=off",
        "--requests-per-address=1",
        "--request-burst-per-address=3",
        "--trusted-proxies=127.0.0.9",
    ];
    let gateway = world.gateway_at("[::]:0", &limits).await;
    gateway.wait_until_ready().await;
    let proxy = from(&gateway, [127, 0, 0, 9]);
    let flood = from(&gateway, [127, 0, 0, 2]);
    let mut last = 200;
    for _ in 0..20 {
        assert_eq!(gateway.client.get("/session").await.status, 200);
        assert_eq!(proxy.get("/session").await.status, 200);
        last = flood.get("/session").await.status;
        if last == 429 {
            break;
        }
    }
    assert_eq!(last, 429);
    let others = from(&gateway, [127, 0, 0, 3]);
    assert_eq!(others.get("/session").await.status, 200);
    let flood_behind_proxy = [("x-forwarded-for", "::ffff:127.0.0.2")];
    let answer = proxy.request("GET", "/session", &flood_behind_proxy, b"");
    assert_eq!(answer.await.status, 429);
}

/// Each IPv6 customer has a /64, so addresses in it are one client.
#[tokio::test]
async fn behind_a_proxy_requests_count_for_the_client() {
    let world = World::new().await;
    let gateway = gateway_of_three(&world, &["--trusted-proxies=127.0.0.9"]).await;
    let proxy = from(&gateway, [127, 0, 0, 9]);
    let ask = async |said: &str| {
        let headers = [("x-forwarded-for", said)];
        proxy.request("GET", "/session", &headers, b"").await.status
    };
    let mut last = 200;
    for host in 0..20 {
        last = ask(&format!("198.51.100.{host}, 2001:db8::{host}")).await;
        if last == 429 {
            break;
        }
    }
    assert_eq!(last, 429);
    assert_eq!(ask("2001:db8::1, 2001:db8:0:1::1").await, 200);
}

#[tokio::test]
async fn pages_of_other_origins_can_read_why_they_are_refused() {
    let world = World::new().await;
    let origin = "https://shop.example.com";
    let cors = format!("--cors-origins={origin}");
    let gateway = gateway_of_three(&world, &[&cors]).await;
    let page = from(&gateway, [127, 0, 0, 2]);
    let headers = [("origin", origin), ("content-type", "application/json")];
    let mut answer = page.request("POST", "/buy", &headers, b"{}").await;
    for _ in 0..20 {
        if answer.status == 429 {
            break;
        }
        answer = page.request("POST", "/buy", &headers, b"{}").await;
    }
    assert_eq!(answer.problem(), "quota-exceeded");
    assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
}

/// The lines of a log with this value in a field.
fn lines(log: &Path, field: &str, value: &str) -> Vec<Value> {
    let log = std::fs::read_to_string(log).unwrap();
    log.lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|line| line[field] == value)
        .collect()
}

#[tokio::test]
async fn the_access_log_has_a_line_for_each_request() {
    let world = World::new().await;
    let log = tempfile::NamedTempFile::new().unwrap();
    let further = [
        "--access-log",
        "--trusted-proxies=127.0.0.1",
        "--log-format=json",
    ];
    let gateway = GatewayProcess::start_logging(&world, log.as_file(), &further).await;
    let headers = [
        ("x-request-id", "mine"),
        ("x-forwarded-for", "198.51.100.1, 203.0.113.7"),
    ];
    let ask = gateway
        .client
        .request("GET", "/orders/7?token=secret", &headers, b"");
    let status = ask.await.status;
    eventually("the line is there", async || {
        !lines(log.path(), "request_id", "mine").is_empty()
    })
    .await;
    let line = lines(log.path(), "request_id", "mine").remove(0);
    assert_eq!(line["target"], "flashsale_gateway::access");
    assert_eq!(line["level"], "INFO");
    assert_eq!(line["client"], "203.0.113.7");
    assert_eq!(line["method"], "GET");
    assert_eq!(line["path"], "/orders/7");
    assert_eq!(line["status"], status);
    assert!(line["duration_ms"].as_f64().unwrap() >= 0.0);
    let log = std::fs::read_to_string(log.path()).unwrap();
    assert!(!log.contains("secret"), "{log}");
}

#[tokio::test]
async fn the_log_of_a_refusal_names_the_address() {
    let world = World::new().await;
    let log = tempfile::NamedTempFile::new().unwrap();
    let further = [
        "--requests-per-address=1",
        "--request-burst-per-address=1",
        "--operations-token=the-operations-token",
        "--log-format=json",
    ];
    let gateway = GatewayProcess::start_logging(&world, log.as_file(), &further).await;
    let client = |address: [u8; 4]| Client {
        from: Some(SocketAddr::from((address, 0))),
        ..gateway.client
    };
    let flood = client([127, 0, 0, 2]);
    eventually("the address is refused", async || {
        flood.get("/session").await.status == 429
    })
    .await;
    let curious = client([127, 0, 0, 3]);
    assert_eq!(curious.get("/operations/figures").await.status, 401);
    for address in ["127.0.0.2", "127.0.0.3"] {
        eventually("the refusal is logged", async || {
            !lines(log.path(), "client", address).is_empty()
        })
        .await;
    }
    let line = lines(log.path(), "client", "127.0.0.2").remove(0);
    assert_eq!(line["route"], "/session");
    assert!(lines(log.path(), "target", "flashsale_gateway::access").is_empty());
}
