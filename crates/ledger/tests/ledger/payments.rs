//! Orders that have to be paid within a window, and what becomes of them.

use std::time::{Duration, Instant};

use flashsale_domain::{
    id::SaleId,
    job::Job,
    order::OrderState,
    sale::{LatePolicy, PaymentWindow, Sale},
};
use flashsale_ledger::{ChangedOrder, Claim, Fault, Ledger, OrderChanges, OrderPlace, Takeover};
use flashsale_testbed::fixtures::{
    queue::job,
    sales::{open, sale},
    services::Services,
};

use super::{assert_law_1, jobs, letters, order_ids, run, settle, until_waiting};

/// A sale of product `p` whose shoppers have `window_seconds` to pay.
fn paid(stock: i32, window_seconds: u32) -> Sale {
    Sale {
        payment: Some(PaymentWindow {
            window_seconds,
            grace_seconds: 0,
            provider: None,
            on_late: LatePolicy::Reacquire,
        }),
        ..sale("drop", &[("p", stock)])
    }
}

async fn take_over(ledger: &Ledger, sale: &Sale) -> Takeover {
    let product = &sale.products[0].id;
    ledger.take_over(&sale.id, product).await.unwrap()
}

async fn changes(ledger: &Ledger, sale: &Sale, told: i64, limit: u32) -> OrderChanges {
    let product = &sale.products[0].id;
    let read = ledger.order_changes(&sale.id, product, told, limit).await;
    read.unwrap()
}

/// Expires the sale's orders until none is due within a minute.
async fn expire_all(ledger: &Ledger, sale: &Sale, driver: Takeover, limit: u32) -> u32 {
    let product = &sale.products[0].id;
    let mut expired = 0;
    loop {
        let expiry = ledger
            .expire_orders(&sale.id, product, driver.driver, limit)
            .await
            .unwrap();
        expired += expiry.expired;
        match expiry.next {
            Some(wait) if wait < Duration::from_mins(1) => tokio::time::sleep(wait).await,
            _ => return expired,
        }
    }
}

/// Ends all windows that are open.
const END_WINDOWS: &str = "UPDATE orders SET expires_at = now() WHERE status = 'PENDING'";

async fn stock(ledger: &Ledger) -> i32 {
    sqlx::query_scalar("SELECT stock_quantity FROM products")
        .fetch_one(ledger.pool())
        .await
        .unwrap()
}

fn cancelled(reason: Option<&str>) -> OrderState {
    OrderState::Cancelled {
        reason: reason.map(str::to_owned),
    }
}

fn states(changes: &OrderChanges) -> Vec<(&str, OrderState)> {
    let orders = changes.orders.iter();
    orders
        .map(|order| (order.user.as_str(), order.state.clone()))
        .collect()
}

#[tokio::test]
async fn an_order_waits_for_its_payment_and_expires_by_the_clock_of_the_ledger() {
    let services = Services::start().await;
    let (ledger, sale) = (&services.ledger, paid(1, 2));
    open(&services, &sale).await;
    let before: i64 = sqlx::query_scalar("SELECT (extract(epoch FROM now()) * 1000)::bigint")
        .fetch_one(ledger.pool())
        .await
        .unwrap();
    let settlement = settle(ledger, &sale, &jobs(&sale, "u", 2)).await;
    assert_eq!(letters(&settlement), "cs");
    let [
        Some(OrderState::Pending {
            expires_ms: Some(until),
        }),
        None,
    ] = settlement.states[..]
    else {
        panic!("{:?}", settlement.states);
    };
    assert!(
        (before + 2_000..before + 7_000).contains(&until),
        "{before}, {until}"
    );

    let driver = take_over(ledger, &sale).await;
    let product = &sale.products[0].id;
    let early = ledger
        .expire_orders(&sale.id, product, driver.driver, 10)
        .await
        .unwrap();
    let wait = early.next.unwrap();
    assert_eq!(early.expired, 0);
    assert!(wait <= Duration::from_secs(2), "{wait:?}");
    assert_eq!(expire_all(ledger, &sale, driver, 10).await, 1);
    assert_eq!(stock(ledger).await, 1);
    assert_law_1(ledger).await;

    let told = changes(ledger, &sale, 0, 10).await;
    assert_eq!(states(&told), [("u0", cancelled(Some("expired")))]);
    assert_eq!((told.last, told.missed, told.stock), (1, false, 1));
    // The unit is the next shopper's, and the key that was used makes no second order.
    let again = [
        job(&sale, "u0", product, "k"),
        job(&sale, "v", product, "k"),
    ];
    let settlement = settle(ledger, &sale, &again).await;
    assert_eq!(letters(&settlement), "rc");
    assert_eq!(settlement.states[0], Some(cancelled(Some("expired"))));
}

#[tokio::test]
async fn a_sale_without_a_window_makes_completed_orders_and_no_states() {
    let services = Services::start().await;
    let (ledger, sale) = (&services.ledger, sale("drop", &[("p", 9)]));
    open(&services, &sale).await;
    let settlement = settle(ledger, &sale, &jobs(&sale, "u", 2)).await;
    assert!(settlement.states.is_empty());
    let driver = take_over(ledger, &sale).await;
    assert_eq!(expire_all(ledger, &sale, driver, 10).await, 0);
    let stocks = ledger.stocks(std::slice::from_ref(&sale.id)).await.unwrap();
    assert_eq!((stocks[&sale.id].pending, stocks[&sale.id].untold), (0, 0));
}

#[tokio::test]
async fn whoever_changes_an_order_the_change_is_told_once_and_in_order() {
    let services = Services::start().await;
    let (ledger, sale) = (&services.ledger, paid(5, 600));
    open(&services, &sale).await;
    let of_three = settle(ledger, &sale, &jobs(&sale, "u", 3)).await;
    let ids = order_ids(&of_three);
    run(
        &services,
        "UPDATE orders SET status = 'COMPLETED' WHERE user_id = 'u1'",
    )
    .await;
    run(
        &services,
        "UPDATE orders SET status = 'CANCELLED', end_reason = 'staff' WHERE user_id IN ('u0', 'u2')",
    )
    .await;
    // Changes of anything else are none.
    run(&services, "UPDATE orders SET price = 7").await;
    let stocks = ledger.stocks(std::slice::from_ref(&sale.id)).await.unwrap();
    assert_eq!((stocks[&sale.id].pending, stocks[&sale.id].untold), (0, 2));

    let first = changes(ledger, &sale, 0, 1).await;
    assert_eq!(states(&first), [("u1", OrderState::Completed)]);
    assert_eq!((first.last, first.orders[0].order), (1, ids[1]));
    // Asked again, the same; once told, the next.
    assert_eq!(changes(ledger, &sale, 0, 1).await.orders, first.orders);
    let second = changes(ledger, &sale, 1, 9).await;
    assert_eq!(
        states(&second),
        [
            ("u0", cancelled(Some("staff"))),
            ("u2", cancelled(Some("staff")))
        ]
    );
    assert_eq!((second.last, second.stock), (2, 4));
    let none = changes(ledger, &sale, 2, 9).await;
    assert_eq!((none.last, none.missed, none.orders.len()), (2, false, 0));
    let stocks = ledger.stocks(std::slice::from_ref(&sale.id)).await.unwrap();
    assert_eq!(stocks[&sale.id].untold, 0);
    assert_law_1(ledger).await;
}

#[tokio::test]
async fn who_lost_count_reads_all_states_anew() {
    let services = Services::start().await;
    let (ledger, sale) = (&services.ledger, paid(9, 600));
    open(&services, &sale).await;
    settle(ledger, &sale, &jobs(&sale, "u", 5)).await;
    for statement in [
        "UPDATE orders SET status = 'COMPLETED' WHERE user_id = 'u1'",
        "UPDATE orders SET status = 'CANCELLED' WHERE user_id = 'u2'",
    ] {
        run(&services, statement).await;
    }
    changes(ledger, &sale, 2, 9).await;
    for told in [0, 1, 3] {
        let missed = changes(ledger, &sale, told, 9).await;
        assert_eq!(
            (missed.missed, missed.last, missed.orders.len()),
            (true, 2, 0),
            "{told}"
        );
    }
    let (mut all, mut place): (Vec<ChangedOrder>, _) = (Vec::new(), Some(OrderPlace::default()));
    while let Some(at) = place {
        let product = &sale.products[0].id;
        let page = ledger
            .order_states(&sale.id, product, &at, 2)
            .await
            .unwrap();
        all.extend(page.0);
        place = page.1;
    }
    let letters: Vec<(&str, String)> = all
        .iter()
        .map(|order| (order.user.as_str(), order.state.to_string()))
        .map(|(user, state)| (user, state[..1].to_owned()))
        .collect();
    let expected = [
        ("u0", "p"),
        ("u1", "c"),
        ("u2", "x"),
        ("u3", "p"),
        ("u4", "p"),
    ];
    assert_eq!(
        letters,
        expected.map(|(user, state)| (user, state.to_owned()))
    );
}

#[tokio::test]
async fn only_the_driver_of_the_lane_expires_and_nobody_else_waits_for_it() {
    let services = Services::start().await;
    let (ledger, sale) = (&services.ledger, paid(5, 600));
    open(&services, &sale).await;
    settle(ledger, &sale, &jobs(&sale, "u", 3)).await;
    run(&services, END_WINDOWS).await;
    let product = &sale.products[0].id;
    let before = take_over(ledger, &sale).await;
    let driver = take_over(ledger, &sale).await;
    let fenced = ledger
        .expire_orders(&sale.id, product, before.driver, 9)
        .await;
    assert_eq!(fenced.unwrap_err().fault(), Fault::Fenced);

    // Somebody pays for one at this moment: it is left alone, and not waited for.
    let mut paying = ledger.pool().begin().await.unwrap();
    sqlx::query("SELECT FROM orders WHERE user_id = 'u1' FOR UPDATE")
        .execute(&mut *paying)
        .await
        .unwrap();
    let expiry = ledger
        .expire_orders(&sale.id, product, driver.driver, 9)
        .await
        .unwrap();
    assert_eq!((expiry.expired, expiry.next), (2, Some(Duration::ZERO)));
    sqlx::query("UPDATE orders SET status = 'COMPLETED' WHERE user_id = 'u1'")
        .execute(&mut *paying)
        .await
        .unwrap();
    paying.commit().await.unwrap();
    assert_eq!(expire_all(ledger, &sale, driver, 9).await, 0);
    assert_eq!(stock(ledger).await, 4);
    assert_law_1(ledger).await;
}

/// A shop that cancels locks the orders before the product, the driver the product before the orders.
#[tokio::test]
async fn a_shop_that_cancels_and_a_driver_that_expires_do_not_wait_for_each_other() {
    let services = Services::start().await;
    let (ledger, sale) = (&services.ledger, paid(9, 600));
    open(&services, &sale).await;
    settle(ledger, &sale, &jobs(&sale, "u", 5)).await;
    run(&services, END_WINDOWS).await;
    let driver = take_over(ledger, &sale).await;
    let mut settling = ledger.pool().begin().await.unwrap();
    sqlx::query("SELECT FROM products FOR UPDATE")
        .execute(&mut *settling)
        .await
        .unwrap();
    let cancelling = tokio::spawn({
        let ledger = ledger.clone();
        async move {
            sqlx::query("UPDATE orders SET status = 'CANCELLED' WHERE user_id < 'u3'")
                .execute(ledger.pool())
                .await
        }
    });
    until_waiting(ledger, 1).await;
    let expiring = tokio::spawn({
        let (ledger, sale) = (ledger.clone(), sale.clone());
        async move { expire_all(&ledger, &sale, driver, 9).await }
    });
    until_waiting(ledger, 2).await;
    settling.commit().await.unwrap();
    cancelling.await.unwrap().unwrap();
    assert_eq!(expiring.await.unwrap(), 2);
    assert_eq!(stock(ledger).await, 9);
    assert_law_1(ledger).await;
}

#[tokio::test]
async fn fifty_thousand_orders_that_expire_at_one_instant_hold_nobody_up() {
    const ORDERS: u32 = 50_000;
    let services = Services::start().await;
    let (ledger, sale) = (&services.ledger, paid(60_000, 600));
    open(&services, &sale).await;
    for batch in 0..10 {
        settle(ledger, &sale, &jobs(&sale, &format!("b{batch}-"), 5_000)).await;
    }
    let driver = take_over(ledger, &sale).await;
    let product = &sale.products[0].id;
    // The plans of the session's first time are kept, and this one is of a single order.
    run(
        &services,
        "UPDATE orders SET expires_at = now() WHERE user_id = 'b0-0'",
    )
    .await;
    let first = ledger
        .expire_orders(&sale.id, product, driver.driver, 9)
        .await;
    assert_eq!(first.unwrap().expired, 1);
    run(&services, END_WINDOWS).await;
    let expiring = tokio::spawn({
        let (ledger, sale) = (ledger.clone(), sale.clone());
        async move { expire_all(&ledger, &sale, driver, 1_000).await }
    });
    let (mut batch, mut longest) = (driver.batch, Duration::ZERO);
    while !expiring.is_finished() {
        let job: Job = job(&sale, &format!("late{batch}"), product, "k");
        let began = Instant::now();
        let turn = Takeover { batch, ..driver }.next(0..=i64::MAX);
        ledger
            .settle(&sale.id, product, &turn, &[&job])
            .await
            .unwrap();
        longest = longest.max(began.elapsed());
        batch += 1;
    }
    assert_eq!(expiring.await.unwrap(), ORDERS - 1);
    let sold = i32::try_from(batch - driver.batch).unwrap();
    assert_eq!(stock(ledger).await, 60_000 - sold);
    assert_law_1(ledger).await;
    println!("{sold} batches settled meanwhile, the slowest in {longest:?}");
    assert!(longest < Duration::from_secs(2), "{longest:?}");
}

#[tokio::test]
async fn an_order_is_kept_for_its_grace() {
    let services = Services::start().await;
    let (ledger, mut sale) = (&services.ledger, paid(1, 600));
    sale.payment = Some(PaymentWindow {
        window_seconds: 600,
        grace_seconds: 300,
        provider: None,
        on_late: LatePolicy::Reacquire,
    });
    open(&services, &sale).await;
    settle(ledger, &sale, &jobs(&sale, "u", 1)).await;
    let (driver, product) = (take_over(ledger, &sale).await, &sale.products[0].id);
    // What nobody has cancelled half a minute after that is overdue.
    for (since, overdue, expired) in [("200 seconds", 0, 0), ("331 seconds", 1, 1)] {
        let end = format!("UPDATE orders SET expires_at = now() - interval '{since}'");
        sqlx::raw_sql(sqlx::AssertSqlSafe(end))
            .execute(ledger.pool())
            .await
            .unwrap();
        let stocks = ledger.stocks(std::slice::from_ref(&sale.id)).await.unwrap();
        assert_eq!(stocks[&sale.id].overdue, overdue, "{since}");
        let expiry = ledger
            .expire_orders(&sale.id, product, driver.driver, 9)
            .await
            .unwrap();
        assert_eq!(expiry.expired, expired, "{since}");
    }
}

#[tokio::test]
async fn a_shop_cannot_write_what_nobody_can_read() {
    let services = Services::start().await;
    let (ledger, sale) = (&services.ledger, paid(1, 600));
    open(&services, &sale).await;
    settle(ledger, &sale, &jobs(&sale, "u", 1)).await;
    for column in [
        "expires_at = 'infinity'",
        "expires_at = '-infinity'",
        "end_reason = E'a\\nb'",
        "end_reason = ''",
    ] {
        let statement = sqlx::AssertSqlSafe(format!("UPDATE orders SET {column}"));
        let refused = sqlx::raw_sql(statement).execute(ledger.pool()).await;
        let refused = refused.unwrap_err().into_database_error().unwrap();
        assert!(refused.is_check_violation(), "{column}: {refused}");
    }
}

#[tokio::test]
async fn a_statement_that_changes_more_than_can_be_read_at_once_has_all_told_anew() {
    let services = Services::start().await;
    let (ledger, sale) = (&services.ledger, paid(11_000, 600));
    open(&services, &sale).await;
    for batch in 0..3 {
        settle(ledger, &sale, &jobs(&sale, &format!("b{batch}-"), 3_500)).await;
    }
    run(
        &services,
        "UPDATE orders SET status = 'COMPLETED' WHERE user_id = 'b0-7'",
    )
    .await;
    run(
        &services,
        "UPDATE orders SET status = 'COMPLETED' WHERE status = 'PENDING'",
    )
    .await;
    let few = changes(ledger, &sale, 0, 9).await;
    assert_eq!((few.last, few.missed, few.orders.len()), (1, false, 1));
    let many = changes(ledger, &sale, 1, 9).await;
    assert_eq!((many.last, many.missed, many.orders.len()), (2, true, 0));
}

#[tokio::test]
async fn changes_of_a_sale_before_are_read_with_the_name_of_that_sale() {
    let services = Services::start().await;
    let (ledger, first) = (&services.ledger, paid(5, 600));
    open(&services, &first).await;
    settle(ledger, &first, &jobs(&first, "u", 1)).await;
    // Whoever waits for its payment keeps the product.
    let product = &first.products[0].id;
    let released = || async {
        let products = std::slice::from_ref(product);
        ledger
            .release_of_finished(&first.id, products)
            .await
            .unwrap();
        ledger.stock(&first.id).await.unwrap().is_empty()
    };
    assert!(!released().await);
    run(&services, "UPDATE orders SET status = 'COMPLETED'").await;
    assert!(released().await);

    let second = Sale {
        id: SaleId::new("second").unwrap(),
        ..paid(5, 600)
    };
    ledger.declare(&second).await.unwrap();
    run(
        &services,
        "UPDATE orders SET status = 'CANCELLED', end_reason = 'refunded'",
    )
    .await;
    let told = changes(ledger, &second, 1, 9).await;
    assert_eq!(states(&told), [("u0", cancelled(Some("refunded")))]);
    assert_eq!(told.orders[0].sale, first.id);
    assert_eq!(stock(ledger).await, 5, "the unit is the first sale's");
    assert_law_1(ledger).await;
}

#[tokio::test]
async fn orders_that_are_made_again_wait_for_their_payment_unless_they_were_told_as_paid() {
    let services = Services::start().await;
    let (ledger, sale) = (&services.ledger, paid(5, 600));
    open(&services, &sale).await;
    let claims: Vec<Claim> = jobs(&sale, "u", 2)
        .into_iter()
        .zip([false, true])
        .map(|(job, is_paid)| Claim {
            job: job.job_id,
            user: job.data.user_id,
            key: job.data.idempotency_key,
            told: if is_paid { 8 } else { 7 },
            is_paid,
        })
        .collect();
    let product = &sale.products[0].id;
    ledger
        .settle_again(&sale.id, product, &claims)
        .await
        .unwrap();
    let orders: Vec<(i64, String, bool)> = sqlx::query_as(
        "SELECT id::bigint, status, expires_at > now() + interval '500 s' IS TRUE FROM orders ORDER BY id",
    )
    .fetch_all(ledger.pool())
    .await
    .unwrap();
    let expected = [(7, "PENDING", true), (8, "COMPLETED", false)];
    assert_eq!(
        orders,
        expected.map(|(id, status, waits)| (id, status.to_owned(), waits))
    );
    assert_law_1(ledger).await;
}
