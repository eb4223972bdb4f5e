//! The report of a sale: what gateways answered outlives them, and stores that are away.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use flashsale_domain::id::SaleId;
use flashsale_queue::{answers, keys::SaleKeys};
use redis::AsyncCommands as _;

use super::{ARGUMENTS, TOKEN};
use crate::support::{Gateway, World, eventually, one_product, process::GatewayProcess};

const REPORT: &str = "/operations/sales/drop/report";

/// Counts of one answer in Redis; 0 where there are none.
async fn counted(world: &World, answer: &str) -> u64 {
    let sale = SaleId::new("drop").unwrap();
    let mut connection = world.connection().await;
    let answers = answers::read(&mut connection, &sale).await.unwrap();
    answers
        .and_then(|answers| answers.by_answer.get(answer).copied())
        .unwrap_or_default()
}

async fn buy(gateway: &Gateway, from: usize, count: usize) {
    for number in from..from + count {
        gateway.buy("p", &format!("user-{number}"), "k").await;
    }
}

#[tokio::test]
async fn answers_of_several_gateways_are_summed_and_outlive_them() {
    let world = World::new().await;
    world.announce("drop", one_product("p", 5)).await;
    let (first, second) = (world.gateway().await, world.gateway().await);
    buy(&first, 0, 3).await;
    buy(&second, 3, 4).await;
    first.buy("p", "user-0", "k").await;
    eventually("all are counted", async || {
        (
            counted(&world, "queued").await,
            counted(&world, "sold-out").await,
        ) == (5, 2)
            && counted(&world, "replayed").await == 1
    })
    .await;
    // What is answered last is counted by a gateway that is asked to end, and one that comes later adds to it.
    let mut ending = GatewayProcess::start(&world, &[]).await;
    ending.client.buy("p", "user-9", "k").await;
    ending.terminate();
    assert!(ending.child.wait().await.unwrap().success());
    assert_eq!(counted(&world, "sold-out").await, 3);
}

/// Buys once and notes the answer under its name in counts.
async fn note(gateway: &Gateway, user: &str, heard: &mut BTreeMap<String, u64>) {
    let answer = gateway.buy("p", user, "k").await;
    let name = match answer.status {
        200 => "queued".to_owned(),
        _ => answer.problem(),
    };
    *heard.entry(name).or_default() += 1;
}

async fn is_counted(world: &World, heard: &BTreeMap<String, u64>) -> bool {
    let mut connection = world.connection().await;
    let sale = SaleId::new("drop").unwrap();
    let answers = answers::read(&mut connection, &sale).await.unwrap();
    answers.is_some_and(|answers| answers.by_answer == *heard)
}

#[tokio::test]
async fn answers_while_redis_is_away_are_added_once() {
    let world = World::new().await;
    world.announce("drop", one_product("p", 50)).await;
    let gateway = world.gateway().await;
    let mut heard = BTreeMap::new();
    for number in 0..3 {
        note(&gateway, &format!("user-{number}"), &mut heard).await;
    }
    eventually("they are counted", async || {
        is_counted(&world, &heard).await
    })
    .await;
    world.redis.pause().unwrap();
    // Longer than a batch waits for its answer, so that one is sent again that Redis will have added.
    let started = Instant::now();
    let mut number = 3;
    while started.elapsed() < Duration::from_secs(4) {
        note(&gateway, &format!("user-{number}"), &mut heard).await;
        number += 1;
    }
    assert!(heard["unavailable"] > 0, "{heard:?}");
    world.redis.resume().unwrap();
    eventually("the refusals are counted", async || {
        is_counted(&world, &heard).await
    })
    .await;
    while heard["queued"] < 4 {
        note(&gateway, &format!("user-{number}"), &mut heard).await;
        number += 1;
    }
    eventually("counting goes on", async || {
        is_counted(&world, &heard).await
    })
    .await;
}

#[tokio::test]
async fn a_withdrawn_sale_leaves_no_counts() {
    let world = World::new().await;
    let sale = world.announce("drop", one_product("p", 5)).await;
    let gateway = world.gateway().await;
    buy(&gateway, 0, 1).await;
    eventually("it is counted", async || {
        counted(&world, "queued").await == 1
    })
    .await;
    let mut connection = world.connection().await;
    flashsale_queue::catalogue::withdraw(&mut connection, &sale.id)
        .await
        .unwrap();
    let key = SaleKeys::new(&sale.id).answers();
    assert!(!connection.exists::<_, bool>(&key).await.unwrap());
}

#[tokio::test]
async fn the_report_is_told_to_operators_and_a_lost_ledger_is_said() {
    let (world, mut postgres) = World::with_ledger().await;
    crate::orders::migrated(&world.ledger_url).await;
    world.announce("drop", one_product("p", 5)).await;
    let gateway = world.gateway_with(&ARGUMENTS).await;
    buy(&gateway, 0, 6).await;
    eventually("all are counted", async || {
        counted(&world, "sold-out").await == 1
    })
    .await;
    let answer = gateway.client.get_as(REPORT, TOKEN).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let report = answer.json();
    assert_eq!(report["buys"]["asked"], 6);
    assert_eq!(report["buys"]["refusedByReason"]["sold-out"], 1);
    assert_eq!(report["total"]["orders"]["confirmed"], 0);
    let markdown = gateway.client.get_as(&format!("{REPORT}.md"), TOKEN).await;
    assert_eq!(
        markdown.header("content-type"),
        Some("text/markdown; charset=utf-8")
    );
    assert!(markdown.text().contains("| asked | 6 | gateways |"));
    let unknown = gateway
        .client
        .get_as("/operations/sales/drip/report", TOKEN)
        .await;
    assert_eq!(
        (unknown.status, unknown.problem().as_str()),
        (404, "unknown-sale")
    );
    let without = gateway.client.get(REPORT).await;
    assert_eq!(
        (without.status, without.problem().as_str()),
        (401, "unauthorized")
    );
    postgres.stop().await.unwrap();
    eventually("the ledger is said to be away", async || {
        let away = gateway.client.get_as(REPORT, TOKEN).await;
        away.status == 503 && away.problem() == "unavailable"
    })
    .await;
}
