//! Orders that have to be paid: what is not paid in time is on sale again, and Redis hears of every order that
//! changes, whoever changes it and whichever worker is alive.
#![allow(
    clippy::unwrap_used,
    reason = "tests say by unwrapping what they take for granted"
)]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use flashsale_domain::{
    event::OrdersChanged,
    id::JobId,
    job::Job,
    order::OrderState,
    sale::{LatePolicy, PaymentWindow, Sale},
};
use flashsale_ledger::{Applied, Checkout, PaymentEvent, PaymentKind};
use flashsale_queue::{
    catalogue,
    keys::{ORDERS, SaleKeys},
    lane,
    turnstile::Admission,
};
use flashsale_testbed::fixtures::{
    patience::until,
    queue::{admit, buy, depth, job, push},
    sales::{open, sale},
    services::Services,
};
use redis::AsyncCommands;
use uuid::Uuid;

use crate::{control_loop::ControlLoop, running::Worker};

const SOON: Duration = Duration::from_secs(20);

/// Time to pay that no test waits for.
const LONG: u32 = 600;

/// A sale whose orders have to be paid within `seconds`.
fn paid_sale(products: &[(&str, i32)], seconds: u32) -> Sale {
    Sale {
        payment: Some(PaymentWindow {
            window_seconds: seconds,
            grace_seconds: 0,
            provider: None,
            on_late: LatePolicy::Reacquire,
        }),
        ..sale("drop", products)
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

async fn order_of(services: &Services, job: &Job) -> i64 {
    let order = services.ledger.order_of_job(job.job_id).await.unwrap();
    order.unwrap().id
}

/// What Redis says of an order.
async fn told(services: &Services, sale: &Sale, order: i64) -> Option<String> {
    let orders = SaleKeys::new(&sale.id).orders();
    services.queue.clone().hget(orders, order).await.unwrap()
}

async fn is_told(services: &Services, sale: &Sale, order: i64, state: &str) {
    until(&format!("order {order} is {state}"), SOON, async || {
        told(services, sale, order).await.as_deref() == Some(state)
    })
    .await;
}

async fn emptied(services: &Services, sale: &Sale) {
    until("the lane is empty", SOON, async || {
        depth(services, sale, 0).await == 0
    })
    .await;
}

async fn count(services: &Services, what: &str) -> i64 {
    let text = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {what}"));
    sqlx::query_scalar(text)
        .fetch_one(services.ledger.pool())
        .await
        .unwrap()
}

/// Law 1.
async fn no_unit_is_lost_or_sold_twice(services: &Services) {
    let wrong = "products WHERE stock_quantity < 0 OR initial_stock <> stock_quantity + (
        SELECT count(*) FROM orders WHERE product_id = products.id AND status <> 'CANCELLED')";
    assert_eq!(count(services, wrong).await, 0);
}

async fn execute(services: &Services, statement: &str) {
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement.to_owned()))
        .execute(services.ledger.pool())
        .await
        .unwrap();
}

#[tokio::test]
async fn an_order_that_is_not_paid_in_time_makes_room_for_another_shopper() {
    let services = Services::start().await;
    let sale = paid_sale(&[("p", 1)], 2);
    open(&services, &sale).await;
    let mut heard = services.queue.subscribe(&[ORDERS]).await.unwrap();
    let worker = Worker::start(&services, "w", 1);
    let jobs = push_jobs(&services, &sale, 0..1).await;
    emptied(&services, &sale).await;
    let order = order_of(&services, &jobs[0]).await;
    let state = told(&services, &sale, order).await.unwrap();
    let state: OrderState = state.parse().unwrap();
    let OrderState::Pending {
        expires_ms: Some(expires_ms),
    } = state
    else {
        panic!("{state:?}");
    };
    let sold_out = admit(&services, &sale, &[buy(&sale, "other", 0, "k")]).await;
    assert!(matches!(sold_out[0], Admission::SoldOut), "{sold_out:?}");

    is_told(&services, &sale, order, "x expired").await;
    let message = heard.next().await.unwrap();
    let changed = OrdersChanged::parse(message.get_payload_bytes()).unwrap();
    let expired = "x expired".to_owned();
    let user = jobs[0].data.user_id.clone();
    assert_eq!(changed.orders, [(user, jobs[0].job_id, order, expired)]);
    let late = lane::now_ms(&mut services.queue.clone()).await.unwrap() - expires_ms;
    println!("told {late} ms after it expired");
    assert!(late >= 0, "cancelled {} ms too early", -late);

    until("the unit is bought", SOON, async || {
        let admitted = admit(&services, &sale, &[buy(&sale, "other", 0, "k")]).await;
        matches!(
            admitted[0],
            Admission::Queued { .. } | Admission::Replayed { .. }
        )
    })
    .await;
    until("the other has the unit", SOON, async || {
        count(
            &services,
            "orders WHERE user_id = 'other' AND status = 'PENDING'",
        )
        .await
            == 1
    })
    .await;
    no_unit_is_lost_or_sold_twice(&services).await;
    assert_eq!(worker.metrics.order_follow_failures.get(), 0);
    worker.stop().await;
}

#[tokio::test]
async fn orders_of_a_worker_that_was_killed_are_expired_by_another() {
    let services = Services::start().await;
    let sale = paid_sale(&[("p", 5)], 2);
    open(&services, &sale).await;
    let first = Worker::start(&services, "first", 1);
    let jobs = push_jobs(&services, &sale, 0..5).await;
    emptied(&services, &sale).await;
    first.kill();
    assert_eq!(count(&services, "orders WHERE status = 'PENDING'").await, 5);
    let second = Worker::start(&services, "second", 1);
    for job in &jobs {
        let order = order_of(&services, job).await;
        is_told(&services, &sale, order, "x expired").await;
    }
    let sale_label = &[sale.id.as_str()];
    let expired = second.metrics.orders_expired.with_label_values(sale_label);
    assert_eq!(expired.get(), 5);
    no_unit_is_lost_or_sold_twice(&services).await;
    second.stop().await;
}

#[tokio::test]
async fn what_the_shop_does_to_orders_by_itself_is_told() {
    let services = Services::start().await;
    let sale = paid_sale(&[("p", 3)], LONG);
    open(&services, &sale).await;
    let worker = Worker::start(&services, "w", 1);
    let jobs = push_jobs(&services, &sale, 0..3).await;
    emptied(&services, &sale).await;
    let mut orders = Vec::new();
    for job in &jobs {
        orders.push(order_of(&services, job).await);
    }
    let [paid, cancelled, waiting] = orders[..] else {
        panic!("{orders:?}");
    };
    execute(
        &services,
        &format!("UPDATE orders SET status = 'COMPLETED' WHERE id = {paid}"),
    )
    .await;
    is_told(&services, &sale, paid, "c").await;
    let update = "UPDATE orders SET status = 'CANCELLED', end_reason = 'staff'";
    execute(&services, &format!("{update} WHERE id = {cancelled}")).await;
    is_told(&services, &sale, cancelled, "x staff").await;
    let state = told(&services, &sale, waiting).await.unwrap();
    assert!(state.starts_with("p "), "{state}");
    until("the unit is on sale again", SOON, async || {
        let stock = SaleKeys::new(&sale.id).stock();
        let left: i32 = services.queue.clone().hget(stock, "p").await.unwrap();
        left == 1
    })
    .await;
    until("the ledger knows what was told", SOON, async || {
        count(&services, "products WHERE told_seq = event_seq").await == 1
    })
    .await;
    worker.stop().await;
}

/// A payment that came too late has a new order, of which nobody has sent a buy.
#[tokio::test]
async fn an_order_that_is_made_in_the_place_of_one_that_expired_is_told() {
    let services = Services::start().await;
    let mut sale = paid_sale(&[("p", 2)], LONG);
    sale.payment.as_mut().unwrap().provider = Some("till".to_owned());
    open(&services, &sale).await;
    let worker = Worker::start(&services, "w", 1);
    let job = push_jobs(&services, &sale, 0..1).await.remove(0);
    emptied(&services, &sale).await;
    let expired = order_of(&services, &job).await;
    let payment = Uuid::now_v7();
    let checkout = services
        .ledger
        .open_checkout(job.job_id, &job.data.user_id, payment)
        .await;
    assert!(matches!(checkout, Ok(Checkout::Opening(_))), "{checkout:?}");
    let end = "UPDATE orders SET expires_at = now() - interval '1 hour'";
    execute(&services, end).await;
    is_told(&services, &sale, expired, "x expired").await;

    let mut heard = services.queue.subscribe(&[ORDERS]).await.unwrap();
    let event = PaymentEvent {
        provider: "till".to_owned(),
        event: None,
        kind: PaymentKind::Paid,
        payment: Some(payment),
        session_ref: None,
        payment_ref: Some("pi_1".to_owned()),
        amount: sale.products[0].price,
        currency: "USD".to_owned(),
    };
    let applied = services.ledger.apply_payment(&event).await.unwrap();
    assert_eq!(applied, Applied::Reacquired);
    let made = services.ledger.order_of_job(JobId(payment)).await.unwrap();
    let made = made.unwrap().id;
    is_told(&services, &sale, made, "c").await;
    let message = heard.next().await.unwrap();
    let changed = OrdersChanged::parse(message.get_payload_bytes()).unwrap();
    let paid = (job.data.user_id, JobId(payment), made, "c".to_owned());
    assert_eq!(changed.orders, [paid]);
    until("Redis has the stock", SOON, async || {
        let stock = SaleKeys::new(&sale.id).stock();
        let left: i32 = services.queue.clone().hget(stock, "p").await.unwrap();
        left == 1
    })
    .await;
    // The next buy gets the unit that is left, by the figure that was told.
    push_jobs(&services, &sale, 1..3).await;
    emptied(&services, &sale).await;
    assert_eq!(
        count(&services, "orders WHERE status <> 'CANCELLED'").await,
        2
    );
    no_unit_is_lost_or_sold_twice(&services).await;
    worker.stop().await;
}

/// What was told is forgotten by the ledger, and now by Redis, too.
#[tokio::test]
async fn a_redis_that_lost_what_it_was_told_hears_it_again() {
    let services = Services::start().await;
    let sale = paid_sale(&[("p", 2)], LONG);
    open(&services, &sale).await;
    let worker = Worker::start(&services, "w", 1);
    let jobs = push_jobs(&services, &sale, 0..2).await;
    emptied(&services, &sale).await;
    let first = order_of(&services, &jobs[0]).await;
    let second = order_of(&services, &jobs[1]).await;
    let complete = "UPDATE orders SET status = 'COMPLETED' WHERE id =";
    execute(&services, &format!("{complete} {first}")).await;
    until("the ledger has forgotten it", SOON, async || {
        count(&services, "products WHERE told_seq = 1").await == 1
            && count(&services, "order_events").await == 0
    })
    .await;
    let keys = SaleKeys::new(&sale.id);
    let mut queue = services.queue.clone();
    let _: u32 = queue.unlink(&[keys.due(), keys.orders()]).await.unwrap();
    execute(&services, &format!("{complete} {second}")).await;
    is_told(&services, &sale, second, "c").await;
    is_told(&services, &sale, first, "c").await;
    until("Redis knows how far it was told", SOON, async || {
        let told: Option<i64> = queue.clone().hget(keys.due(), "p!").await.unwrap();
        told == Some(2)
    })
    .await;
    worker.stop().await;
}

#[tokio::test]
async fn a_lane_with_nothing_in_it_is_taken_when_its_orders_are_due() {
    let services = Services::start().await;
    let sale = paid_sale(&[("p", 1), ("q", 1)], 2);
    open(&services, &sale).await;
    let lane = sale.products[0].id.clone();
    let job = job(&sale, "u", &lane, "k");
    let settled = services.ledger.settle_alone(&sale.id, &lane, &[&job]).await;
    assert_eq!(settled.unwrap().confirmed, 1);
    let mut queue = services.queue.clone();
    let due = SaleKeys::new(&sale.id).due();
    let later = lane::now_ms(&mut queue).await.unwrap() + 3_600_000;
    let fields = [("p", later), ("p!", 0), ("q", later), ("q!", 0)];
    let () = queue.hset_multiple(&due, &fields).await.unwrap();
    let worker = Worker::start(&services, "w", 2);
    admit(&services, &sale, &[buy(&sale, "v", 1, "k")]).await;
    until("the other product has an order", SOON, async || {
        count(&services, "orders WHERE product_id = 'q'").await == 1
    })
    .await;
    let order = order_of(&services, &job).await;
    until("the other product's order expired", SOON, async || {
        count(
            &services,
            "orders WHERE product_id = 'q' AND status = 'CANCELLED'",
        )
        .await
            == 1
    })
    .await;
    assert_eq!(worker.metrics.lanes_taken.get(), 1, "nothing is due in it");
    assert_eq!(told(&services, &sale, order).await, None);
    let _: u32 = queue.hset(&due, "p", later - 3_600_000).await.unwrap();
    is_told(&services, &sale, order, "x expired").await;
    let next: i64 = queue.hget(&due, "p").await.unwrap();
    assert!(next > later - 3_600_000, "it is not due any more");
    worker.stop().await;
}

/// The window was taken away from the sale: orders that wait keep theirs.
#[tokio::test]
async fn orders_that_wait_expire_where_nothing_has_to_be_paid_any_more() {
    let services = Services::start().await;
    let sale = paid_sale(&[("p", 1)], 2);
    open(&services, &sale).await;
    let free = Sale {
        payment: None,
        ..sale.clone()
    };
    let mut queue = services.queue.clone();
    catalogue::announce(&mut queue, &free, false).await.unwrap();
    let worker = Worker::start(&services, "w", 1);
    let jobs = push_jobs(&services, &sale, 0..1).await;
    emptied(&services, &sale).await;
    let order = order_of(&services, &jobs[0]).await;
    is_told(&services, &sale, order, "x expired").await;
    worker.stop().await;
}

/// A tool took the product over while its lane was idle.
#[tokio::test]
async fn a_driver_that_was_succeeded_while_idle_lets_its_lane_be_taken_anew() {
    let services = Services::start().await;
    let sale = paid_sale(&[("p", 1)], 3);
    open(&services, &sale).await;
    let worker = Worker::start(&services, "w", 1);
    let jobs = push_jobs(&services, &sale, 0..1).await;
    emptied(&services, &sale).await;
    let product = &sale.products[0].id;
    services.ledger.take_over(&sale.id, product).await.unwrap();
    let order = order_of(&services, &jobs[0]).await;
    is_told(&services, &sale, order, "x expired").await;
    assert_eq!(worker.metrics.fenced.get(), 1);
    worker.stop().await;
}

#[tokio::test]
async fn thousands_of_orders_expire_while_others_are_settled() {
    const MANY: u32 = 5_000;
    let services = Arc::new(Services::start().await);
    let sale = paid_sale(&[("p", 100_000)], LONG);
    open(&services, &sale).await;
    let product = &sale.products[0].id;
    let jobs: Vec<Job> = (0..MANY)
        .map(|user| job(&sale, &format!("u{user}"), product, "k"))
        .collect();
    let jobs: Vec<&Job> = jobs.iter().collect();
    for batch in jobs.chunks(1_000) {
        let settled = services.ledger.settle_alone(&sale.id, product, batch).await;
        assert_eq!(settled.unwrap().confirmed, 1_000);
    }
    let worker = Worker::start(&services, "w", 1);
    let flow = {
        let (services, sale) = (Arc::clone(&services), sale.clone());
        tokio::spawn(async move {
            for user in MANY.. {
                push_jobs(&services, &sale, user..user + 1).await;
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
    };
    let of_others = format!("orders WHERE substr(user_id, 2)::int >= {MANY}");
    until("others are settled", SOON, async || {
        count(&services, &of_others).await > 0
    })
    .await;
    let all_at_once = format!("UPDATE orders SET expires_at = now() WHERE id <= {MANY}");
    execute(&services, &all_at_once).await;
    let cancelled = "orders WHERE status = 'CANCELLED'";
    let took = until("all have expired", Duration::from_mins(1), async || {
        count(&services, cancelled).await == i64::from(MANY)
    })
    .await;
    flow.abort();
    let between: (i64, f64) = sqlx::query_as(
        "SELECT count(*), COALESCE(max(gap), 0)::float8 FROM (
           SELECT extract(epoch FROM created_at - lag(created_at) OVER (ORDER BY created_at)) AS gap
             FROM orders WHERE created_at BETWEEN
               (SELECT min(ended_at) - interval '1 second' FROM orders)
               AND (SELECT max(ended_at) FROM orders)) AS settled",
    )
    .fetch_one(services.ledger.pool())
    .await
    .unwrap();
    println!("{MANY} expired within {took:?}; settled meanwhile, longest pause in s: {between:?}");
    let between = "orders WHERE created_at > (SELECT min(ended_at) FROM orders)
                     AND created_at < (SELECT max(ended_at) FROM orders)";
    assert!(
        count(&services, between).await > 0,
        "settlement stood still"
    );
    emptied(&services, &sale).await;
    no_unit_is_lost_or_sold_twice(&services).await;
    until("all are told", SOON, async || {
        let orders = SaleKeys::new(&sale.id).orders();
        let states: Vec<String> = services.queue.clone().hvals(orders).await.unwrap();
        let expired = states.iter().filter(|state| *state == "x expired");
        expired.count() == MANY as usize
    })
    .await;
    until("their units are on sale again", SOON, async || {
        let stock = SaleKeys::new(&sale.id).stock();
        let told: i64 = services.queue.clone().hget(stock, "p").await.unwrap();
        told == 100_000 - count(&services, &of_others).await
    })
    .await;
    worker.stop().await;
}

#[tokio::test]
async fn an_order_that_a_shop_cancels_is_told_where_nothing_has_to_be_paid_too() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 1)]);
    open(&services, &sale).await;
    let worker = Worker::start(&services, "w", 1);
    let jobs = push_jobs(&services, &sale, 0..1).await;
    emptied(&services, &sale).await;
    let order = order_of(&services, &jobs[0]).await;
    assert_eq!(told(&services, &sale, order).await, None);

    execute(
        &services,
        "UPDATE orders SET status = 'CANCELLED', end_reason = 'staff'",
    )
    .await;
    let mut control_loop = ControlLoop::new(&services, &sale);
    let end = Instant::now() + SOON;
    let is_cancelled = async || told(&services, &sale, order).await.as_deref() == Some("x staff");
    // It is reminded of until it was told, and then no longer.
    while !control_loop.turn().await.remind.is_empty() || !is_cancelled().await {
        assert!(Instant::now() < end, "nobody told of it");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    worker.stop().await;
}
