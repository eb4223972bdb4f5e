//! Law 8 under everything at once: shoppers, providers, drivers and the shop's own SQL over connections of their
//! own, judged by what the provider has.

use std::{
    cell::Cell,
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use flashsale_domain::{
    id::SaleId,
    job::Job,
    sale::{LatePolicy, Product, Sale},
};
use flashsale_ledger::{
    Checkout, Chore, ChoreKind, ChoreResult, Fault, Ledger, PaymentEvent, PaymentKind,
};
use flashsale_testbed::fixtures::{
    queue::job,
    sales::{open, product},
    services::Services,
};
use proptest::{prelude::*, test_runner::TestRunner};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::{
    assert_law_1, jobs,
    providers::{assert_law_8, provided},
    run, settle,
};

/// What somebody does, to the buy or the session of this number.
#[derive(Debug, Clone)]
enum Step {
    Buy(u8),
    Checkout(usize),
    /// The shopper pays; the event is lost for now.
    Pay(usize),
    /// The event of it comes, perhaps again.
    Hear(usize),
    /// The window ends, and the driver of the lane looks.
    Expire(usize),
    Cancel(usize),
    /// The shop's own SQL.
    Staff(usize, &'static str),
    /// Somebody refunds at the provider.
    Refund(usize),
    Chores,
}

fn step() -> impl Strategy<Value = Step> {
    let any = 0..64_usize;
    prop_oneof![
        2 => (0..6_u8).prop_map(Step::Buy),
        4 => any.clone().prop_map(Step::Checkout),
        4 => any.clone().prop_map(Step::Pay),
        4 => any.clone().prop_map(Step::Hear),
        3 => any.clone().prop_map(Step::Expire),
        1 => any.clone().prop_map(Step::Cancel),
        1 => any.clone().prop_map(|at| Step::Staff(at, "CANCELLED")),
        1 => any.clone().prop_map(|at| Step::Staff(at, "COMPLETED")),
        1 => any.prop_map(Step::Refund),
        2 => Just(Step::Chores),
    ]
}

/// A session at the provider.
#[derive(Debug, Clone, Default)]
struct Account {
    payment: Uuid,
    is_ended: bool,
    paid: i64,
    refunded: i64,
}

/// What all who take part share.
struct Scene {
    ledger: Ledger,
    sale: Sale,
    jobs: Mutex<Vec<Job>>,
    sessions: Mutex<Vec<Account>>,
}

fn at<T: Clone>(all: &Mutex<Vec<T>>, number: usize) -> Option<T> {
    let all = all.lock().unwrap();
    all.get(number % all.len().max(1)).cloned()
}

impl Scene {
    fn event(kind: PaymentKind, payment: Uuid, event: Option<String>) -> PaymentEvent {
        PaymentEvent {
            provider: "till".to_owned(),
            event,
            kind,
            payment: Some(payment),
            session_ref: Some(format!("cs_{payment}")),
            payment_ref: Some(format!("pi_{payment}")),
            amount: product("p", 1).price,
            currency: "USD".to_owned(),
        }
    }

    /// Changes the account of `payment`.
    fn at_provider<T>(&self, payment: Uuid, change: impl FnOnce(&mut Account) -> T) -> T {
        let mut sessions = self.sessions.lock().unwrap();
        let found = sessions
            .iter_mut()
            .find(|account| account.payment == payment);
        change(found.unwrap())
    }

    async fn tell(&self, kind: PaymentKind, payment: Uuid, event: Option<String>) {
        let event = Self::event(kind, payment, event);
        self.ledger.apply_payment(&event).await.unwrap();
    }

    async fn take(&self, step: Step) {
        match step {
            Step::Buy(user) => {
                let key = Uuid::now_v7().to_string();
                let product = &self.sale.products[0].id;
                let job = job(&self.sale, &format!("u{user}"), product, &key);
                settle(&self.ledger, &self.sale, std::slice::from_ref(&job)).await;
                self.jobs.lock().unwrap().push(job);
            }
            Step::Checkout(number) => {
                let Some(job) = at(&self.jobs, number) else {
                    return;
                };
                let opened =
                    self.ledger
                        .open_checkout(job.job_id, &job.data.user_id, Uuid::now_v7());
                if let Checkout::Opening(session) = opened.await.unwrap() {
                    let payment = session.payment;
                    {
                        // Asked twice for one payment, the provider has one session.
                        let mut sessions = self.sessions.lock().unwrap();
                        if sessions.iter().all(|known| known.payment != payment) {
                            sessions.push(Account {
                                payment,
                                ..Account::default()
                            });
                        }
                    }
                    let name = format!("cs_{payment}");
                    let noted = self.ledger.session_opened(payment, &name, "https://till/");
                    noted.await.unwrap();
                }
            }
            Step::Pay(number) => {
                if let Some(Account { payment, .. }) = at(&self.sessions, number) {
                    self.at_provider(payment, |account| {
                        if !account.is_ended {
                            account.paid = product("p", 1).price;
                            account.is_ended = true;
                        }
                    });
                }
            }
            Step::Hear(number) => {
                if let Some(account) = at(&self.sessions, number).filter(|known| known.paid > 0) {
                    let event = (number % 2 == 0).then(|| format!("evt_{}", account.payment));
                    self.tell(PaymentKind::Paid, account.payment, event).await;
                }
            }
            Step::Expire(number) => {
                if let Some(job) = at(&self.jobs, number) {
                    let end = "UPDATE orders SET expires_at = now() - interval '1 hour'
                                WHERE job_id = $1 AND status = 'PENDING'";
                    let ended = sqlx::query(end).bind(job.job_id.0);
                    ended.execute(self.ledger.pool()).await.unwrap();
                    self.expire().await;
                }
            }
            Step::Cancel(number) => {
                if let Some(job) = at(&self.jobs, number) {
                    let cancelled = self.ledger.cancel_order(job.job_id, &job.data.user_id);
                    cancelled.await.unwrap();
                }
            }
            Step::Staff(number, status) => {
                if let Some(job) = at(&self.jobs, number) {
                    let change = "UPDATE orders SET status = $2
                                   WHERE job_id = $1 AND status <> 'CANCELLED' AND status <> $2";
                    let changed = sqlx::query(change).bind(job.job_id.0).bind(status);
                    changed.execute(self.ledger.pool()).await.unwrap();
                }
            }
            Step::Refund(number) => {
                if let Some(Account { payment, .. }) = at(&self.sessions, number) {
                    let is_paid = self.at_provider(payment, |account| {
                        account.refunded = account.paid;
                        account.paid > 0
                    });
                    if is_paid {
                        self.tell(PaymentKind::Refunded, payment, None).await;
                    }
                }
            }
            Step::Chores => {
                self.chores().await;
            }
        }
    }

    /// The lane's driver looks; another may have taken it over, and then that one looks.
    async fn expire(&self) {
        let (sale, product) = (&self.sale.id, &self.sale.products[0].id);
        let driver = self.ledger.take_over(sale, product).await.unwrap();
        let expired = self.ledger.expire_orders(sale, product, driver.driver, 9);
        if let Err(error) = expired.await {
            assert_eq!(error.fault(), Fault::Fenced, "{error}");
        }
    }

    /// A gateway does chores; answers how many.
    async fn chores(&self) -> usize {
        let providers = ["till".to_owned()];
        let claimed = self
            .ledger
            .claim_payment_chores(&providers, 3, Duration::ZERO);
        let chores = claimed.await.unwrap();
        for Chore {
            kind,
            payment,
            session_ref,
            ..
        } in &chores
        {
            let result = match kind {
                ChoreKind::End => {
                    let is_paid = self.at_provider(*payment, |account| {
                        account.is_ended = true;
                        account.paid > 0
                    });
                    if is_paid {
                        self.tell(PaymentKind::Paid, *payment, None).await;
                    }
                    // Nobody has heard of a session without a name, and its answer may be on its way.
                    if session_ref.is_none() {
                        ChoreResult::Failed("not heard of".to_owned())
                    } else {
                        ChoreResult::Ended
                    }
                }
                ChoreKind::Refund => {
                    self.at_provider(*payment, |account| account.refunded = account.paid);
                    ChoreResult::Refunded(format!("re_{payment}"))
                }
            };
            let ended = self.ledger.end_payment_chore(*payment, *kind, result);
            ended.await.unwrap();
        }
        chores.len()
    }

    /// Everything that is on its way arrives.
    async fn settle_down(&self) {
        let sessions = self.sessions.lock().unwrap().clone();
        for account in &sessions {
            let noted = format!("cs_{}", account.payment);
            let opened = self
                .ledger
                .session_opened(account.payment, &noted, "https://till/");
            opened.await.unwrap();
            if account.refunded > 0 {
                self.tell(PaymentKind::Refunded, account.payment, None)
                    .await;
            }
            if account.paid > 0 {
                self.tell(PaymentKind::Paid, account.payment, None).await;
            }
        }
        let end =
            "UPDATE orders SET expires_at = now() - interval '1 hour' WHERE status = 'PENDING'";
        sqlx::raw_sql(end)
            .execute(self.ledger.pool())
            .await
            .unwrap();
        self.expire().await;
        let due = "UPDATE payments SET next_try = now() WHERE next_try IS NOT NULL";
        loop {
            sqlx::raw_sql(due)
                .execute(self.ledger.pool())
                .await
                .unwrap();
            if self.chores().await == 0 {
                return;
            }
        }
    }

    /// What the provider keeps is one completed order's each, and nothing is on its way.
    async fn judge(&self) {
        let payments: Vec<(Uuid, String, Option<String>, i64)> = sqlx::query_as(
            "SELECT p.id, p.state, o.status, COALESCE(o.id, 0)::bigint
               FROM payments p LEFT JOIN orders o ON o.id = p.order_id WHERE p.sale_id = $1",
        )
        .bind(self.sale.id.as_str())
        .fetch_all(self.ledger.pool())
        .await
        .unwrap();
        let sessions = self.sessions.lock().unwrap().clone();
        let accounts = sessions.iter().map(|account| (account.payment, account));
        let accounts: HashMap<Uuid, &Account> = accounts.collect();
        let mut orders = Vec::new();
        for (payment, state, status, order) in payments {
            let account = accounts[&payment];
            let kept = account.paid - account.refunded;
            let told = format!("{payment}: {state}, order {order} {status:?}, {account:?}");
            assert!(
                ["ENDED", "PAID", "REFUNDED"].contains(&state.as_str()),
                "{told}"
            );
            assert_eq!(kept > 0, state == "PAID", "{told}");
            assert_eq!(account.refunded > 0, state == "REFUNDED", "{told}");
            if state == "PAID" {
                assert_eq!(status.as_deref(), Some("COMPLETED"), "{told}");
                orders.push(order);
            }
        }
        let paid = orders.len();
        orders.sort_unstable();
        orders.dedup();
        assert_eq!(orders.len(), paid, "an order was paid twice");
        let beyond: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM (
               SELECT FROM orders o JOIN products p ON p.id = o.product_id
                WHERE o.status <> 'CANCELLED' AND o.sale_id = $1
                GROUP BY o.user_id, p.max_per_user HAVING count(*) > p.max_per_user) AS beyond",
        )
        .bind(self.sale.id.as_str())
        .fetch_one(self.ledger.pool())
        .await
        .unwrap();
        assert_eq!(beyond, 0, "somebody has more than one may");
    }
}

#[test]
fn every_payment_has_one_order_or_one_refund_whatever_happens_at_once() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let services = runtime.block_on(Services::start());
    let numbers = Cell::new(0);
    let (reacquired, refunded) = (Cell::new(0_i64), Cell::new(0_i64));
    let policy = prop_oneof![3 => Just(LatePolicy::Reacquire), 1 => Just(LatePolicy::Refund)];
    let everybody = prop::collection::vec(prop::collection::vec(step(), 8..24), 4);
    let strategy = (1_i32..6, prop::option::of(1_i32..4), policy, everybody);
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 60,
        max_shrink_iters: 100,
        ..ProptestConfig::default()
    });
    let result = runner.run(&strategy, |(stock, max_per_user, on_late, everybody)| {
        let number = numbers.get();
        numbers.set(number + 1);
        runtime.block_on(async {
            let name = format!("sale{number}");
            let product = Product {
                max_per_user,
                ..product(&format!("p{number}"), stock)
            };
            let sale = Sale {
                id: SaleId::new(name).unwrap(),
                products: vec![product],
                ..provided(stock, on_late)
            };
            services.ledger.declare(&sale).await.unwrap();
            let scene = Arc::new(Scene {
                ledger: services.ledger.clone(),
                sale,
                jobs: Mutex::default(),
                sessions: Mutex::default(),
            });
            for user in 0..4 {
                scene.take(Step::Buy(user)).await;
                scene.take(Step::Checkout(user.into())).await;
            }
            let mut tasks = JoinSet::new();
            for steps in everybody {
                let scene = scene.clone();
                tasks.spawn(async move {
                    for step in steps {
                        scene.take(step).await;
                    }
                });
            }
            tasks.join_all().await;
            scene.settle_down().await;
            scene.judge().await;
            assert_law_1(&services.ledger).await;
            assert_law_8(&services.ledger).await;
            let counted = "SELECT count(*) FILTER (WHERE late_for IS NOT NULL),
                                  count(*) FILTER (WHERE state = 'REFUNDED') FROM payments";
            let (late, back) = sqlx::query_as(counted)
                .fetch_one(services.ledger.pool())
                .await
                .unwrap();
            reacquired.set(late);
            refunded.set(back);
        });
        Ok(())
    });
    result.unwrap();
    let counts = (reacquired.get(), refunded.get());
    println!(
        "{} orders reacquired, {} payments refunded",
        counts.0, counts.1
    );
    assert!(counts.0 > 10 && counts.1 > 10, "{counts:?}");
}

/// Each call, with an argument that is a payment, a job, a shopper or nothing.
const CALLS: [&str; 9] = [
    "SELECT FROM claim_payment_chores(ARRAY['till'], 100, 60000)",
    "SELECT open_checkout(job_id, user_id, gen_random_uuid()) FROM given",
    "SELECT session_opened(id, 'cs', 'https://till/') FROM given",
    "SELECT session_failed(id, 'away') FROM given",
    "SELECT apply_payment('till', id::text, 'paid', id, NULL, 'pi', 1, 'USD') FROM given",
    "SELECT apply_payment('till', NULL, 'refunded', NULL, NULL, 'pi', 1, 'USD')",
    "SELECT apply_payment('till', NULL, 'ended', NULL, session_ref, NULL, 0, '') FROM given",
    "SELECT cancel_order(job_id, user_id) FROM given",
    "SELECT end_payment_chore(id, 'end', 'failed', 'away') FROM given",
];

/// What fifty thousand sessions cost whose orders expire at one instant.
#[tokio::test]
async fn fifty_thousand_sessions_are_ended_by_indexes_alone() {
    let services = Services::start().await;
    let (ledger, sale) = (&services.ledger, provided(60_000, LatePolicy::Reacquire));
    open(&services, &sale).await;
    let mut session = ledger.pool().acquire().await.unwrap();
    let no_payments = "CREATE TEMPORARY TABLE given AS
        SELECT p.id, p.session_ref, o.job_id, o.user_id FROM payments p JOIN orders o ON o.id = p.order_id LIMIT 0";
    sqlx::raw_sql(no_payments)
        .execute(&mut *session)
        .await
        .unwrap();
    // The plans of the first calls, while the tables are empty, are kept.
    for call in CALLS.repeat(6) {
        sqlx::raw_sql(call).execute(&mut *session).await.unwrap();
    }
    for batch in 0..10 {
        settle(ledger, &sale, &jobs(&sale, &format!("b{batch}-"), 5_000)).await;
    }
    run(
        &services,
        "INSERT INTO payments (id, order_id, product_id, sale_id, user_id, provider, amount, currency, state,
                               session_ref, expires_at)
           SELECT gen_random_uuid(), id, product_id, sale_id, user_id,
                  CASE WHEN id % 2 = 0 THEN 'till' ELSE 'other' END, price, 'USD', 'OPEN', id::text, expires_at
             FROM orders;
         INSERT INTO payment_events (provider, event_id, kind)
           SELECT 'till', n::text, 'paid' FROM generate_series(1, 50000) AS n",
    )
    .await;
    let some = "INSERT INTO given SELECT p.id, p.session_ref, o.job_id, o.user_id
                  FROM payments p JOIN orders o ON o.id = p.order_id WHERE p.provider = 'till' LIMIT 1";
    sqlx::raw_sql(some).execute(&mut *session).await.unwrap();
    for call in CALLS {
        sqlx::raw_sql("BEGIN").execute(&mut *session).await.unwrap();
        sqlx::raw_sql(call).execute(&mut *session).await.unwrap();
        let scanned: Vec<String> = sqlx::query_scalar(
            "SELECT relname::text FROM pg_stat_xact_user_tables
              WHERE seq_scan > 0 AND relname IN ('payments', 'payment_events', 'orders', 'products')",
        )
        .fetch_all(&mut *session)
        .await
        .unwrap();
        assert!(scanned.is_empty(), "{call} reads all of {scanned:?}");
        sqlx::raw_sql("ROLLBACK")
            .execute(&mut *session)
            .await
            .unwrap();
    }
    drop(session);

    let product = &sale.products[0].id;
    let driver = ledger.take_over(&sale.id, product).await.unwrap();
    run(
        &services,
        "UPDATE orders SET expires_at = now() - interval '1 hour'",
    )
    .await;
    let (mut expired, mut slowest, began) = (0, Duration::ZERO, Instant::now());
    while expired < 50_000 {
        let call = Instant::now();
        let expiry = ledger.expire_orders(&sale.id, product, driver.driver, 1_000);
        expired += expiry.await.unwrap().expired;
        slowest = slowest.max(call.elapsed());
    }
    println!(
        "expired in {:?}, the slowest 1,000 in {slowest:?}",
        began.elapsed()
    );
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    let (mut claimed, mut slowest, began) = (0, Duration::ZERO, Instant::now());
    loop {
        let call = Instant::now();
        let providers = ["till".to_owned()];
        let chores = ledger.claim_payment_chores(&providers, 100, Duration::from_mins(10));
        let chores = chores.await.unwrap();
        slowest = slowest.max(call.elapsed());
        claimed += chores.len();
        if chores.is_empty() {
            break;
        }
    }
    assert_eq!(claimed, 25_000);
    println!(
        "claimed in {:?}, the slowest 100 in {slowest:?}",
        began.elapsed()
    );
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
}
