//! What Redis is given back after it lost its data.
#![allow(
    clippy::unwrap_used,
    reason = "tests say by unwrapping what they take for granted"
)]

use std::{collections::BTreeMap, time::Duration};

use flashsale_domain::{
    job::Job,
    outcome::{
        JobState,
        Outcome::{Confirmed, SoldOut},
    },
};
use flashsale_queue::keys::SaleKeys;
use flashsale_testbed::fixtures::{
    patience::until,
    queue::{job, record},
    sales::{open, sale},
    services::Services,
};
use redis::AsyncCommands;

const SOON: Duration = Duration::from_secs(10);

/// A batch was under way when Redis lost its data: its acknowledgement finds no entries, and the
/// shopper it turned away is told all the same.
#[tokio::test]
async fn a_rejection_that_commits_during_the_restoration_is_restored_too() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 1)]);
    open(&services, &sale).await;
    let (ledger, p) = (&services.ledger, &sale.products[0].id);
    let (first, late) = (job(&sale, "u", p, "k"), job(&sale, "v", p, "k"));
    ledger.settle_alone(&sale.id, p, &[&first]).await.unwrap();
    let restoring = tokio::spawn({
        let (ledger, mut queue, id) = (ledger.clone(), services.queue.clone(), sale.id.clone());
        async move {
            flashsale_recovery::restore_outcomes(&ledger, &mut queue, &id, "server", |_| ()).await
        }
    });
    until("the first outcome is restored", SOON, async || {
        record(&services, &sale, first.job_id).await.is_some()
    })
    .await;
    ledger.settle_alone(&sale.id, p, &[&late]).await.unwrap();
    // The first read ends about now, and may still have found it.
    let restored = restoring.await.unwrap().unwrap();
    assert!((1..=2).contains(&restored), "{restored}");
    for (job, expected) in [(&first, Confirmed), (&late, SoldOut)] {
        let record = record(&services, &sale, job.job_id).await.unwrap();
        let JobState::Final { outcome, .. } = record.state else {
            unreachable!("{record:?}")
        };
        assert_eq!(outcome, expected);
    }
}

/// What Redis has is what shoppers were told, or newer than what was read of the ledger.
#[tokio::test]
async fn outcomes_given_back_to_redis_replace_none_that_it_has() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 100)]);
    open(&services, &sale).await;
    let (ledger, p, keys) = (
        &services.ledger,
        &sale.products[0].id,
        SaleKeys::new(&sale.id),
    );
    let jobs: Vec<Job> = (0..3)
        .map(|user| job(&sale, &format!("u{user}"), p, "k"))
        .collect();
    let batch: Vec<&Job> = jobs.iter().collect();
    let settled = ledger.settle_alone(&sale.id, p, &batch);
    assert_eq!(settled.await.unwrap().confirmed, 3);
    let mut queue = services.queue.clone();
    let name = jobs[0].job_id.to_string();
    let _: u32 = queue.hset(keys.jobs(), &name, "f 0 p u0").await.unwrap();
    let first_answers = keys.first_answers();
    let first = "0190a5a0-7000-7000-8000-000000000000 7";
    let _: u32 = queue.hset(&first_answers, "u0 k", first).await.unwrap();

    let restored =
        flashsale_recovery::restore_outcomes(ledger, &mut queue, &sale.id, "server", |_| {});
    assert_eq!(restored.await.unwrap(), 3);
    let records: BTreeMap<String, String> = queue.hgetall(keys.jobs()).await.unwrap();
    assert_eq!(records.len(), 3);
    assert_eq!(records[&name], "f 0 p u0");
    assert!(records[&jobs[1].job_id.to_string()].starts_with("c "));
    let answers: BTreeMap<String, String> = queue.hgetall(&first_answers).await.unwrap();
    assert_eq!(answers["u0 k"], first);
    assert_eq!(answers["u1 k"], format!("{} 1", jobs[1].job_id));
}

#[tokio::test]
async fn no_outcome_is_given_back_for_a_sale_that_is_freed() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 100)]);
    open(&services, &sale).await;
    let (ledger, p) = (&services.ledger, &sale.products[0].id);
    let job = job(&sale, "u", p, "k");
    ledger.settle_alone(&sale.id, p, &[&job]).await.unwrap();
    let mut queue = services.queue.clone();
    let _: u32 = queue
        .unlink(SaleKeys::new(&sale.id).record())
        .await
        .unwrap();
    let before = contents(&services).await;
    flashsale_recovery::restore_outcomes(ledger, &mut queue, &sale.id, "server", |_| {})
        .await
        .unwrap();
    assert_eq!(contents(&services).await, before);
}

/// Everything in Redis, byte for byte.
async fn contents(services: &Services) -> BTreeMap<String, Option<Vec<u8>>> {
    let mut queue = services.queue.clone();
    let keys: Vec<String> = queue.keys("fs:*").await.unwrap();
    let mut contents = BTreeMap::new();
    for key in keys {
        let dump = redis::cmd("DUMP").arg(&key).query_async(&mut queue).await;
        contents.insert(key, dump.unwrap());
    }
    contents
}
