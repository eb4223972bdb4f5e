//! Opening and closing at the instant, by Redis's clock.

use std::time::Duration;

use flashsale_domain::id::ProductId;
use flashsale_queue::{catalogue, keys::SaleKeys, lane};
use jiff::Timestamp;
use serde_json::json;

use crate::support::{World, one_product, socket::Socket};

#[tokio::test]
async fn nothing_is_queued_before_the_opening_or_after_the_closing() {
    let world = World::new().await;
    let mut connection = world.connection().await;
    let now =
        Timestamp::from_microsecond(catalogue::clock(&mut connection).await.unwrap()).unwrap();
    let opens = now + Duration::from_millis(2500);
    let closes = opens + Duration::from_millis(700);
    let mut spec = one_product("p", 100_000);
    spec["opensAt"] = json!(opens.to_string());
    spec["closesAt"] = json!(closes.to_string());
    let sale = world.announce("drop", spec).await;
    let gateway = world.gateway().await;
    let mut before = 0;
    let mut during = 0;
    for number in 0.. {
        let answer = gateway.buy("p", &format!("user-{number}"), "k").await;
        match answer.status {
            200 => during += 1,
            403 if answer.problem() == "sale-not-open" => {
                assert_eq!(during, 0, "opened once");
                before += 1;
            }
            403 => break,
            status => panic!("{status}: {}", answer.text()),
        }
    }
    assert!(before > 0 && during > 0, "{before} before, {during} during");
    let lane = SaleKeys::new(&sale.id).lane(&ProductId::new("p").unwrap());
    let entries = lane::read(&mut connection, &lane, lane::HEAD, 1_000_000)
        .await
        .unwrap();
    assert_eq!(entries.len(), during);
    for entry in entries {
        let at = entry.appended_ms().unwrap();
        assert!(
            (opens.as_millisecond()..=closes.as_millisecond()).contains(&at),
            "{at}"
        );
    }
}

#[tokio::test]
async fn sockets_hear_of_the_opening_when_it_happens_and_can_buy_then() {
    let world = World::new().await;
    let gateway = world.gateway().await;
    let mut socket = Socket::connect(gateway.client.address, &json!({})).await;
    let opens = Timestamp::now() + Duration::from_millis(2500);
    let mut spec = one_product("p", 10);
    spec["opensAt"] = json!(opens.to_string());
    world.announce("drop", spec).await;
    let scheduled = socket.event_named("sale-status").await;
    let expected = json!({ "sale": "drop", "status": "Scheduled", "opensAt": opens.to_string(), "closesAt": null });
    assert_eq!(scheduled, expected);
    let open = socket.event_named("sale-status").await;
    let late = Timestamp::now().duration_since(opens).as_secs_f64();
    assert_eq!(open["status"], "Open");
    assert!((0.0..0.5).contains(&late), "{late} s after the opening");
    assert_eq!(gateway.buy("p", "ann", "k").await.status, 200);
}
