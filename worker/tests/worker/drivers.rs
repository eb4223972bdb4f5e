//! What a lane's driver does when it is paused, cut off, robbed of its lease or refused by the
//! ledger: shoppers hear what the ledger decided, once, and the lane flows again by itself.

use std::{
    ops::Range,
    time::{Duration, Instant},
};

use flashsale_domain::{
    event::Settled,
    id::SaleId,
    job::Job,
    outcome::{JobState, Outcome},
    sale::Sale,
};
use flashsale_ledger::{Fault, LedgerConfig, Succession};
use flashsale_queue::{
    catalogue, connect, dead_letter,
    keys::{EVENTS, SaleKeys},
    lane, lease,
};
use flashsale_testbed::{
    fault_proxy::{Direction, FaultProxy, Flow},
    fixtures::{
        patience::until,
        poison::{mend_the_ledger, poison_the_ledger},
        queue::{depth, job, push, record},
        sales::{open, sale},
        services::Services,
    },
    program::{Program, StoreUrls, ours},
};
use flashsale_worker::{
    lease_keeper::{End, Lease},
    metrics::Metrics,
    progress::Progress,
};
use prometheus::Registry;
use redis::AsyncCommands as _;
use sqlx::{Connection as _, PgConnection};

use tokio_util::sync::CancellationToken;

use crate::running::Worker;

const SOON: Duration = Duration::from_secs(10);

/// The longest that a lane may stand still because of one worker.
const HELD_UP: Duration = Duration::from_secs(5);

fn user_job(sale: &Sale, user: &str) -> Job {
    job(sale, user, &sale.products[0].id, "k")
}

async fn push_job(services: &Services, sale: &Sale, job: &Job) -> String {
    push(services, sale, 0, &serde_json::to_vec(job).unwrap()).await
}

async fn push_jobs(services: &Services, sale: &Sale, users: Range<u32>) -> Vec<Job> {
    let jobs: Vec<Job> = users
        .map(|user| user_job(sale, &format!("u{user}")))
        .collect();
    for job in &jobs {
        push_job(services, sale, job).await;
    }
    jobs
}

async fn emptied(services: &Services, sale: &Sale, longest: Duration) -> Duration {
    until("the lane is empty", longest, async || {
        depth(services, sale, 0).await == 0
    })
    .await
}

async fn outcomes(services: &Services, sale: &Sale, jobs: &[Job]) -> Vec<Option<Outcome>> {
    let mut outcomes = Vec::new();
    for job in jobs {
        let record = record(services, sale, job.job_id).await;
        outcomes.push(record.and_then(|record| match record.state {
            JobState::Final { outcome, .. } => Some(outcome),
            JobState::Queued { .. } => None,
        }));
    }
    outcomes
}

async fn order_users(services: &Services) -> Vec<String> {
    sqlx::query_scalar("SELECT user_id FROM orders ORDER BY id")
        .fetch_all(services.ledger.pool())
        .await
        .unwrap()
}

/// Somebody else's open transaction, which has done `statement`.
async fn foreign_transaction(services: &Services, statement: &str) -> PgConnection {
    let mut foreign = PgConnection::connect(&services.database_url).await.unwrap();
    let text = sqlx::AssertSqlSafe(format!("BEGIN; {statement}"));
    sqlx::raw_sql(text).execute(&mut foreign).await.unwrap();
    foreign
}

async fn waits_for_a_lock(services: &Services) {
    until("a statement waits for a lock", SOON, async || {
        let count: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_stat_activity
               WHERE datname = current_database() AND wait_event_type = 'Lock'",
        )
        .fetch_one(services.ledger.pool())
        .await
        .unwrap();
        count > 0
    })
    .await;
}

async fn proxy(url: &str) -> FaultProxy {
    let address = url.rsplit_once('@').unwrap().1;
    let address = address.split_once('/').unwrap().0;
    FaultProxy::start(address.parse().unwrap()).await.unwrap()
}

/// A worker whose links to Redis and PostgreSQL go through these proxies.
async fn behind_proxies(services: &Services, name: &str) -> (Worker, FaultProxy, FaultProxy) {
    let queue = proxy(&services.redis.url()).await;
    let ledger = proxy(&services.database_url).await;
    let client = connect::redis_client(&queue.url(&services.redis.url()).unwrap()).unwrap();
    let pool = flashsale_ledger::Ledger::open(&LedgerConfig {
        url: ledger.url(&services.database_url).unwrap().into(),
        tls: flashsale_transport::TlsSource::System,
        connections: 4,
        transaction_pooler: false,
        ping_before_use: false,
        bounds: None,
    });
    let worker = Worker::start_at(&client, pool.unwrap(), name, 2);
    (worker, queue, ledger)
}

/// A worker that has committed a batch and not acknowledged it is paused; units come back; its
/// successor settles the batch again. What it says when it wakes up is of no consequence.
#[tokio::test]
async fn a_paused_worker_changes_no_outcome_that_its_successor_told() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 5)]);
    open(&services, &sale).await;
    let stores = StoreUrls {
        database: &services.database_url,
        redis: &services.redis.url(),
    };
    let logs = services.data_dir.path();
    let launch = ours("flashsale-worker", "first", stores, logs).unwrap();
    let first = Program::worker(launch, &[]).await.unwrap();
    let statement = "LOCK TABLE orders IN SHARE ROW EXCLUSIVE MODE";
    let mut foreign = foreign_transaction(&services, statement).await;
    let jobs = push_jobs(&services, &sale, 0..10).await;
    waits_for_a_lock(&services).await;
    first.pause().unwrap();
    sqlx::raw_sql("COMMIT").execute(&mut foreign).await.unwrap();
    until("the batch is committed", SOON, async || {
        order_users(&services).await.len() == 5
    })
    .await;
    let product = &sale.products[0].id;
    let restocked = services.ledger.restock(&sale.id, product, 5, None).await;
    restocked.unwrap();

    let mut events = services.queue.subscribe(&[EVENTS]).await.unwrap();
    let second = Worker::start(&services, "second", 1);
    emptied(&services, &sale, HELD_UP).await;
    let told = outcomes(&services, &sale, &jobs).await;
    first.resume().unwrap();
    // Whatever it tries, it notices that its lease is lost.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let confirmed = [Some(Outcome::Confirmed); 5];
    let sold_out = [Some(Outcome::SoldOut); 5];
    assert_eq!(told, [confirmed, sold_out].concat());
    assert_eq!(outcomes(&services, &sale, &jobs).await, told);
    assert_eq!(order_users(&services).await.len(), 5);
    let message = events.next().await.unwrap();
    let settled = Settled::parse(message.get_payload_bytes()).unwrap();
    assert_eq!((settled.confirmed.len(), settled.rejected.len()), (5, 5));
    let again = tokio::time::timeout(Duration::from_millis(100), events.next()).await;
    assert!(again.is_err(), "told once");
    second.stop().await;
    first.stop().await.unwrap();
}

/// A worker whose statement is long on its way is given up and succeeded; when the statement
/// arrives at last, nothing comes of it.
#[tokio::test]
async fn a_batch_that_arrives_after_a_takeover_leaves_nothing() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 5)]);
    open(&services, &sale).await;
    let (first, _queue, ledger) = behind_proxies(&services, "first").await;
    push_job(&services, &sale, &user_job(&sale, "before")).await;
    emptied(&services, &sale, SOON).await;
    ledger.set_both(Flow::Silent);
    let jobs = push_jobs(&services, &sale, 0..10).await;
    let second = Worker::start(&services, "second", 1);
    emptied(&services, &sale, HELD_UP).await;
    let told = outcomes(&services, &sale, &jobs).await;
    let product = &sale.products[0].id;
    let restocked = services.ledger.restock(&sale.id, product, 5, None).await;
    restocked.unwrap();
    ledger.heal();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(outcomes(&services, &sale, &jobs).await, told);
    assert_eq!(order_users(&services).await.len(), 5);
    first.stop().await;
    second.stop().await;
}

#[tokio::test]
async fn a_late_takeover_does_not_come_after_a_later_one() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 5)]);
    open(&services, &sale).await;
    let (ledger, product) = (&services.ledger, &sale.products[0].id);
    let from = async |driver| {
        ledger
            .take_over_from(&sale.id, product, driver)
            .await
            .unwrap()
    };
    let Succession::Done(first) = from(None).await else {
        panic!("nobody was there");
    };
    let Succession::Done(second) = from(Some(first.driver)).await else {
        panic!("the first was there");
    };
    let late = from(Some(first.driver)).await;
    assert_eq!(late, Succession::Present(Some(second.driver)));
    let job = user_job(&sale, "u");
    let turn = first.next(0..=1);
    let refused = ledger.settle(&sale.id, product, &turn, &[&job]).await;
    assert_eq!(refused.unwrap_err().fault(), Fault::Fenced);
    let turn = second.next(0..=1);
    let settled = ledger.settle(&sale.id, product, &turn, &[&job]).await;
    assert_eq!(settled.unwrap().confirmed, 1);
}

#[tokio::test]
async fn a_driver_whose_lease_another_has_stops_settling() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 100)]);
    open(&services, &sale).await;
    let worker = Worker::start(&services, "w", 1);
    push_jobs(&services, &sale, 0..3).await;
    emptied(&services, &sale, SOON).await;
    let lease = SaleKeys::new(&sale.id).lease(&sale.products[0].id);
    let mut queue = services.queue.clone();
    let () = queue.set_ex(&lease, "thief", 60).await.unwrap();
    until("the loss is noticed", SOON, async || {
        worker.metrics.leases_lost.get() == 1 && worker.metrics.lanes_driven.get() == 0
    })
    .await;
    push_jobs(&services, &sale, 3..6).await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(depth(&services, &sale, 0).await, 3);
    let () = queue.del(&lease).await.unwrap();
    emptied(&services, &sale, HELD_UP).await;
    worker.stop().await;
}

#[tokio::test]
async fn a_driver_that_hears_nothing_of_redis_stops_before_its_lease_can_be_anothers() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 100)]);
    open(&services, &sale).await;
    let (worker, queue, _ledger) = behind_proxies(&services, "w").await;
    push_jobs(&services, &sale, 0..3).await;
    emptied(&services, &sale, SOON).await;
    queue.set_both(Flow::Silent);
    let took = until("the driver has stopped", SOON, async || {
        worker.metrics.lanes_driven.get() == 0
    })
    .await;
    assert!(took < lease::TERM, "{took:?}");
    push_jobs(&services, &sale, 3..6).await;
    let second = Worker::start(&services, "second", 1);
    emptied(&services, &sale, HELD_UP).await;
    queue.heal();
    worker.stop().await;
    second.stop().await;
}

#[tokio::test]
async fn a_worker_that_alone_cannot_reach_the_ledger_gives_its_lane_to_another() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 100)]);
    open(&services, &sale).await;
    let (first, _queue, ledger) = behind_proxies(&services, "first").await;
    push_jobs(&services, &sale, 0..3).await;
    emptied(&services, &sale, SOON).await;
    let second = Worker::start(&services, "second", 1);
    ledger.set_both(Flow::Silent);
    push_jobs(&services, &sale, 3..6).await;
    let took = emptied(&services, &sale, HELD_UP).await;
    println!("another worker had settled the jobs within {took:?}");
    assert_eq!(second.metrics.orders.get(), 3);
    assert_eq!(first.metrics.retries.get(), 0);
    ledger.heal();
    first.stop().await;
    second.stop().await;
}

/// It would find out only after a time limit, with the jobs of the lane waiting.
#[tokio::test]
async fn a_worker_that_cannot_reach_the_ledger_lets_others_have_lanes_that_wake() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 100), ("q", 100)]);
    open(&services, &sale).await;
    let (first, _queue, ledger) = behind_proxies(&services, "first").await;
    push_jobs(&services, &sale, 0..3).await;
    emptied(&services, &sale, SOON).await;
    let second = Worker::start(&services, "second", 4);
    ledger.set_both(Flow::Silent);
    push_jobs(&services, &sale, 3..6).await;
    emptied(&services, &sale, HELD_UP).await;
    // The second drives a lane now and the first none, so the first would be quicker.
    let job = job(&sale, "rare", &sale.products[1].id, "k");
    let json = serde_json::to_vec(&job).unwrap();
    push(&services, &sale, 1, &json).await;
    let mut queue = services.queue.clone();
    let _: u32 = queue.publish("fs:wake", "drop q").await.unwrap();
    let less_than_a_time_limit = Duration::from_millis(1_900);
    until(
        "the other lane is empty",
        less_than_a_time_limit,
        async || depth(&services, &sale, 1).await == 0,
    )
    .await;
    ledger.heal();
    first.stop().await;
    second.stop().await;
}

#[tokio::test]
async fn a_lane_whose_row_somebody_holds_waits_says_so_and_goes_on() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 100)]);
    open(&services, &sale).await;
    let statement = "SELECT FROM products FOR UPDATE";
    let mut foreign = foreign_transaction(&services, statement).await;
    let worker = Worker::start(&services, "w", 1);
    push_jobs(&services, &sale, 0..3).await;
    let waiting = &worker.metrics.lanes_waiting;
    until("it says so", SOON, async || {
        waiting.count(&sale.id, "locked") == 1
    })
    .await;
    sqlx::raw_sql("COMMIT").execute(&mut foreign).await.unwrap();
    emptied(&services, &sale, HELD_UP).await;
    assert_eq!(waiting.count(&sale.id, "locked"), 0);
    assert_eq!(worker.metrics.retries.get(), 0);
    worker.stop().await;
}

#[tokio::test]
async fn a_batch_that_hits_the_statement_timeout_gets_smaller_until_it_passes() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 100)]);
    open(&services, &sale).await;
    // An order takes 10 ms, and a statement may take 200 ms.
    sqlx::raw_sql(
        "CREATE FUNCTION crawl() RETURNS trigger LANGUAGE plpgsql AS
           $$ BEGIN PERFORM pg_sleep(0.01); RETURN NEW; END $$;
         CREATE TRIGGER crawl BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION crawl();
         DO $$ BEGIN
           EXECUTE format('ALTER DATABASE %I SET statement_timeout = ''200ms''', current_database());
         END $$",
    )
    .execute(services.ledger.pool())
    .await
    .unwrap();
    push_jobs(&services, &sale, 0..60).await;
    let (worker, _queue, _ledger) = behind_proxies(&services, "w").await;
    emptied(&services, &sale, SOON).await;
    let users: Vec<String> = (0..60).map(|user| format!("u{user}")).collect();
    assert_eq!(order_users(&services).await, users);
    assert_eq!(worker.metrics.retries.get(), 0);
    worker.stop().await;
}

#[tokio::test]
async fn refused_jobs_are_tried_again_in_order_of_arrival() {
    let services = Services::start().await;
    let mut sale = sale("drop", &[("p", 2)]);
    sale.retry.backoff = 700;
    open(&services, &sale).await;
    sqlx::raw_sql(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
           $$ BEGIN RAISE EXCEPTION 'not now'; END $$;
         CREATE TRIGGER refuse BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION refuse()",
    )
    .execute(services.ledger.pool())
    .await
    .unwrap();
    let jobs = push_jobs(&services, &sale, 0..8).await;
    let worker = Worker::start(&services, "w", 1);
    until("each was refused once", SOON, async || {
        worker.metrics.retries.get() == 8
    })
    .await;
    mend_the_ledger(&services).await;
    emptied(&services, &sale, SOON).await;
    assert_eq!(order_users(&services).await, ["u0", "u1"]);
    let told = outcomes(&services, &sale, &jobs).await;
    assert_eq!(
        told[..3],
        [Outcome::Confirmed, Outcome::Confirmed, Outcome::SoldOut].map(Some)
    );
    worker.stop().await;
}

#[tokio::test]
async fn another_producers_job_without_backoff_does_not_starve_the_lane() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 100)]);
    open(&services, &sale).await;
    poison_the_ledger(&services).await;
    let mut greedy = user_job(&sale, "poison");
    greedy.opts.attempts = u32::MAX;
    greedy.opts.backoff = 0;
    push_job(&services, &sale, &greedy).await;
    let worker = Worker::start(&services, "w", 1);
    until("it was refused", SOON, async || {
        worker.metrics.retries.get() > 0
    })
    .await;
    let jobs = push_jobs(&services, &sale, 0..5).await;
    until("the others have their orders", SOON, async || {
        order_users(&services).await.len() == 5
    })
    .await;
    let told = async || outcomes(&services, &sale, &jobs).await;
    until("they are told", SOON, async || {
        told()
            .await
            .iter()
            .all(|outcome| *outcome == Some(Outcome::Confirmed))
    })
    .await;
    worker.stop().await;
}

/// Its ids are less than those that were read before.
#[tokio::test]
async fn a_lane_that_was_deleted_and_begun_anew_is_read_from_its_head() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 100)]);
    open(&services, &sale).await;
    let worker = Worker::start(&services, "w", 1);
    push_jobs(&services, &sale, 0..3).await;
    emptied(&services, &sale, SOON).await;
    let lane_key = SaleKeys::new(&sale.id).lane(&sale.products[0].id);
    let mut queue = services.queue.clone();
    let () = queue.del(&lane_key).await.unwrap();
    for (id, user) in [("1-1", "u3"), ("1-2", "u4")] {
        let json = serde_json::to_vec(&user_job(&sale, user)).unwrap();
        let _: String = queue.xadd(&lane_key, id, &[("job", json)]).await.unwrap();
    }
    emptied(&services, &sale, Duration::from_secs(3)).await;
    assert_eq!(order_users(&services).await[3..], ["u3", "u4"]);
    worker.stop().await;
}

#[tokio::test]
async fn the_driver_of_a_lane_that_is_no_longer_in_force_lets_go_of_it() {
    let services = Services::start().await;
    let mut sale = sale("drop", &[("p", 100), ("q", 100)]);
    open(&services, &sale).await;
    let worker = Worker::start(&services, "w", 1);
    push_jobs(&services, &sale, 0..3).await;
    emptied(&services, &sale, SOON).await;
    assert_eq!(worker.metrics.lanes_driven.get(), 1);
    sale.products.remove(0);
    let mut queue = services.queue.clone();
    let announced = catalogue::announce(&mut queue, &sale, false).await;
    announced.unwrap();
    // Long before a driver leaves a lane because it is empty.
    until("the lane is let go", Duration::from_secs(4), async || {
        worker.metrics.lanes_driven.get() == 0
    })
    .await;
    worker.stop().await;
}

#[tokio::test]
async fn a_worker_of_one_sale_leaves_the_lanes_of_others_alone() {
    let services = Services::start().await;
    let [ours, others] = [sale("ours", &[("p", 9)]), sale("others", &[("q", 9)])];
    open(&services, &ours).await;
    open(&services, &others).await;
    let only: SaleId = ours.id.clone();
    let worker = Worker::start_for(&services, "w", vec![only]);
    push_jobs(&services, &others, 0..3).await;
    push_jobs(&services, &ours, 0..3).await;
    emptied(&services, &ours, SOON).await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(depth(&services, &others, 0).await, 3);
    worker.stop().await;
}

/// A failure is told by the holder of the lease alone: its successor may be settling the job.
#[tokio::test]
async fn a_malformed_entry_is_not_buried_by_a_driver_without_the_lease() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 9)]);
    open(&services, &sale).await;
    let keys = SaleKeys::new(&sale.id);
    let entry_id = push(&services, &sale, 0, b"{").await;
    let mut queue = services.queue.clone();
    let lease = keys.lease(&sale.products[0].id);
    let () = queue.set_ex(&lease, "successor", 60).await.unwrap();
    let acknowledgement = lane::Acknowledgement {
        dead: vec![lane::Dead {
            entry_id,
            job: b"{".to_vec(),
            reason: "no job".to_owned(),
            attempts: 0,
        }],
        holder: Some("predecessor".to_owned()),
        ..lane::Acknowledgement::default()
    };
    let product = &sale.products[0].id;
    let told = lane::acknowledge(&mut queue, &keys, product, &acknowledgement).await;
    assert!(told.is_err());
    assert_eq!(depth(&services, &sale, 0).await, 1);
    let letters = dead_letter::list(&mut queue, &keys, lane::HEAD, 9).await;
    assert!(letters.unwrap().is_empty());
}

/// The same of a driver that has not noticed yet.
#[tokio::test]
async fn a_driver_whose_lease_was_taken_buries_nothing() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 100)]);
    open(&services, &sale).await;
    let keys = SaleKeys::new(&sale.id);
    let worker = Worker::start(&services, "w", 1);
    push_jobs(&services, &sale, 0..3).await;
    emptied(&services, &sale, SOON).await;
    let mut queue = services.queue.clone();
    let lease = keys.lease(&sale.products[0].id);
    let () = queue.set_ex(&lease, "successor", 60).await.unwrap();
    push(&services, &sale, 0, b"{").await;
    until("the driver has left", SOON, async || {
        worker.metrics.lanes_driven.get() == 0
    })
    .await;
    assert_eq!(depth(&services, &sale, 0).await, 1);
    let letters = dead_letter::list(&mut queue, &keys, lane::HEAD, 9).await;
    assert!(letters.unwrap().is_empty());
    worker.stop().await;
}

#[tokio::test]
async fn the_lease_of_a_driver_that_makes_no_progress_is_given_back() {
    let services = Services::start().await;
    let mut queue = services.queue.clone();
    let key = "fs:{drop}:lease:p".to_owned();
    let owner = "w/1".to_owned();
    let held_since = Instant::now();
    assert!(lease::hold(&mut queue, &key, &owner).await.unwrap());
    let lease = Lease {
        queue: queue.clone(),
        key: key.clone(),
        owner,
        held_since,
    };
    let (lost, done) = (CancellationToken::new(), CancellationToken::new());
    let metrics = Metrics::register(&Registry::new()).unwrap();
    let progress = Progress::default();
    let keeping = lease.keep(progress.clone(), lost.clone(), done, metrics);
    let keeping = tokio::spawn(keeping);
    // As long as it makes steps, its lease outlives its term.
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        progress.step();
        assert!(queue.exists::<_, bool>(&key).await.unwrap());
    }
    let stuck = lease::TERM + lease::RENEWAL * 2;
    let end = tokio::time::timeout(stuck, keeping).await;
    assert_eq!(end.unwrap().unwrap(), End::Settled);
    assert!(lost.is_cancelled());
    assert!(!queue.exists::<_, bool>(&key).await.unwrap());
}

/// Redis renews, and only its answers are lost: its lease may not outlive the worker's by far.
#[tokio::test]
async fn renewals_whose_answers_are_lost_keep_a_lease_no_longer_than_the_first_of_them() {
    let services = Services::start().await;
    let queue = services.queue.clone();
    let link = proxy(&services.redis.url()).await;
    let client = connect::redis_client(&link.url(&services.redis.url()).unwrap()).unwrap();
    let mut linked = connect::shared(&client).unwrap();
    let (key, owner) = ("lease".to_owned(), "w/1".to_owned());
    let held_since = Instant::now();
    assert!(lease::hold(&mut linked, &key, &owner).await.unwrap());
    let lease = Lease {
        queue: linked,
        key: key.clone(),
        owner,
        held_since,
    };
    let (lost, done) = (CancellationToken::new(), CancellationToken::new());
    let metrics = Metrics::register(&Registry::new()).unwrap();
    let keeping = lease.keep(Progress::default(), lost.clone(), done.clone(), metrics);
    let keeping = tokio::spawn(keeping);
    let left_ms = async || queue.clone().pttl::<_, i64>(&key).await.unwrap();
    let half_gone = 2_600;
    until("a renewal is due", SOON, async || {
        left_ms().await < half_gone
    })
    .await;
    until("it was renewed", SOON, async || left_ms().await > half_gone).await;
    link.set(Direction::ToClient, Flow::Silent);
    // One term after the renewal that is due in a second, and what a busy machine adds.
    let longest = lease::RENEWAL + lease::TERM + Duration::from_millis(400);
    let began = Instant::now();
    until("nobody has it", SOON, async || {
        !queue.clone().exists::<_, bool>(&key).await.unwrap()
    })
    .await;
    assert!(began.elapsed() < longest, "{:?}", began.elapsed());
    assert!(lost.is_cancelled());
    done.cancel();
    keeping.await.unwrap();
}

#[tokio::test]
async fn a_lease_that_ran_out_is_not_taken_again_by_its_renewal() {
    let services = Services::start().await;
    let mut queue = services.queue.clone();
    assert!(lease::hold(&mut queue, "lease", "w/1").await.unwrap());
    assert!(
        lease::renew(&mut queue, "lease", "w/1", lease::TERM)
            .await
            .unwrap()
    );
    let () = queue.del("lease").await.unwrap();
    assert!(
        !lease::renew(&mut queue, "lease", "w/1", lease::TERM)
            .await
            .unwrap()
    );
    assert!(!queue.exists::<_, bool>("lease").await.unwrap());
}

#[tokio::test]
async fn workers_that_all_miss_the_ledger_hand_the_lane_round_without_haste() {
    let mut services = Services::start_own().await;
    let sale = sale("drop", &[("p", 100)]);
    open(&services, &sale).await;
    let workers = ["w1", "w2"].map(|name| Worker::start(&services, name, 1));
    services.postgres.as_mut().unwrap().kill().await.unwrap();
    push_jobs(&services, &sale, 0..3).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let taken = workers
        .iter()
        .map(|worker| worker.metrics.lanes_taken.get());
    let taken: u64 = taken.sum();
    // Each leaves it to the other for 0.7 s after each try.
    assert!((1..=16).contains(&taken), "{taken}");
    services.postgres.as_mut().unwrap().restart().await.unwrap();
    emptied(&services, &sale, HELD_UP).await;
    for worker in workers {
        assert_eq!(worker.metrics.retries.get(), 0);
        worker.stop().await;
    }
}
