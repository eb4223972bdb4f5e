//! What operators see.

use flashsale_domain::outcome::Outcome;

use crate::support::{World, eventually, one_product};

#[tokio::test]
async fn buys_and_lanes_are_counted_and_measured() {
    let world = World::new().await;
    let sale = world.announce("drop", one_product("p", 2)).await;
    let gateway = world.gateway().await;
    for (user, key) in [("ann", "k"), ("bob", "k"), ("ann", "k"), ("cid", "k")] {
        gateway.buy("p", user, key).await;
    }
    for (answer, count) in [
        ("queued", 2.0),
        ("replayed", 1.0),
        ("sold-out", 1.0),
        ("lane-full", 0.0),
    ] {
        let name = format!("flashsale_gateway_buys_total{{answer=\"{answer}\",sale=\"drop\"}}");
        assert_eq!(gateway.metric(&name).await, Some(count), "{answer}");
    }
    assert_eq!(
        gateway.metric("flashsale_gateway_ack_seconds_count").await,
        Some(3.0)
    );
    assert_eq!(
        gateway
            .metric("flashsale_gateway_requests_total{route=\"/buy\",status=\"2xx\"}")
            .await,
        Some(3.0)
    );
    let labels = "{product=\"p\",sale=\"drop\"}";
    let lane = async |name: &str| {
        gateway
            .metric(&format!("flashsale_gateway_{name}{labels}"))
            .await
    };
    eventually("the lane shows", async || {
        lane("lane_jobs").await == Some(2.0)
    })
    .await;
    assert_eq!(lane("lane_driven").await, Some(0.0));
    assert_eq!(lane("stock_units").await, Some(2.0));
    assert!(lane("lane_oldest_job_age_seconds").await.is_some());
    assert_eq!(
        gateway
            .metric("flashsale_gateway_sale_open{sale=\"drop\"}")
            .await,
        Some(1.0)
    );
    world
        .settle(&sale, "p", 2, Outcome::Confirmed, (0, 2))
        .await;
    eventually("the lane is empty", async || {
        lane("lane_jobs").await == Some(0.0)
    })
    .await;
    assert_eq!(
        lane("lane_oldest_job_age_seconds").await,
        None,
        "an empty lane has no oldest job"
    );
}

#[tokio::test]
async fn figures_that_cannot_be_read_disappear() {
    let mut world = World::new().await;
    world.announce("drop", one_product("p", 2)).await;
    let gateway = world.gateway().await;
    let up = async || gateway.metric("flashsale_gateway_observation_up").await;
    let depth = async || {
        gateway
            .metric("flashsale_gateway_lane_jobs{product=\"p\",sale=\"drop\"}")
            .await
    };
    eventually("the lane shows", async || depth().await == Some(0.0)).await;
    assert_eq!(up().await, Some(1.0));
    world.redis.kill().await.unwrap();
    eventually("the outage shows", async || up().await == Some(0.0)).await;
    assert_eq!(depth().await, None);
    world.redis.restart().await.unwrap();
    world.announce("drop", one_product("p", 2)).await;
    eventually("the lane shows again", async || depth().await == Some(0.0)).await;
}
