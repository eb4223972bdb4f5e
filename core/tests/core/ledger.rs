//! The ledger's transactions on a real PostgreSQL, against a model that says in a few lines what
//! must come out.
#![allow(
    clippy::unwrap_used,
    reason = "tests say by unwrapping what they take for granted"
)]

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use flashsale_core::{
    id::ProductId,
    job::Job,
    ledger::{BatchTurn, Fault, Ledger, LedgerError, Settlement, Verdict, WaitReason},
    sale::Sale,
};
use flashsale_testbed::fixtures::{
    patience::until,
    queue::job,
    sales::{open, product, sale},
    services::Services,
};
use proptest::{prelude::*, test_runner::TestRunner};

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
                (SELECT count(*) FROM orders o WHERE o.product_id = p.id AND o.status <> 'CANCELLED')
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

#[tokio::test]
async fn jobs_of_a_product_that_the_sale_does_not_offer_wait_for_its_declaration() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 9)]);
    let stray = job(&sale, "u", &sale.products[0].id, "k");
    let error = services
        .ledger
        .settle_alone(&sale.id, &sale.products[0].id, &[&stray])
        .await
        .unwrap_err();
    assert_eq!(error.fault(), Fault::Server(WaitReason::NotOffered));
    assert!(error.is_outage(), "no job is to blame: {error}");
}

#[tokio::test]
async fn a_driver_that_was_replaced_can_settle_nothing_more() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 1)]);
    open(&services, &sale).await;
    let (ledger, p) = (&services.ledger, &sale.products[0].id);
    let jobs = [job(&sale, "u", p, "k"), job(&sale, "v", p, "k")];
    let jobs: Vec<&Job> = jobs.iter().collect();
    let paused = ledger.take_over(&sale.id, p).await.unwrap();
    // Its successor settles the batch: the second shopper is told that nothing is left.
    settle(ledger, &sale, &[jobs[0].clone(), jobs[1].clone()]).await;
    ledger.restock(&sale.id, p, 5, None).await.unwrap();
    let late = ledger
        .settle(&sale.id, p, &paused.next(0..=9), &jobs)
        .await
        .unwrap_err();
    assert_eq!(late.fault(), Fault::Fenced);
    assert!(!late.is_outage());
    let again = settle(ledger, &sale, &[jobs[0].clone(), jobs[1].clone()]).await;
    assert_eq!(letters(&again), "rs", "nothing is decided twice");
    assert_law_1(ledger).await;
}

#[tokio::test]
async fn a_batch_sent_again_gets_the_answers_of_the_first_time() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 1)]);
    open(&services, &sale).await;
    let (ledger, p) = (&services.ledger, &sale.products[0].id);
    let jobs = [job(&sale, "u", p, "k"), job(&sale, "v", p, "k")];
    let jobs: Vec<&Job> = jobs.iter().collect();
    let turn = ledger.take_over(&sale.id, p).await.unwrap().next(5..=9);
    let first = ledger.settle(&sale.id, p, &turn, &jobs).await.unwrap();
    assert_eq!(letters(&first), "cs");
    ledger.restock(&sale.id, p, 5, None).await.unwrap();
    let again = ledger.settle(&sale.id, p, &turn, &jobs).await.unwrap();
    assert_eq!((letters(&again).as_str(), again.confirmed), ("rs", 0));
    assert_eq!(order_ids(&again), order_ids(&first));
    let other = job(&sale, "w", p, "k");
    let error = ledger
        .settle(&sale.id, p, &turn, &[&other])
        .await
        .unwrap_err();
    assert_eq!(
        error.fault(),
        Fault::OutOfTurn,
        "another batch of the same number"
    );
    assert_law_1(ledger).await;
}

#[tokio::test]
async fn a_batch_sent_ahead_is_refused_until_the_one_before_it_is_settled() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 9)]);
    open(&services, &sale).await;
    let (ledger, p) = (&services.ledger, &sale.products[0].id);
    let (first, second) = (job(&sale, "u", p, "k"), job(&sale, "v", p, "k"));
    let first_turn = ledger.take_over(&sale.id, p).await.unwrap().next(0..=9);
    let second_turn = following(&first_turn);
    let ahead = async || ledger.settle(&sale.id, p, &second_turn, &[&second]).await;
    assert_eq!(ahead().await.unwrap_err().fault(), Fault::OutOfTurn);
    assert_law_1(ledger).await;
    ledger
        .settle(&sale.id, p, &first_turn, &[&first])
        .await
        .unwrap();
    let settlement = ahead().await.unwrap();
    assert_eq!((settlement.confirmed, settlement.stock), (1, 7));
    assert_law_1(ledger).await;
}

/// The turn of the batch behind the one of `turn`.
fn following(turn: &BatchTurn) -> BatchTurn {
    BatchTurn {
        batch: turn.batch + 1,
        ..turn.clone()
    }
}

#[tokio::test]
async fn a_batch_sent_ahead_follows_the_one_that_is_being_settled() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 900)]);
    open(&services, &sale).await;
    let (ledger, p) = (&services.ledger, &sale.products[0].id);
    let batch = |of: &str| -> Vec<Job> {
        (0..200)
            .map(|nth| job(&sale, &format!("{of}{nth}"), p, "k"))
            .collect()
    };
    let (first, second) = (batch("a"), batch("b"));
    let first_turn = ledger.take_over(&sale.id, p).await.unwrap().next(0..=9);
    // Whoever holds the row keeps both waiting, so that the second is certainly sent ahead.
    let mut holder = ledger.pool().begin().await.unwrap();
    sqlx::query("SELECT 1 FROM products FOR UPDATE")
        .execute(&mut *holder)
        .await
        .unwrap();
    let waiting = async |count: i64| {
        until("settlers wait for the row", SOON, async || {
            let waiting: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'
                    AND datname = current_database()",
            )
            .fetch_one(ledger.pool())
            .await
            .unwrap();
            waiting == count
        })
        .await;
    };
    let send = async |turn: &BatchTurn, jobs: &[Job]| {
        let jobs: Vec<&Job> = jobs.iter().collect();
        ledger.settle(&sale.id, p, turn, &jobs).await.unwrap()
    };
    let (first, second, ()) = tokio::join!(
        send(&first_turn, &first),
        async {
            waiting(1).await;
            send(&following(&first_turn), &second).await
        },
        async {
            waiting(2).await;
            holder.commit().await.unwrap();
        }
    );
    assert_eq!((first.confirmed, first.stock), (200, 700));
    assert_eq!((second.confirmed, second.stock), (200, 500));
    assert!(order_ids(&first).last() < order_ids(&second).first());
    assert_law_1(ledger).await;
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

/// What a batch must come to, by the definition of the laws.
#[derive(Default)]
struct Model {
    stock: i32,
    max_per_user: Option<i32>,
    orders: HashSet<(String, String)>,
    units: HashMap<String, i32>,
}

impl Model {
    fn settle(&mut self, jobs: &[Job]) -> String {
        jobs.iter().map(|job| self.decide(job)).collect()
    }

    fn decide(&mut self, job: &Job) -> char {
        let user = job.data.user_id.to_string();
        let buy = (user.clone(), job.data.idempotency_key.to_string());
        if self.orders.contains(&buy) {
            return 'r';
        }
        let units = self.units.entry(user).or_default();
        if self.max_per_user.is_some_and(|most| *units >= most) {
            return 'l';
        }
        if self.stock == 0 {
            return 's';
        }
        self.stock -= 1;
        *units += 1;
        self.orders.insert(buy);
        'c'
    }
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

/// Whatever is sent, in whatever batches, with repeats and limits and too little stock: the
/// database's function decides as the model does.
#[test]
fn settling_decides_as_the_model_does() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let services = runtime.block_on(Services::start());
    let batches = prop::collection::vec(prop::collection::vec((0_u8..6, 0_u8..4), 1..12), 1..6);
    let strategy = (0_i32..12, prop::option::of(1_i32..4), batches);
    let numbers = std::cell::Cell::new(0);
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 60,
        ..ProptestConfig::default()
    });
    let result = runner.run(&strategy, |(stock, max_per_user, batches)| {
        let number = numbers.get();
        numbers.set(number + 1);
        let mut sale = sale(&format!("drop{number}"), &[(&format!("p{number}"), stock)]);
        sale.products[0].max_per_user = max_per_user;
        let mut model = Model {
            stock,
            max_per_user,
            ..Model::default()
        };
        runtime.block_on(async {
            open(&services, &sale).await;
            for batch in &batches {
                let p = &sale.products[0].id;
                let jobs: Vec<Job> = batch
                    .iter()
                    .map(|(user, key)| job(&sale, &format!("u{user}"), p, &format!("k{key}")))
                    .collect();
                let settlement = settle(&services.ledger, &sale, &jobs).await;
                prop_assert_eq!(letters(&settlement), model.settle(&jobs));
                prop_assert_eq!(settlement.stock, model.stock);
            }
            assert_law_1(&services.ledger).await;
            Ok(())
        })
    });
    result.unwrap();
}

#[tokio::test]
async fn declaring_twice_changes_nothing_and_an_edit_is_applied_as_a_difference() {
    let services = Services::start().await;
    let mut sale = sale("drop", &[("p", 10)]);
    let ledger = &services.ledger;
    ledger.declare(&sale).await.unwrap();
    let p = sale.products[0].id.clone();
    let jobs: Vec<Job> = (0..4)
        .map(|user| job(&sale, &format!("u{user}"), &p, "k"))
        .collect();
    settle(ledger, &sale, &jobs).await;
    assert_eq!(ledger.declare(&sale).await.unwrap().levels[0].stock, 6);
    ledger.restock(&sale.id, &p, 5, None).await.unwrap();
    assert_eq!(
        ledger.declare(&sale).await.unwrap().levels[0].stock,
        11,
        "a restock by hand is kept"
    );
    sale.products[0].stock = 12;
    assert_eq!(ledger.declare(&sale).await.unwrap().levels[0].stock, 13);
    sale.products[0].stock = 1;
    let level = ledger.declare(&sale).await.unwrap().levels.remove(0);
    assert_eq!(
        level.stock, 2,
        "12 to 1 takes back 11 of the 13 that are left"
    );
    assert_law_1(ledger).await;
}

#[tokio::test]
async fn taken_off_sale_and_put_back_a_product_offers_no_more_than_before() {
    let services = Services::start().await;
    let mut sale = sale("drop", &[("p", 10)]);
    let ledger = &services.ledger;
    ledger.declare(&sale).await.unwrap();
    let p = sale.products[0].id.clone();
    let jobs: Vec<Job> = (0..4)
        .map(|user| job(&sale, &format!("u{user}"), &p, "k"))
        .collect();
    settle(ledger, &sale, &jobs).await;
    for (declared, left) in [(0, 0), (0, 0), (3, 0), (10, 6), (10, 6), (2, 0), (5, 1)] {
        sale.products[0].stock = declared;
        let level = ledger.declare(&sale).await.unwrap().levels.remove(0);
        assert_eq!(level.stock, left, "{declared} declared, 4 sold");
        assert_law_1(ledger).await;
    }
}

#[tokio::test]
async fn units_already_sold_are_never_taken_back() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 3)]);
    let ledger = &services.ledger;
    ledger.declare(&sale).await.unwrap();
    let p = &sale.products[0].id;
    settle(ledger, &sale, &[job(&sale, "u", p, "k")]).await;
    let restocked = ledger.restock(&sale.id, p, -10, None).await.unwrap();
    assert_eq!((restocked.change, restocked.level.stock), (-2, 0));
    assert_law_1(ledger).await;
    let unknown = ProductId::new("nothing").unwrap();
    let error = ledger
        .restock(&sale.id, &unknown, 1, None)
        .await
        .unwrap_err();
    assert!(matches!(error, LedgerError::UnknownProduct { .. }));
}

#[tokio::test]
async fn two_sales_cannot_offer_one_product_until_the_first_lets_go() {
    let services = Services::start().await;
    let (first, second) = (sale("one", &[("p", 3)]), sale("two", &[("p", 8), ("q", 1)]));
    let ledger = &services.ledger;
    ledger.declare(&first).await.unwrap();
    let error = ledger.declare(&second).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "product p is offered by sale one; take it out of one of the two sales"
    );
    assert!(
        ledger.stock(&second.id).await.unwrap().is_empty(),
        "a refused declaration changes nothing"
    );
    ledger.release(&first.id).await.unwrap();
    assert_eq!(ledger.declare(&second).await.unwrap().levels[0].stock, 8);
    assert_law_1(ledger).await;
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

#[tokio::test]
async fn the_first_designs_columns_are_enough_to_add_a_product() {
    let services = Services::start().await;
    sqlx::query("INSERT INTO products (id, name, price, stock_quantity) VALUES ('p', 'P', 1, 7)")
        .execute(services.ledger.pool())
        .await
        .unwrap();
    assert_law_1(&services.ledger).await;
    services.ledger.migrate().await.unwrap();
}
