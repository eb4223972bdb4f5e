//! A worker with more busy lanes than room: each lane gets its turn soon.
#![allow(
    clippy::unwrap_used,
    reason = "tests say by unwrapping what they take for granted"
)]

use std::time::Duration;

use flashsale_domain::sale::Sale;
use flashsale_testbed::fixtures::{
    patience::until,
    queue::{admit, buy, depth},
    sales::{open, sale},
    services::Services,
};

use crate::running::Worker;

const SOON: Duration = Duration::from_secs(10);

async fn is_empty(services: &Services, sale: &Sale, product: usize) -> bool {
    depth(services, sale, product).await == 0
}

#[tokio::test]
async fn lanes_that_wait_for_room_are_driven_one_right_after_the_other() {
    const LANES: usize = 40;
    let services = Services::start().await;
    let names: Vec<String> = (0..LANES).map(|number| format!("p{number}")).collect();
    let products: Vec<(&str, i32)> = names.iter().map(|id| (id.as_str(), 1)).collect();
    let sale = sale("drop", &products);
    open(&services, &sale).await;
    for product in 0..LANES {
        let user = format!("u{product}");
        admit(&services, &sale, &[buy(&sale, &user, product, "k")]).await;
    }
    let worker = Worker::start(&services, "w", 2);
    let took = until("every lane is empty", SOON, async || {
        for product in 0..LANES {
            if !is_empty(&services, &sale, product).await {
                return false;
            }
        }
        true
    })
    .await;
    assert!(
        took < Duration::from_secs(3),
        "{LANES} lanes with a job each took {took:?}"
    );
    worker.stop().await;
}

#[tokio::test]
async fn a_lane_that_is_never_empty_makes_way_for_those_that_wait() {
    let services = Services::start().await;
    let sale = sale("drop", &[("hot", 1_000_000), ("cold", 1)]);
    open(&services, &sale).await;
    let worker = Worker::start(&services, "w", 1);
    let flood = async {
        for round in 0.. {
            let buys: Vec<_> = (0..100)
                .map(|user| buy(&sale, &format!("u{round}-{user}"), 0, "k"))
                .collect();
            admit(&services, &sale, &buys).await;
        }
    };
    let others = async {
        until("the hot lane is driven", SOON, async || {
            worker.metrics.orders.get() > 0
        })
        .await;
        admit(&services, &sale, &[buy(&sale, "u", 1, "k1")]).await;
        let took = until("the cold lane is empty", SOON, async || {
            is_empty(&services, &sale, 1).await
        })
        .await;
        assert!(
            !is_empty(&services, &sale, 0).await,
            "the hot lane had a pause, so nothing is shown"
        );
        took
    };
    let took = tokio::select! {
        took = others => took,
        () = flood => unreachable!("the flood does not end"),
    };
    assert!(
        took < Duration::from_secs(2),
        "the cold lane waited {took:?}"
    );
    until("the hot lane is driven again", SOON, async || {
        is_empty(&services, &sale, 0).await
    })
    .await;
    worker.stop().await;
}
