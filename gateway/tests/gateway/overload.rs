//! More buys than Redis takes.

use std::{
    num::NonZeroU64,
    thread,
    time::{Duration, Instant},
};

use flashsale_queue::keys::SaleKeys;
use flashsale_testbed::fault_proxy::{Direction, FaultProxy, Flow};
use tokio::task::JoinSet;

use crate::support::{World, all, eventually, one_product};

/// About three hundred buys per second; fewer where the machine is busy.
const BYTES_PER_SECOND: NonZeroU64 = NonZeroU64::new(50_000).unwrap();

/// Buys that show the gateway how fast they are taken: some full calls.
const FIRST: usize = 1_000;

/// Buys at once, eight seconds' worth.
const CROWD: usize = 2_500;

/// Least number of them that nobody could have taken in time.
const TOO_MANY: usize = 1_000;

const INTAKE_TIMEOUT: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn what_redis_cannot_take_in_time_is_refused_as_it_arrives() {
    let mut world = World::new().await;
    world.announce("drop", one_product("p", 100_000)).await;
    let link = FaultProxy::start(([127, 0, 0, 1], world.redis.port()).into());
    let link = link.await.unwrap();
    world.redis_url = link.url(&world.redis_url).unwrap();
    let gateway = world
        .gateway_with(&[
            "--auth-mode=off",
            "--turnstile-timeout-millis=20000",
            &format!("--intake-timeout-millis={}", INTAKE_TIMEOUT.as_millis()),
        ])
        .await;
    link.set(Direction::ToTarget, Flow::Limited(BYTES_PER_SECOND));
    let client = gateway.client;
    let buy = move |user: String| async move {
        let started = Instant::now();
        let answer = client.buy("p", &user, "k").await;
        (answer.status, started.elapsed())
    };
    let started = Instant::now();
    all((0..FIRST).map(|number| buy(format!("first-{number}")))).await;
    let per_buy = started.elapsed() / u32::try_from(FIRST).unwrap();

    let crowd = (0..CROWD).map(|number| buy(format!("crowd-{number}")));
    let mut crowd: JoinSet<_> = crowd.collect();
    let (mut acknowledged, mut refused) = (0, Vec::new());
    while let Some(answer) = crowd.join_next().await {
        match answer.unwrap() {
            (200, _) => acknowledged += 1,
            (status, took) => {
                assert_eq!(status, 503);
                refused.push(took);
            }
        }
        if refused.len() == TOO_MANY {
            link.heal();
        }
    }
    refused.sort_unstable();
    println!(
        "{acknowledged} acknowledged, {} refused, the last after {:?}",
        refused.len(),
        refused.last()
    );
    // As many as are taken in half of the time limit, by a rate that follows the latest calls.
    let in_time = (INTAKE_TIMEOUT / 2).div_duration_f64(per_buy);
    assert!(
        f64::from(acknowledged) > in_time / 3.0,
        "{acknowledged} of about {in_time}"
    );
    assert!(refused.len() >= TOO_MANY, "{}", refused.len());
    let nine_of_ten = refused[refused.len() * 9 / 10];
    assert!(nine_of_ten < INTAKE_TIMEOUT, "{nine_of_ten:?}");
}

/// The tests' thread is that of the shoppers' connections. As long as it is busy no shopper is answered,
/// but their buys get their places.
#[tokio::test]
async fn buys_go_to_redis_while_connections_wait_for_the_processor() {
    const BUYS: usize = 400;
    let world = World::new().await;
    let sale = world.announce("drop", one_product("p", 1_000)).await;
    let lane = SaleKeys::new(&sale.id).lane(&sale.products[0].id);
    let gateway = world
        .gateway_with(&[
            "--auth-mode=off",
            "--turnstile-timeout-millis=20000",
            "--intake-timeout-millis=20000",
        ])
        .await;
    let client = gateway.client;
    world.redis.pause().unwrap();
    let mut buys: JoinSet<_> = (0..BUYS)
        .map(|number| async move { client.buy("p", &format!("shopper-{number}"), "k").await })
        .collect();
    // Two calls of at most 128 buys wait for Redis, and all other buys for a call.
    let mut waited = None;
    eventually("all buys wait", async || {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let waiting = gateway.metric("flashsale_gateway_buys_waiting").await;
        std::mem::replace(&mut waited, waiting) == waiting && waiting >= Some(144.0)
    })
    .await;
    let url = world.redis.url();
    let watching = thread::spawn(move || {
        let mut redis = redis::Client::open(url).unwrap().get_connection().unwrap();
        let started = Instant::now();
        loop {
            let depth: usize = redis::cmd("XLEN").arg(&lane).query(&mut redis).unwrap();
            if depth == BUYS || started.elapsed() > 3 * INTAKE_TIMEOUT {
                return depth;
            }
            thread::sleep(Duration::from_millis(5));
        }
    });
    world.redis.resume().unwrap();
    // Blocks this thread on purpose.
    assert_eq!(watching.join().unwrap(), BUYS);
    while let Some(answer) = buys.join_next().await {
        assert_eq!(answer.unwrap().status, 200);
    }
}
