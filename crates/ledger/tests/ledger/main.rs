//! The ledger's transactions on a real PostgreSQL, against a model that says in a few lines what
//! must come out.
#![allow(
    clippy::unwrap_used,
    reason = "tests say by unwrapping what they take for granted"
)]

mod deadlines;
mod declaring;
mod durability;
mod failover;
mod faults;
mod incarnations;
mod law_8;
mod looks;
mod migrating;
mod model;
mod order_ids;
mod payments;
mod poolers;
mod previous_release;
mod prices;
mod providers;
mod roles;
mod takeovers;

use std::time::Duration;

use flashsale_domain::{job::Job, sale::Sale};
use flashsale_ledger::{Fault, Ledger, LedgerConfig, LedgerError, Settlement, Verdict};
use flashsale_testbed::fixtures::{
    patience::until,
    queue::job,
    sales::{open, product, sale},
    services::Services,
};

const SOON: Duration = Duration::from_secs(10);

/// Settles `jobs`, taking the product over anew as often as others take it over.
async fn settle(ledger: &Ledger, sale: &Sale, jobs: &[Job]) -> Settlement {
    let jobs: Vec<&Job> = jobs.iter().collect();
    loop {
        let answer = ledger
            .settle_alone(&sale.id, &sale.products[0].id, &jobs)
            .await;
        match answer {
            Err(error) if error.fault() == Fault::Fenced => {}
            // No connection in time, on a machine busy with other tests: nothing was sent.
            Err(LedgerError::Database(sqlx::Error::PoolTimedOut)) => {}
            answer => return answer.unwrap(),
        }
    }
}

/// Law 1, asked of the tables themselves.
async fn assert_law_1(ledger: &Ledger) {
    let rows: Vec<(String, i32, i32, i64)> = sqlx::query_as(
        "SELECT p.id, p.initial_stock, p.stock_quantity,
                (SELECT count(*) FROM orders o
                  WHERE o.product_id = p.id AND o.status IS DISTINCT FROM 'CANCELLED')
           FROM products p",
    )
    .fetch_all(ledger.pool())
    .await
    .unwrap();
    for (product, initial, stock, orders) in rows {
        assert!(stock >= 0, "{product}");
        assert_eq!(i64::from(initial), i64::from(stock) + orders, "{product}");
    }
}

/// `count` jobs of the first product of `sale`, each of a shopper of its own.
fn jobs(sale: &Sale, shoppers: &str, count: usize) -> Vec<Job> {
    let p = &sale.products[0].id;
    (0..count)
        .map(|number| job(sale, &format!("{shoppers}{number}"), p, "k"))
        .collect()
}

/// Runs statements in the database of `services`.
async fn run(services: &Services, statements: &'static str) {
    sqlx::raw_sql(statements)
        .execute(services.ledger.pool())
        .await
        .unwrap();
}

/// Waits until `count` sessions of this database wait for a lock.
async fn until_waiting(ledger: &Ledger, count: i64) {
    until("sessions wait for a lock", SOON, async || {
        let waiting: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_stat_activity
              WHERE wait_event_type = 'Lock' AND datname = current_database()",
        )
        .fetch_one(ledger.pool())
        .await
        .unwrap();
        waiting == count
    })
    .await;
}

fn order_ids(settlement: &Settlement) -> Vec<i64> {
    settlement
        .verdicts
        .iter()
        .filter_map(|verdict| match verdict {
            Verdict::Confirmed { order_id } | Verdict::Redelivered { order_id } => Some(*order_id),
            _ => None,
        })
        .collect()
}

#[tokio::test]
async fn a_batch_is_settled_in_order_until_the_stock_is_gone() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 3)]);
    open(&services, &sale).await;
    let p = &sale.products[0].id;
    let jobs: Vec<Job> = (0..5)
        .map(|user| job(&sale, &format!("u{user}"), p, "k"))
        .collect();
    let settlement = settle(&services.ledger, &sale, &jobs).await;
    assert!(matches!(settlement.verdicts[2], Verdict::Confirmed { .. }));
    assert_eq!(
        settlement.verdicts[3..],
        [Verdict::SoldOut, Verdict::SoldOut]
    );
    assert_eq!((settlement.stock, settlement.confirmed), (0, 3));
    let ids = order_ids(&settlement);
    assert!(
        ids.is_sorted(),
        "orders are numbered in order of arrival: {ids:?}"
    );
    assert_law_1(&services.ledger).await;
}

#[tokio::test]
async fn settling_a_batch_again_changes_nothing_and_tells_the_same_orders() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 3)]);
    open(&services, &sale).await;
    let p = &sale.products[0].id;
    let jobs: Vec<Job> = (0..3)
        .map(|user| job(&sale, &format!("u{user}"), p, "k"))
        .collect();
    let first = settle(&services.ledger, &sale, &jobs).await;
    let again = settle(&services.ledger, &sale, &jobs).await;
    assert_eq!(order_ids(&again), order_ids(&first));
    assert!(
        again
            .verdicts
            .iter()
            .all(|verdict| matches!(verdict, Verdict::Redelivered { .. }))
    );
    assert_eq!((again.confirmed, again.stock), (0, 0));
    assert_law_1(&services.ledger).await;
}

/// With units for everybody, nothing but the unique key of the job says that it is a repeat.
#[tokio::test]
async fn a_job_that_comes_again_while_units_are_left_gets_the_order_that_it_has() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 9)]);
    open(&services, &sale).await;
    let mut batch = jobs(&sale, "u", 3);
    let first = settle(&services.ledger, &sale, &batch).await;
    batch.extend(jobs(&sale, "v", 1));
    let again = settle(&services.ledger, &sale, &batch).await;
    assert_eq!(letters(&again), "rrrc");
    assert_eq!(order_ids(&again)[..3], order_ids(&first));
    assert_eq!((again.confirmed, again.stock), (1, 5));
    assert_law_1(&services.ledger).await;
}

#[tokio::test]
async fn a_repeated_key_gets_its_order_and_takes_no_unit_from_the_next_in_line() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 2)]);
    open(&services, &sale).await;
    let p = &sale.products[0].id;
    // As after a loss of Redis: the same key under a new job id.
    let jobs = [
        job(&sale, "u", p, "k"),
        job(&sale, "u", p, "k"),
        job(&sale, "v", p, "k"),
    ];
    let settlement = settle(&services.ledger, &sale, &jobs).await;
    let Verdict::Confirmed { order_id } = settlement.verdicts[0] else {
        panic!()
    };
    assert_eq!(settlement.verdicts[1], Verdict::Redelivered { order_id });
    assert!(matches!(settlement.verdicts[2], Verdict::Confirmed { .. }));
    assert_law_1(&services.ledger).await;
}

#[tokio::test]
async fn a_job_that_contradicts_the_ledger_is_told_apart() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 9), ("q", 9)]);
    open(&services, &sale).await;
    let (p, q) = (&sale.products[0].id, &sale.products[1].id);
    let of_q = job(&sale, "u", q, "k");
    services
        .ledger
        .settle_alone(&sale.id, q, &[&of_q])
        .await
        .unwrap();
    let mut stolen = job(&sale, "w", p, "k");
    stolen.job_id = of_q.job_id;
    let settlement = settle(
        &services.ledger,
        &sale,
        &[job(&sale, "u", p, "k"), stolen, job(&sale, "v", p, "k")],
    )
    .await;
    assert_eq!(
        settlement.verdicts[..2],
        [Verdict::KeyTaken, Verdict::JobIdTaken]
    );
    assert!(matches!(settlement.verdicts[2], Verdict::Confirmed { .. }));
    assert_law_1(&services.ledger).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_settlers_at_once_never_oversell() {
    let services = Services::start().await;
    let mut sale = sale("drop", &[("p", 300)]);
    sale.products[0].max_per_user = Some(2);
    open(&services, &sale).await;
    let p = &sale.products[0].id;
    let jobs: Vec<Job> = (0..800)
        .map(|number| {
            job(
                &sale,
                &format!("u{}", number % 200),
                p,
                &format!("k{number}"),
            )
        })
        .collect();
    let mut settlers = tokio::task::JoinSet::new();
    for settler in 0..8 {
        // Every job is in the hands of two settlers, as after a lease that ran out too early.
        let (ledger, sale) = (services.ledger.clone(), sale.clone());
        let mine: Vec<Job> = jobs
            .iter()
            .enumerate()
            .filter(|(number, _)| number % 8 == settler || (number + 1) % 8 == settler)
            .map(|(_, job)| job.clone())
            .collect();
        settlers.spawn(async move {
            let mut confirmed = 0;
            for batch in mine.chunks(17) {
                confirmed += settle(&ledger, &sale, batch).await.confirmed;
            }
            confirmed
        });
    }
    let confirmed: u32 = settlers.join_all().await.into_iter().sum();
    assert_eq!(confirmed, 300);
    assert_law_1(&services.ledger).await;
    let most: i64 =
        sqlx::query_scalar("SELECT max(n) FROM (SELECT count(*) n FROM orders GROUP BY user_id) c")
            .fetch_one(services.ledger.pool())
            .await
            .unwrap();
    assert_eq!(most, 2);
}

fn letters(settlement: &Settlement) -> String {
    let letter = |verdict: &Verdict| match verdict {
        Verdict::Confirmed { .. } => 'c',
        Verdict::Redelivered { .. } => 'r',
        Verdict::SoldOut => 's',
        Verdict::LimitReached => 'l',
        Verdict::KeyTaken => 'x',
        Verdict::JobIdTaken => 'y',
    };
    settlement.verdicts.iter().map(letter).collect()
}

#[tokio::test]
async fn a_cancelled_order_gives_its_unit_back_once() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 1)]);
    let ledger = &services.ledger;
    ledger.declare(&sale).await.unwrap();
    let before = settle(ledger, &sale, &[job(&sale, "u", &sale.products[0].id, "k")]).await;
    sqlx::query("UPDATE orders SET status = 'CANCELLED'")
        .execute(ledger.pool())
        .await
        .unwrap();
    let level = ledger.stock(&sale.id).await.unwrap().remove(0);
    assert_eq!(level.stock, 1);
    assert!(
        level.version > before.version,
        "Redis must be able to tell that this is news"
    );
    assert_law_1(ledger).await;
    let back = sqlx::query("UPDATE orders SET status = 'COMPLETED'")
        .execute(ledger.pool())
        .await;
    assert!(back.is_err(), "its unit may be sold again");
}

#[tokio::test]
async fn stock_changed_behind_the_ledgers_back_is_refused() {
    let services = Services::start().await;
    let mut sale = sale("drop", &[("p", 1)]);
    sale.products.push(product("q", 2));
    services.ledger.declare(&sale).await.unwrap();
    for statement in [
        "UPDATE products SET stock_quantity = stock_quantity + 1",
        "UPDATE products SET stock_quantity = -1, initial_stock = -1 + sold",
        "UPDATE products SET sold = sold + 1",
    ] {
        let refused = sqlx::query(statement).execute(services.ledger.pool()).await;
        assert!(refused.is_err(), "{statement}");
    }
}

/// Between two transactions the pooler may have given the session another connection, which knows
/// nothing of what was prepared before.
#[tokio::test]
async fn behind_a_transaction_pooler_no_call_relies_on_a_statement_of_an_earlier_one() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 9)]);
    open(&services, &sale).await;
    for transaction_pooler in [false, true] {
        let ledger = Ledger::open(&LedgerConfig {
            url: services.database_url.clone().into(),
            tls: flashsale_transport::TlsSource::System,
            connections: 1,
            transaction_pooler,
            ping_before_use: false,
            bounds: None,
        })
        .unwrap();
        ledger.stock(&sale.id).await.unwrap();
        sqlx::raw_sql("DEALLOCATE ALL")
            .execute(ledger.pool())
            .await
            .unwrap();
        let again = ledger.stock(&sale.id).await;
        assert_eq!(again.is_ok(), transaction_pooler, "{again:?}");
    }
}

/// Whatever a program or a person writes: the last word is the tables'.
#[tokio::test]
async fn no_job_and_no_key_has_two_orders_whoever_writes_them() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 9)]);
    let ledger = &services.ledger;
    ledger.declare(&sale).await.unwrap();
    settle(ledger, &sale, &jobs(&sale, "u", 1)).await;
    for (job, key, constraint) in [
        ("job_id", "'other'", "orders_of_one_job"),
        (
            "gen_random_uuid()",
            "idempotency_key",
            "orders_of_one_key_per_incarnation",
        ),
    ] {
        let statement = format!(
            "INSERT INTO orders (user_id, product_id, status, sale_id, job_id, idempotency_key, price)
               SELECT user_id, product_id, status, sale_id, {job}, {key}, price FROM orders"
        );
        let refused = sqlx::raw_sql(sqlx::AssertSqlSafe(statement))
            .execute(ledger.pool())
            .await
            .unwrap_err();
        let refused = refused.into_database_error().unwrap();
        assert_eq!(refused.constraint(), Some(constraint));
    }
    assert_law_1(ledger).await;
}

/// Redis may be told a figure once the last batch in it is acknowledged, so it matters what is one.
#[tokio::test]
async fn only_a_batch_that_sells_is_the_last_batch_in_a_figure() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 2)]);
    let (ledger, p) = (&services.ledger, &sale.products[0].id);
    ledger.declare(&sale).await.unwrap();
    let level = async || ledger.stock(&sale.id).await.unwrap().remove(0);
    ledger.restock(&sale.id, p, 1, None).await.unwrap();
    assert_eq!(level().await.settled_version, 0);
    let settled = settle(ledger, &sale, &jobs(&sale, "u", 1)).await;
    assert_eq!(level().await.settled_version, settled.version);
    ledger.restock(&sale.id, p, 1, None).await.unwrap();
    run(&services, "UPDATE orders SET status = 'CANCELLED'").await;
    let after = level().await;
    assert_eq!(after.settled_version, settled.version);
    assert_eq!(after.version, settled.version + 2);
}
