//! Socket.io: who hears what, and when.

use std::time::{Duration, Instant};

use flashsale_domain::outcome::Outcome;
use serde_json::{Value, json};

use crate::support::{
    World, eventually, one_product,
    socket::Socket,
    tokens::{JwksFile, Key},
};

#[tokio::test]
async fn a_new_socket_is_greeted_with_every_sale_and_stock() {
    let world = World::new().await;
    world.announce("drop", one_product("p", 10)).await;
    let gateway = world.gateway().await;
    let mut socket = Socket::connect(gateway.client.address, &json!({})).await;
    assert!(socket.handshake.starts_with("40"), "{}", socket.handshake);
    let status = socket.event_named("sale-status").await;
    assert_eq!(
        status,
        json!({ "sale": "drop", "status": "Open", "opensAt": null, "closesAt": null })
    );
    assert_eq!(
        socket.event_named("stock-update").await,
        json!({ "productId": "p", "stock": 10 })
    );
}

#[tokio::test]
async fn outcomes_reach_their_owner_alone_on_whatever_gateway() {
    let world = World::new().await;
    let sale = world.announce("drop", one_product("p", 10)).await;
    let gateways = [world.gateway().await, world.gateway().await];
    let mut ann = Socket::connect(gateways[0].client.address, &json!({ "userId": "ann" })).await;
    let mut bob = Socket::connect(gateways[1].client.address, &json!({ "userId": "bob" })).await;
    let mut nobody = Socket::connect(gateways[1].client.address, &json!({})).await;
    let anns = gateways[1].buy("p", "ann", "k").await.job_id();
    let bobs = gateways[0].buy("p", "bob", "k").await.job_id();
    world
        .settle(&sale, "p", 1, Outcome::Confirmed, (9, 2))
        .await;
    let expected = json!({ "jobId": anns, "orderId": 4711, "productId": "p" });
    assert_eq!(ann.event_named("order_confirmed").await, expected);
    world.settle(&sale, "p", 1, Outcome::SoldOut, (8, 3)).await;
    // Everything up to the last stock is what each of them heard.
    let heard_by_bob = events_until_stock(&mut bob, 8).await;
    let heard_by_nobody = events_until_stock(&mut nobody, 8).await;
    let expected = json!({ "jobId": bobs, "productId": "p", "reason": "sold_out" });
    let orders = |events: &[(String, Value)]| -> Vec<(String, Value)> {
        let is_order = |event: &&(String, Value)| event.0.starts_with("order_");
        events.iter().filter(is_order).cloned().collect()
    };
    let mut of_bob = orders(&heard_by_bob);
    if of_bob.is_empty() {
        of_bob.push((
            "order_rejected".to_owned(),
            bob.event_named("order_rejected").await,
        ));
    }
    assert_eq!(of_bob, [("order_rejected".to_owned(), expected)]);
    assert_eq!(orders(&heard_by_nobody), []);
}

async fn events_until_stock(socket: &mut Socket, stock: i32) -> Vec<(String, Value)> {
    let mut events = Vec::new();
    loop {
        let event = socket.event().await.unwrap();
        let is_last = event.0 == "stock-update" && event.1["stock"] == stock;
        events.push(event);
        if is_last {
            return events;
        }
    }
}

#[tokio::test]
async fn stock_is_told_at_most_ten_times_a_second_and_the_last_figure_arrives() {
    let world = World::new().await;
    let sale = world.announce("drop", one_product("p", 1000)).await;
    let gateway = world.gateway().await;
    let mut socket = Socket::connect(gateway.client.address, &json!({})).await;
    events_until_stock(&mut socket, 1000).await;
    let started = Instant::now();
    let client = world.connection().await;
    for stock in (600..1000).rev() {
        let event = json!({ "sale": sale.id, "product": "p", "stock": stock, "version": 2000 - stock, "confirmed": [], "rejected": [] });
        let mut client = client.clone();
        let publish = redis::cmd("PUBLISH")
            .arg("fs:events")
            .arg(event.to_string())
            .to_owned();
        let _: () = publish.query_async(&mut client).await.unwrap();
    }
    let events = events_until_stock(&mut socket, 600).await;
    let updates = events
        .iter()
        .filter(|event| event.0 == "stock-update")
        .count();
    let allowed = started.elapsed().as_millis() / 100 + 2;
    assert!(
        updates as u128 <= allowed,
        "{updates} updates in {:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn all_hear_how_a_lane_moves_and_newcomers_how_far_it_is() {
    let world = World::new().await;
    let mut spec = one_product("p", 10);
    let other = json!({ "id": "q", "name": "Another", "price": 1, "stock": 10 });
    spec["products"].as_array_mut().unwrap().push(other);
    let sale = world.announce("drop", spec).await;
    let gateway = world.gateway().await;
    let mut early = Socket::connect(gateway.client.address, &json!({})).await;
    for user in ["ann", "bob", "cid"] {
        gateway.buy("p", user, "k").await.job_id();
    }
    let progress =
        |settled, waiting| json!({ "productId": "p", "settled": settled, "waiting": waiting });
    let found = lane_progress_until(&mut early, &progress(0, 3)).await;
    assert!(
        found.iter().all(|lane| lane["productId"] == "p"),
        "{found:?}"
    );
    world
        .settle(&sale, "p", 2, Outcome::Confirmed, (8, 2))
        .await;
    lane_progress_until(&mut early, &progress(2, 1)).await;

    let mut late = Socket::connect(gateway.client.address, &json!({})).await;
    let greeting = late.event_named("lane-progress").await;
    assert_eq!(greeting, progress(2, 1));
    world.settle(&sale, "p", 1, Outcome::SoldOut, (8, 3)).await;
    // Nobody was ever in the other lane, so nothing but this follows.
    assert_eq!(late.event_named("lane-progress").await, progress(3, 0));
    lane_progress_until(&mut early, &progress(3, 0)).await;
    let emitted = "flashsale_gateway_events_emitted_total{event=\"lane-progress\"}";
    assert!(gateway.metric(emitted).await >= Some(3.0));
}

/// What is told of lanes up to and with `last`.
async fn lane_progress_until(socket: &mut Socket, last: &Value) -> Vec<Value> {
    let mut told = Vec::new();
    loop {
        told.push(socket.event_named("lane-progress").await);
        if told.last() == Some(last) {
            return told;
        }
    }
}

#[tokio::test]
async fn sockets_with_a_bad_token_are_refused_and_names_are_not_taken_on_trust() {
    let world = World::new().await;
    let sale = world.announce("drop", one_product("p", 10)).await;
    let key = Key::ed25519("one", 1);
    let keys = JwksFile::new(&[&key]);
    let gateway = world.gateway_with(&keys.arguments()).await;
    let address = gateway.client.address;
    let forged = Key::ed25519("one", 2).token("ann");
    for auth in [
        json!({}),
        json!({ "userId": "ann" }),
        json!({ "token": forged }),
        json!({ "token": 7 }),
        json!("x"),
    ] {
        let socket = Socket::connect(address, &auth).await;
        assert!(
            socket.handshake.starts_with("44"),
            "{auth}: {}",
            socket.handshake
        );
    }
    // A good token is its subject's, whatever else the payload claims.
    let auth = json!({ "token": key.token("ann"), "userId": "bob" });
    let mut ann = Socket::connect(address, &auth).await;
    for user in ["bob", "ann"] {
        gateway
            .client
            .buy_as("p", &key.token(user), "k")
            .await
            .job_id();
    }
    let ended = world
        .settle(&sale, "p", 2, Outcome::Confirmed, (8, 2))
        .await;
    let confirmed = ann.event_named("order_confirmed").await;
    assert_eq!(confirmed["jobId"], ended[1].job_id.to_string());
}

#[tokio::test]
async fn after_a_gap_the_stock_is_told_again() {
    let mut world = World::new().await;
    world.announce("drop", one_product("p", 10)).await;
    let gateway = world.gateway().await;
    let mut socket = Socket::connect(gateway.client.address, &json!({})).await;
    events_until_stock(&mut socket, 10).await;
    world.redis.kill().await.unwrap();
    world.redis.restart().await.unwrap();
    // Sold while nobody listened: the record says so, no message does.
    let sale = world.announce("drop", one_product("p", 10)).await;
    let mut connection = world.connection().await;
    let keys = flashsale_queue::keys::SaleKeys::new(&sale.id);
    let level = crate::support::level(&sale.products[0].id, 3, 9);
    flashsale_queue::stock::publish(&mut connection, &keys, &[level])
        .await
        .unwrap();
    events_until_stock(&mut socket, 3).await;
    eventually("the gap is counted", async || {
        gateway
            .metric("flashsale_gateway_resubscriptions_total")
            .await
            >= Some(1.0)
    })
    .await;
}

#[tokio::test]
async fn a_sale_that_sells_out_or_goes_is_told_at_once() {
    let world = World::new().await;
    let sale = world.announce("drop", one_product("p", 1)).await;
    let gateway = world.gateway().await;
    let mut socket = Socket::connect(gateway.client.address, &json!({})).await;
    assert_eq!(socket.event_named("sale-status").await["status"], "Open");
    gateway.buy("p", "ann", "k").await.job_id();
    world
        .settle(&sale, "p", 1, Outcome::Confirmed, (0, 2))
        .await;
    assert_eq!(socket.event_named("sale-status").await["status"], "SoldOut");
    let mut connection = world.connection().await;
    flashsale_queue::catalogue::withdraw(&mut connection, &sale.id)
        .await
        .unwrap();
    assert_eq!(socket.event_named("sale-status").await["status"], "Closed");
}

#[tokio::test]
async fn connected_sockets_are_counted_until_they_leave() {
    let world = World::new().await;
    let gateway = world.gateway().await;
    let sockets = async || gateway.metric("flashsale_gateway_sockets").await.unwrap();
    let first = Socket::connect(gateway.client.address, &json!({ "userId": "ann" })).await;
    let second = Socket::connect(gateway.client.address, &json!({})).await;
    eventually("both count", async || (sockets().await - 2.0).abs() < 0.5).await;
    drop((first, second));
    eventually("none counts", async || sockets().await < 0.5).await;
}

#[tokio::test]
async fn sockets_are_closed_at_shutdown() {
    let world = World::new().await;
    let gateway = world.gateway().await;
    let mut socket = Socket::connect(gateway.client.address, &json!({})).await;
    gateway.shutdown.cancel();
    let closed = tokio::time::timeout(Duration::from_secs(5), async {
        while socket.event().await.is_some() {}
    });
    closed.await.expect("the socket to be closed");
}

// Several threads: with one, what the gateway does later is done in order all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_leaves_and_returns_at_once_is_let_in_again() {
    let world = World::new().await;
    let sale = world.announce("drop", one_product("p", 10)).await;
    let gateway = world.gateway().await;
    let ann = json!({ "userId": "ann" });
    let mut socket = Socket::connect(gateway.client.address, &ann).await;
    for _ in 0..50 {
        // Until the greeting has begun the library is still busy with the connect.
        socket.event_named("sale-status").await;
        socket.leave_and_return(&ann).await;
    }
    gateway.buy("p", "ann", "k").await.job_id();
    world
        .settle(&sale, "p", 1, Outcome::Confirmed, (9, 2))
        .await;
    socket.event_named("order_confirmed").await;
    let sockets = gateway.metric("flashsale_gateway_sockets").await;
    assert_eq!(sockets, Some(1.0), "each stay but the last has ended");
}
