//! Law 5: a sale opens to the moment by Redis's clock, whether or not an operator is alive.

use std::time::Duration;

use flashsale_e2e::{
    operator::{Stage, one_product, with},
    processes::{Child, client},
    services::Services,
    shopping::press_by,
};
use flashsale_queue::keys::SaleKeys;
use jiff::{SignedDuration, Timestamp};
use redis::streams::StreamRangeReply;
use serde_json::json;

/// How late the first buy may be.
const LATEST: Duration = Duration::from_millis(50);

/// Shoppers who press all the time.
const SHOPPERS: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sale_opens_within_50_ms_without_an_operator_and_not_a_moment_earlier() {
    let stage = Stage::set(Services::start().await).await;
    let operator = stage.operator("operator").await;
    let gateway = Child::gateway(&stage.services, "gateway").await;
    let opens = Timestamp::now() + SignedDuration::from_secs(6);
    let spec = with(
        one_product("shoe", 100_000),
        &json!({"opensAt": opens, "turnstile": {"rateLimit": {"requests": 1_000_000, "windowSeconds": 1}}}),
    );
    stage.create("drop", spec).await;
    stage.until_phase("drop", "Scheduled").await;
    stage
        .until_condition("drop", "QueueReachable", "True", "")
        .await;
    operator.kill().await;
    let pressers = (0..SHOPPERS).map(|shopper| press_until_admitted(&gateway, shopper));
    let refused: u32 = futures_util::future::join_all(pressers)
        .await
        .into_iter()
        .sum();
    assert!(
        refused > 100,
        "{refused} buys were refused before the opening"
    );
    let lane = SaleKeys::new(&stage.id("drop")).lane(&"shoe".parse().unwrap());
    let mut queue = stage.services.queue.clone();
    let entries: StreamRangeReply = redis::cmd("XRANGE")
        .arg(lane)
        .arg(&["-", "+", "COUNT", "1"])
        .query_async(&mut queue)
        .await
        .unwrap();
    // Redis numbers the entries of a stream by its own clock.
    let admitted: i64 = entries.ids[0]
        .id
        .split('-')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    let behind = admitted - opens.as_millisecond();
    println!("{refused} buys refused before the opening; the first admitted {behind} ms after it");
    assert!((0..=50).contains(&behind), "{behind} ms, limit {LATEST:?}");
}

/// Presses again and again; answers how often the sale was not open yet.
async fn press_until_admitted(gateway: &Child, shopper: usize) -> u32 {
    let mut refused = 0;
    let client = client();
    loop {
        let (status, body) =
            press_by(&client, gateway, "shoe", &format!("shopper-{shopper}")).await;
        match status {
            200 => return refused,
            403 => assert!(body.contains("sale-not-open"), "{body}"),
            _ => panic!("{status}: {body}"),
        }
        refused += 1;
    }
}
