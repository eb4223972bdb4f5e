//! Workers on real lanes and a real ledger: what is settled, in which order, and what happens
//! when a job, a worker, Redis or PostgreSQL fails.
#![allow(
    clippy::unwrap_used,
    reason = "tests say by unwrapping what they take for granted"
)]

use std::time::Duration;

use flashsale_domain::{
    event::Settled,
    id::JobId,
    job::Job,
    outcome::{JobState, Outcome},
    sale::Sale,
};
use flashsale_queue::{
    connect, dead_letter,
    keys::{EVENTS, SaleKeys},
    lane, lease,
};
use flashsale_testbed::fixtures::{
    patience::until,
    poison::{mend_the_ledger, poison_the_ledger},
    queue::{admit, buy, depth, job, push, record},
    sales::{open, sale},
    services::Services,
};
use futures_util::StreamExt;
use redis::AsyncCommands;

use crate::running::Worker;

const SOON: Duration = Duration::from_secs(10);

/// Dead workers' lanes must be taken over within this time.
const TAKEOVER: Duration = Duration::from_secs(5);

async fn emptied(services: &Services, sale: &Sale, product: usize, longest: Duration) -> Duration {
    until("the lane is empty", longest, || async {
        depth(services, sale, product).await == 0
    })
    .await
}

async fn state(services: &Services, sale: &Sale, job: JobId) -> Option<JobState> {
    record(services, sale, job).await.map(|record| record.state)
}

async fn outcome(services: &Services, sale: &Sale, job: JobId) -> Option<Outcome> {
    match state(services, sale, job).await? {
        JobState::Final { outcome, .. } => Some(outcome),
        JobState::Queued { .. } => None,
    }
}

async fn push_jobs(services: &Services, sale: &Sale, users: std::ops::Range<u32>) -> Vec<Job> {
    let product = &sale.products[0].id;
    let jobs: Vec<Job> = users
        .map(|user| job(sale, &format!("u{user}"), product, "k"))
        .collect();
    for job in &jobs {
        push(services, sale, 0, &serde_json::to_vec(job).unwrap()).await;
    }
    jobs
}

async fn order_users(services: &Services) -> Vec<String> {
    sqlx::query_scalar("SELECT user_id FROM orders ORDER BY id")
        .fetch_all(services.ledger.pool())
        .await
        .unwrap()
}

#[tokio::test]
async fn jobs_are_settled_in_order_of_arrival_and_every_one_gets_its_outcome() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 100)]);
    open(&services, &sale).await;
    let worker = Worker::start(&services, "w", 4);
    let jobs = push_jobs(&services, &sale, 0..130).await;
    emptied(&services, &sale, 0, SOON).await;
    let users: Vec<String> = (0..100).map(|user| format!("u{user}")).collect();
    assert_eq!(order_users(&services).await, users);
    assert_eq!(
        outcome(&services, &sale, jobs[99].job_id).await,
        Some(Outcome::Confirmed)
    );
    assert_eq!(
        outcome(&services, &sale, jobs[100].job_id).await,
        Some(Outcome::SoldOut)
    );
    assert_eq!(worker.metrics.orders.get(), 100);
    worker.stop().await;
}

/// What a later release writes is left alone, and what is known of its sale stays as it was.
#[tokio::test]
async fn records_and_jobs_of_a_later_release_are_left_to_it() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 100)]);
    open(&services, &sale).await;
    let worker = Worker::start(&services, "w", 4);
    push_jobs(&services, &sale, 0..3).await;
    emptied(&services, &sale, 0, SOON).await;
    let keys = SaleKeys::new(&sale.id);
    let mut queue = services.queue.clone();
    let () = queue
        .hset(keys.record(), "sale", r#"{"format": 2}"#)
        .await
        .unwrap();
    push_jobs(&services, &sale, 3..5).await;
    emptied(&services, &sale, 0, SOON).await;

    let newer = job(&sale, "u5", &sale.products[0].id, "k");
    let mut newer = serde_json::to_value(&newer).unwrap();
    newer["format"] = serde_json::json!(2);
    push(&services, &sale, 0, newer.to_string().as_bytes()).await;
    push_jobs(&services, &sale, 6..8).await;
    let lease = keys.lease(&sale.products[0].id);
    until("the lane is left alone", SOON, || {
        let (mut queue, lease) = (queue.clone(), lease.clone());
        async move { !queue.exists::<_, bool>(lease).await.unwrap() }
    })
    .await;
    assert_eq!(depth(&services, &sale, 0).await, 3);
    assert_eq!(order_users(&services).await, ["u0", "u1", "u2", "u3", "u4"]);
    assert_eq!(dead_letter::count(&mut queue, &keys).await.unwrap(), 0);
    worker.stop().await;
}

#[tokio::test]
async fn the_first_designs_json_is_settled() {
    let services = Services::start().await;
    let sale = sale("drop", &[("sneaker-001", 1)]);
    open(&services, &sale).await;
    let worker = Worker::start(&services, "w", 1);
    let json = r#"{
      "jobId": "6b1f7c1e-8a34-4c1b-9d59-0d8f1c1f2a3b",
      "data": {
        "userId": "user_2p9s8d7f6g5h4j3k2l",
        "productId": "sneaker-001",
        "timestamp": 1715423000000,
        "idempotencyKey": "ide_8s7d6f5g4h3j2k"
      },
      "name": "purchase-job",
      "opts": { "attempts": 3, "backoff": 1000 }
    }"#;
    push(&services, &sale, 0, json.as_bytes()).await;
    emptied(&services, &sale, 0, SOON).await;
    let job: JobId = "6b1f7c1e-8a34-4c1b-9d59-0d8f1c1f2a3b".parse().unwrap();
    assert_eq!(
        outcome(&services, &sale, job).await,
        Some(Outcome::Confirmed)
    );
    let order = services.ledger.order_of_job(job).await.unwrap().unwrap();
    assert_eq!(
        (order.user_id.as_str(), order.status.as_str()),
        ("user_2p9s8d7f6g5h4j3k2l", "COMPLETED")
    );
    worker.stop().await;
}

#[tokio::test]
async fn malformed_entries_are_dead_lettered_with_their_reason_and_stop_nothing() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 10), ("q", 10)]);
    open(&services, &sale).await;
    let worker = Worker::start(&services, "w", 1);
    let wrong_lane = job(&sale, "u", &sale.products[1].id, "k");
    let mut wrong_name = job(&sale, "u", &sale.products[0].id, "k");
    wrong_name.name = "refund-job".to_owned();
    let malformed: [&[u8]; 5] = [
        b"",
        b"\xff\xfe",
        br#"{"jobId":"not-a-uuid"}"#,
        &serde_json::to_vec(&wrong_lane).unwrap(),
        &serde_json::to_vec(&wrong_name).unwrap(),
    ];
    for json in malformed {
        push(&services, &sale, 0, json).await;
    }
    let lane_key = SaleKeys::new(&sale.id).lane(&sale.products[0].id);
    let _: String = services
        .queue
        .clone()
        .xadd(lane_key, "*", &[("other", "field")])
        .await
        .unwrap();
    let good = push_jobs(&services, &sale, 0..3).await;
    emptied(&services, &sale, 0, SOON).await;
    assert_eq!(
        outcome(&services, &sale, good[2].job_id).await,
        Some(Outcome::Confirmed)
    );
    let mut queue = services.queue.clone();
    let letters = dead_letter::list(&mut queue, &SaleKeys::new(&sale.id), lane::HEAD, 100)
        .await
        .unwrap();
    assert_eq!(letters.len(), 6);
    assert_eq!(letters[1].job, b"\xff\xfe");
    assert!(
        letters[3].reason.contains("waits in the lane of"),
        "{}",
        letters[3].reason
    );
    assert!(
        letters[4].reason.contains("refund-job"),
        "{}",
        letters[4].reason
    );
    assert!(
        letters[5].reason.contains("no field"),
        "{}",
        letters[5].reason
    );
    worker.stop().await;
}

#[tokio::test]
async fn a_poisoned_job_is_retried_alone_and_dead_lettered_while_the_others_pass() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 100)]);
    open(&services, &sale).await;
    poison_the_ledger(&services).await;
    let before = push_jobs(&services, &sale, 0..40).await;
    let poison = job(&sale, "poison", &sale.products[0].id, "k");
    push(&services, &sale, 0, &serde_json::to_vec(&poison).unwrap()).await;
    let after = push_jobs(&services, &sale, 40..80).await;
    let worker = Worker::start(&services, "w", 1);
    emptied(&services, &sale, 0, SOON).await;
    for job in before.iter().chain(&after) {
        assert_eq!(
            outcome(&services, &sale, job.job_id).await,
            Some(Outcome::Confirmed)
        );
    }
    assert_eq!(
        outcome(&services, &sale, poison.job_id).await,
        Some(Outcome::Failed)
    );
    assert_eq!(
        worker.metrics.retries.get(),
        2,
        "three attempts are one and two retries"
    );
    let mut queue = services.queue.clone();
    let keys = SaleKeys::new(&sale.id);
    let letter = dead_letter::list(&mut queue, &keys, lane::HEAD, 9)
        .await
        .unwrap()
        .remove(0);
    assert_eq!(letter.attempts, 3);
    assert!(
        letter.reason.contains("this shopper is poison"),
        "{}",
        letter.reason
    );

    // Once the cause is mended, the letter is replayed and becomes an order.
    mend_the_ledger(&services).await;
    assert!(
        dead_letter::replay(&mut queue, &keys, &letter)
            .await
            .unwrap()
    );
    assert!(
        !dead_letter::replay(&mut queue, &keys, &letter)
            .await
            .unwrap(),
        "once"
    );
    emptied(&services, &sale, 0, SOON).await;
    assert_eq!(
        outcome(&services, &sale, poison.job_id).await,
        Some(Outcome::Confirmed)
    );
    worker.stop().await;
}

#[tokio::test]
async fn batches_sent_ahead_do_not_overtake_one_that_is_tried_again() {
    let services = Services::start().await;
    let mut sale = sale("drop", &[("p", 1_000)]);
    sale.workers.batch_size = 20;
    open(&services, &sale).await;
    poison_the_ledger(&services).await;
    push_jobs(&services, &sale, 0..150).await;
    let poison = job(&sale, "poison", &sale.products[0].id, "k");
    push(&services, &sale, 0, &serde_json::to_vec(&poison).unwrap()).await;
    push_jobs(&services, &sale, 150..400).await;
    let worker = Worker::start(&services, "w", 1);
    emptied(&services, &sale, 0, SOON).await;
    let users: Vec<String> = (0..400).map(|user| format!("u{user}")).collect();
    assert_eq!(order_users(&services).await, users);
    assert_eq!(
        outcome(&services, &sale, poison.job_id).await,
        Some(Outcome::Failed)
    );
    worker.stop().await;
}

#[tokio::test]
async fn a_poisoned_jobs_attempts_are_counted_on_by_the_next_driver() {
    let services = Services::start().await;
    let mut sale = sale("drop", &[("p", 100)]);
    sale.retry.backoff = 2_000;
    open(&services, &sale).await;
    poison_the_ledger(&services).await;
    let poison = job(&sale, "poison", &sale.products[0].id, "k");
    push(&services, &sale, 0, &serde_json::to_vec(&poison).unwrap()).await;
    let first = Worker::start(&services, "first", 1);
    until("the first attempt failed", SOON, || async {
        first.metrics.retries.get() == 1
    })
    .await;
    first.stop().await;
    let second = Worker::start(&services, "second", 1);
    emptied(&services, &sale, 0, SOON).await;
    assert_eq!(second.metrics.retries.get(), 1);
    assert_eq!(
        outcome(&services, &sale, poison.job_id).await,
        Some(Outcome::Failed)
    );
    second.stop().await;
}

#[tokio::test]
async fn a_dead_workers_lane_is_taken_over_and_nothing_is_settled_twice() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 5_000)]);
    open(&services, &sale).await;
    let first = Worker::start(&services, "first", 1);
    push_jobs(&services, &sale, 0..1_000).await;
    until("some are settled", SOON, || async {
        depth(&services, &sale, 0).await < 900
    })
    .await;
    let second = Worker::start(&services, "second", 1);
    push_jobs(&services, &sale, 1_000..2_000).await;
    first.kill();
    let took = emptied(&services, &sale, 0, TAKEOVER).await;
    println!("took over and settled the rest within {took:?}");
    let users: Vec<String> = (0..2_000).map(|user| format!("u{user}")).collect();
    assert_eq!(
        order_users(&services).await,
        users,
        "order of arrival is kept across the takeover"
    );
    second.stop().await;
}

/// A driver that died between the commit and the acknowledgement: its jobs are still in the lane.
#[tokio::test]
async fn jobs_committed_but_not_acknowledged_get_the_orders_they_have() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 3)]);
    open(&services, &sale).await;
    let jobs = push_jobs(&services, &sale, 0..5).await;
    let batch: Vec<&Job> = jobs[..3].iter().collect();
    services
        .ledger
        .settle_alone(&sale.id, &sale.products[0].id, &batch)
        .await
        .unwrap();
    let worker = Worker::start(&services, "w", 1);
    emptied(&services, &sale, 0, SOON).await;
    assert_eq!(order_users(&services).await, ["u0", "u1", "u2"]);
    for (number, job) in jobs.iter().enumerate() {
        let expected = if number < 3 {
            Outcome::Confirmed
        } else {
            Outcome::SoldOut
        };
        assert_eq!(
            outcome(&services, &sale, job.job_id).await,
            Some(expected),
            "job {number}"
        );
    }
    assert_eq!(worker.metrics.redelivered.get(), 3);
    worker.stop().await;
}

#[tokio::test]
async fn stopping_gives_the_lease_back_and_leaves_no_half_batch() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 10_000)]);
    open(&services, &sale).await;
    let worker = Worker::start(&services, "w", 1);
    push_jobs(&services, &sale, 0..3_000).await;
    worker.stop().await;
    let keys = SaleKeys::new(&sale.id);
    let holder: Option<String> = services
        .queue
        .clone()
        .get(keys.lease(&sale.products[0].id))
        .await
        .unwrap();
    assert_eq!(holder, None);
    let left = depth(&services, &sale, 0).await;
    let settled = order_users(&services).await.len() as u64;
    assert_eq!(
        settled + left,
        3_000,
        "what is settled is acknowledged, what is not still waits"
    );
    let next = Worker::start(&services, "next", 1);
    emptied(&services, &sale, 0, SOON).await;
    assert_eq!(order_users(&services).await.len(), 3_000);
    next.stop().await;
}

#[tokio::test]
async fn a_lane_held_by_another_is_left_alone() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 10)]);
    open(&services, &sale).await;
    let keys = SaleKeys::new(&sale.id);
    let lease_key = keys.lease(&sale.products[0].id);
    let mut queue = services.queue.clone();
    assert!(lease::hold(&mut queue, &lease_key, "other").await.unwrap());
    assert!(!lease::hold(&mut queue, &lease_key, "me").await.unwrap());
    assert!(!lease::release(&mut queue, &lease_key, "me").await.unwrap());
    let worker = Worker::start(&services, "w", 1);
    push_jobs(&services, &sale, 0..3).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(depth(&services, &sale, 0).await, 3);
    emptied(&services, &sale, 0, TAKEOVER).await;
    worker.stop().await;
}

#[tokio::test]
async fn one_worker_drives_many_lanes_and_more_lanes_than_it_has_room_for() {
    let services = Services::start().await;
    let products: Vec<(String, i32)> = (0..12).map(|number| (format!("p{number}"), 50)).collect();
    let products: Vec<(&str, i32)> = products
        .iter()
        .map(|(id, stock)| (id.as_str(), *stock))
        .collect();
    let sale = sale("drop", &products);
    open(&services, &sale).await;
    let worker = Worker::start(&services, "w", 3);
    for product in 0..12 {
        let buys: Vec<_> = (0..50)
            .map(|user| buy(&sale, &format!("u{user}"), product, &format!("k{product}")))
            .collect();
        admit(&services, &sale, &buys).await;
    }
    for product in 0..12 {
        emptied(&services, &sale, product, SOON).await;
    }
    assert_eq!(order_users(&services).await.len(), 600);
    worker.stop().await;
}

#[tokio::test]
async fn an_idle_lane_is_woken_within_milliseconds() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 10)]);
    open(&services, &sale).await;
    let worker = Worker::start(&services, "w", 1);
    // The first buy of a lane, before anybody drives it.
    tokio::time::sleep(Duration::from_millis(700)).await;
    admit(&services, &sale, &[buy(&sale, "u", 0, "k")]).await;
    let took = emptied(&services, &sale, 0, SOON).await;
    assert!(
        took < Duration::from_millis(400),
        "the wake-up call was not heard: {took:?}"
    );
    worker.stop().await;
}

#[tokio::test]
async fn every_batch_is_told_in_one_event() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 2)]);
    open(&services, &sale).await;
    let mut pubsub = services.client().get_async_pubsub().await.unwrap();
    pubsub.subscribe(EVENTS).await.unwrap();
    let jobs = push_jobs(&services, &sale, 0..3).await;
    let worker = Worker::start(&services, "w", 1);
    let message = tokio::time::timeout(SOON, pubsub.on_message().next())
        .await
        .unwrap()
        .unwrap();
    let settled = Settled::parse(message.get_payload_bytes()).unwrap();
    assert_eq!((settled.stock, settled.confirmed.len()), (Some(0), 2));
    assert_eq!(settled.confirmed[0].1, jobs[0].job_id);
    assert_eq!(
        settled.rejected,
        [(
            jobs[2].data.user_id.clone(),
            jobs[2].job_id,
            Outcome::SoldOut
        )]
    );
    worker.stop().await;
}

#[tokio::test]
async fn postgresql_away_burns_no_attempt_and_the_lane_flows_when_it_is_back() {
    let mut services = Services::start_own().await;
    let sale = sale("drop", &[("p", 1_000)]);
    open(&services, &sale).await;
    let worker = Worker::start(&services, "w", 1);
    push_jobs(&services, &sale, 0..200).await;
    services.postgres.as_mut().unwrap().kill().await.unwrap();
    push_jobs(&services, &sale, 200..400).await;
    until("the outage is noticed", SOON, || async {
        worker.metrics.ledger_up.get() == 0
    })
    .await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    services.postgres.as_mut().unwrap().restart().await.unwrap();
    let took = emptied(&services, &sale, 0, TAKEOVER).await;
    println!("flowing again {took:?} after PostgreSQL was back");
    assert_eq!(order_users(&services).await.len(), 400);
    assert_eq!(
        (
            worker.metrics.retries.get(),
            worker.metrics.dead_letters.get()
        ),
        (0, 0)
    );
    worker.stop().await;
}

#[tokio::test]
async fn redis_restarted_under_load_loses_no_job_and_the_lane_flows_again() {
    let mut services = Services::start().await;
    let sale = sale("drop", &[("p", 10_000)]);
    open(&services, &sale).await;
    let worker = Worker::start(&services, "w", 1);
    let jobs = push_jobs(&services, &sale, 0..2_000).await;
    services.redis.restart().await.unwrap();
    services.queue =
        connect::shared(&connect::redis_client(&services.redis.url()).unwrap()).unwrap();
    let took = emptied(&services, &sale, 0, TAKEOVER).await;
    println!("flowing again {took:?} after Redis was back");
    assert_eq!(order_users(&services).await.len(), 2_000);
    for job in &jobs {
        assert_eq!(
            outcome(&services, &sale, job.job_id).await,
            Some(Outcome::Confirmed)
        );
    }
    worker.stop().await;
}

#[tokio::test]
async fn eight_workers_on_one_lane_take_turns_and_settle_each_job_once() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 1_500)]);
    open(&services, &sale).await;
    let workers: Vec<Worker> = (0..8)
        .map(|number| Worker::start(&services, &format!("w{number}"), 4))
        .collect();
    push_jobs(&services, &sale, 0..2_000).await;
    emptied(&services, &sale, 0, SOON).await;
    assert_eq!(order_users(&services).await.len(), 1_500);
    let made: u64 = workers
        .iter()
        .map(|worker| worker.metrics.orders.get())
        .sum();
    assert_eq!(made, 1_500);
    let lost: u64 = workers
        .iter()
        .map(|worker| worker.metrics.leases_lost.get())
        .sum();
    assert_eq!(lost, 0);
    for worker in workers {
        worker.stop().await;
    }
}
