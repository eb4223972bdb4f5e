//! Who is asking, as far as addresses say.

use std::net::SocketAddr;

use crate::support::{Gateway, World, client::Client};

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
