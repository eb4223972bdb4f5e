//! Sockets of shoppers with tokens, and how they end.

use serde_json::json;

use super::{sale, status};
use crate::support::{
    World, eventually,
    socket::Socket,
    tokens::{JwksFile, Key, claims_with, unix_seconds},
};

#[tokio::test]
async fn a_socket_ends_with_its_token() {
    let world = World::new().await;
    sale(&world).await;
    let key = Key::ed25519("one", 1);
    let keys = JwksFile::new(&[&key]);
    let mut arguments = keys.arguments().to_vec();
    arguments.extend(["--jwt-leeway-seconds", "1"]);
    let gateway = world.gateway_with(&arguments).await;
    let exp = unix_seconds() + 1;
    let token = key.sign(&claims_with("exp", json!(exp)));
    let mut socket = Socket::connect(gateway.client.address, &json!({ "token": token })).await;
    assert!(socket.handshake.starts_with("40"), "{}", socket.handshake);
    let lasting = json!({ "token": key.token("bob") });
    let _lasting = Socket::connect(gateway.client.address, &lasting).await;
    assert!(socket.is_disconnected().await);
    let now = unix_seconds();
    assert!((exp + 2..exp + 10).contains(&now), "{} s", now - exp);
    assert_eq!(status(&gateway, &token).await, 401);
    eventually("it is forgotten", async || {
        gateway.metric("flashsale_gateway_sockets").await == Some(1.0)
    })
    .await;
    let ended = gateway
        .metric("flashsale_gateway_sockets_ended_total")
        .await;
    assert_eq!(ended, Some(1.0));
}

#[tokio::test]
async fn a_socket_ends_when_its_key_is_removed() {
    let world = World::new().await;
    sale(&world).await;
    let (old, new) = (Key::ed25519("old", 1), Key::ed25519("new", 2));
    let keys = JwksFile::new(&[&old, &new]);
    let mut arguments = keys.arguments().to_vec();
    arguments.extend(["--jwks-refresh-seconds", "1"]);
    let gateway = world.gateway_with(&arguments).await;
    let connect = async |key: &Key| {
        let auth = json!({ "token": key.token("ann") });
        Socket::connect(gateway.client.address, &auth).await
    };
    let (mut of_old, mut of_new) = (connect(&old).await, connect(&new).await);
    keys.write(&[&new]);
    assert!(of_old.is_disconnected().await);
    assert_eq!(
        gateway
            .metric("flashsale_gateway_sockets_ended_total")
            .await,
        Some(1.0)
    );
    // The other one still hears of what happens.
    world
        .announce("another", crate::support::one_product("q", 3))
        .await;
    let heard = loop {
        let status = of_new.event_named("sale-status").await;
        if status["sale"] == "another" {
            break status;
        }
    };
    assert_eq!(heard["status"], "Open");
}
