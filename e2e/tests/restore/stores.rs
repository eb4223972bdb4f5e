//! The three cases of docs/backup.md. The last one uses all that the others do, so it alone is a part of
//! `make test`.

use std::process::Command;

use serde_json::Value;

use crate::shop::Shop;

/// How many confirmations lie before a copy, and between it and the loss.
const SOME: usize = 150;

fn lost(store: &str, from: &str, to: &str) -> String {
    format!("--{store}-lost={from}..{to}")
}

fn rows<'a>(verdict: &'a Value, name: &str) -> &'a [Value] {
    verdict[name]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes half a minute: make restore-test"]
async fn postgresql_restored_to_an_instant_gets_its_orders_back_from_redis() {
    let mut shop = Shop::open().await;
    let base = shop.back_postgres_up().await;
    let load = shop.load();
    shop.confirms_more(SOME).await;
    let instant = shop.instant().await;
    shop.confirms_more(SOME).await;
    shop.until_archived().await;
    let gone = shop.instant().await;
    shop.postgres.kill().await.unwrap();
    shop.restore_postgres(&base, &instant).await;
    shop.confirms_more(SOME).await;
    shop.end(load).await;

    let printed = shop.restore_sales().await;
    let made = printed.lines().filter_map(|line| -> Option<usize> {
        let (_, rest) = line.split_once(": ")?;
        rest.strip_suffix(" orders are made again")?.parse().ok()
    });
    let made: usize = made.sum();
    assert!(made >= SOME, "{printed}");
    assert!(
        printed.contains("0 oversold · 0 lost · 0 duplicated"),
        "{printed}"
    );
    let (status, verdict) = shop.check(&[lost("ledger", &instant, &gone)]).await;
    assert_eq!(status, Some(0), "{verdict:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes half a minute: make restore-test"]
async fn redis_restored_from_its_files_gets_its_outcomes_back_from_postgresql() {
    let mut shop = Shop::open().await;
    let load = shop.load();
    shop.confirms_more(SOME).await;
    let taken = shop.instant().await;
    let copy = shop.path("backups/appendonlydir");
    let copied = Command::new("cp")
        .arg("--archive")
        .arg(shop.redis.append_only_directory())
        .arg(&copy)
        .status();
    assert!(copied.unwrap().success());
    shop.confirms_more(SOME).await;
    shop.redis.kill().await.unwrap();
    let gone = shop.instant().await;
    shop.restore_redis_files(&copy).await;
    shop.redis.restart().await.unwrap();
    shop.confirms_more(SOME).await;
    shop.end(load).await;

    let printed = shop.restore_sales().await;
    assert!(
        printed.contains("0 oversold · 0 lost · 0 duplicated"),
        "{printed}"
    );
    let (status, verdict) = shop.check(&[lost("redis", &taken, &gone)]).await;
    assert_eq!(status, Some(0), "{verdict:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_both_restored_what_cannot_be_saved_is_named() {
    let mut shop = Shop::open().await;
    let base = shop.back_postgres_up().await;
    let load = shop.load();
    shop.confirms_more(SOME).await;
    let taken = shop.instant().await;
    let snapshot = shop.back_redis_up().await;
    shop.confirms_more(SOME).await;
    let instant = shop.instant().await;
    shop.confirms_more(SOME).await;
    shop.until_archived().await;
    shop.redis.kill().await.unwrap();
    shop.postgres.kill().await.unwrap();
    let gone = jiff::Timestamp::now().to_string();
    // Without Redis no worker settles anything yet, so no number is given a second time.
    shop.restore_postgres(&base, &instant).await;
    shop.ask("SELECT raise_order_ids((SELECT last_value + 1000000 FROM orders_id_seq))::text")
        .await;
    shop.restore_redis_files(&snapshot).await;
    shop.redis.restart().await.unwrap();
    shop.confirms_more(SOME).await;
    shop.end(load).await;

    let printed = shop.restore_sales().await;
    assert!(
        printed.contains("0 oversold · 0 lost · 0 duplicated"),
        "{printed}"
    );
    // Nothing but the history knows the orders that both stores lost.
    let (status, verdict) = shop.check(&[]).await;
    assert_eq!(status, Some(1), "{verdict:#}");
    let losses = [
        lost("redis", &taken, &gone),
        lost("ledger", &instant, &gone),
    ];
    let (status, verdict) = shop.check(&losses).await;
    assert_eq!(status, Some(0), "{verdict:#}");
    assert!(rows(&verdict, "lostWithStore").len() >= SOME, "{verdict:#}");
}
