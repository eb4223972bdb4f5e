//! Any gateway can serve any shopper: limits and repeats hold over all of them.

use serde_json::json;

use crate::support::{World, all, one_product};

#[tokio::test]
async fn the_rate_limit_holds_over_two_gateways() {
    let world = World::new().await;
    let mut spec = one_product("p", 100);
    spec["turnstile"]["rateLimit"] = json!({ "requests": 4, "windowSeconds": 3600 });
    world.announce("drop", spec).await;
    let gateways = [world.gateway().await, world.gateway().await];
    let clients = gateways.each_ref().map(|gateway| gateway.client);
    let statuses = all((0..20).map(|number| {
        let client = clients[number % 2];
        async move { client.buy("p", "ann", &format!("k{number}")).await.status }
    }))
    .await;
    let count = |wanted| statuses.iter().filter(|status| **status == wanted).count();
    assert_eq!((count(200), count(429)), (4, 16), "{statuses:?}");
}

#[tokio::test]
async fn a_repeat_at_another_gateway_is_a_repeat() {
    let world = World::new().await;
    world.announce("drop", one_product("p", 100)).await;
    let gateways = [world.gateway().await, world.gateway().await];
    let clients = gateways.each_ref().map(|gateway| gateway.client);
    // All at once: one of them is first, the others repeat it.
    let answers = all((0..10).map(|number| {
        let client = clients[number % 2];
        async move { client.buy("p", "ann", "key").await }
    }))
    .await;
    let fresh = answers
        .iter()
        .filter(|answer| answer.header("idempotent-replayed").is_none())
        .count();
    assert_eq!(fresh, 1);
    for answer in &answers {
        assert_eq!(answer.json(), answers[0].json());
    }
}

#[tokio::test]
async fn many_concurrent_buys_are_each_answered_with_their_own_job_and_position() {
    let world = World::new().await;
    world.announce("drop", one_product("p", 300)).await;
    world.announce("other", one_product("q", 300)).await;
    let gateway = world.gateway().await;
    let client = gateway.client;
    let answers = all((0..600).map(|number| async move {
        let product = if number % 2 == 0 { "p" } else { "q" };
        let answer = client.buy(product, &format!("user-{number}"), "k").await;
        (
            product,
            answer.job_id(),
            answer.json()["position"].as_u64().unwrap(),
        )
    }))
    .await;
    for wanted in ["p", "q"] {
        let mut positions: Vec<u64> = answers
            .iter()
            .filter(|(product, _, _)| *product == wanted)
            .map(|(_, _, position)| *position)
            .collect();
        positions.sort_unstable();
        assert_eq!(positions, (1..=300).collect::<Vec<u64>>());
    }
    let calls = gateway
        .metric("flashsale_gateway_turnstile_call_buys_count")
        .await
        .unwrap();
    let buys = gateway
        .metric("flashsale_gateway_turnstile_call_buys_sum")
        .await
        .unwrap();
    assert!((buys - 600.0).abs() < 0.5, "{buys}");
    assert!(calls < 500.0, "{calls} calls: concurrent buys share them");
}
