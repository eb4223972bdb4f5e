//! Payments by providers: every payment has one order or one refund, whatever comes in which order.

use std::time::Duration;

use flashsale_domain::{
    id::{JobId, UserId},
    job::Job,
    sale::{LatePolicy, PaymentWindow, Sale},
};
use flashsale_ledger::{
    Applied, Cancellation, Checkout, Chore, ChoreKind, ChoreResult, Ledger, PaymentEvent,
    PaymentKind, Session,
};
use flashsale_testbed::fixtures::{
    sales::{open, product, sale},
    services::Services,
};
use tokio::{sync::Barrier, task::JoinSet};
use uuid::Uuid;

use super::{assert_law_1, jobs, run, settle, until_waiting};

const PROVIDER: &str = "till";
const LEASE: Duration = Duration::from_secs(30);
const EXPIRE: &str =
    "UPDATE orders SET status = 'CANCELLED', end_reason = 'expired' WHERE status = 'PENDING'";

/// A sale of product `p` whose orders are paid at [`PROVIDER`].
pub(super) fn provided(stock: i32, on_late: LatePolicy) -> Sale {
    Sale {
        payment: Some(PaymentWindow {
            window_seconds: 600,
            grace_seconds: 30,
            provider: Some(PROVIDER.to_owned()),
            on_late,
        }),
        ..sale("drop", &[("p", stock)])
    }
}

/// A sale with an order of `u0` that waits for its payment.
struct Shop {
    services: Services,
    sale: Sale,
    job: Job,
}

impl Shop {
    async fn of(sale: Sale) -> Self {
        let services = Services::start().await;
        open(&services, &sale).await;
        let job = jobs(&sale, "u", 1).remove(0);
        settle(&services.ledger, &sale, std::slice::from_ref(&job)).await;
        Self {
            services,
            sale,
            job,
        }
    }

    async fn open(stock: i32) -> Self {
        Self::of(provided(stock, LatePolicy::Reacquire)).await
    }

    fn ledger(&self) -> &Ledger {
        &self.services.ledger
    }

    async fn checkout(&self) -> Checkout {
        checkout(self.ledger(), &self.job).await
    }

    /// The order's payment, with a session.
    async fn session(&self) -> Uuid {
        let checkout = self.checkout().await;
        let Checkout::Opening(session) = checkout else {
            unreachable!("no payment is opened: {checkout:?}");
        };
        let name = format!("cs_{}", session.payment);
        let opened = self
            .ledger()
            .session_opened(session.payment, &name, "https://till.example/");
        assert!(opened.await.unwrap());
        session.payment
    }

    async fn apply(&self, event: &PaymentEvent) -> Applied {
        self.ledger().apply_payment(event).await.unwrap()
    }

    async fn run(&self, statements: &'static str) {
        run(&self.services, statements).await;
    }

    /// Status and reason of each order, then state of each payment, in the order in which they were made.
    async fn books(&self) -> (Vec<String>, Vec<String>) {
        let orders = "SELECT concat_ws(' ', status, end_reason) FROM orders ORDER BY id";
        let payments = "SELECT state FROM payments ORDER BY created_at";
        let column = async |query| {
            let column = sqlx::query_scalar(query).fetch_all(self.ledger().pool());
            column.await.unwrap()
        };
        (column(orders).await, column(payments).await)
    }

    async fn assert_books(&self, orders: &[&str], payments: &[&str]) {
        let books = self.books().await;
        assert_eq!(
            (&books.0[..], &books.1[..]),
            (&owned(orders)[..], &owned(payments)[..])
        );
        assert_law_1(self.ledger()).await;
        assert_law_8(self.ledger()).await;
    }

    async fn chores(&self) -> Vec<Chore> {
        let providers = [PROVIDER.to_owned()];
        let chores = self.ledger().claim_payment_chores(&providers, 100, LEASE);
        chores.await.unwrap()
    }

    async fn stock(&self) -> i32 {
        let stock = sqlx::query_scalar("SELECT stock_quantity FROM products");
        stock.fetch_one(self.ledger().pool()).await.unwrap()
    }
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

async fn checkout(ledger: &Ledger, job: &Job) -> Checkout {
    let opened = ledger.open_checkout(job.job_id, &job.data.user_id, Uuid::now_v7());
    opened.await.unwrap()
}

fn event(kind: PaymentKind, payment: Uuid) -> PaymentEvent {
    PaymentEvent {
        provider: PROVIDER.to_owned(),
        event: Some(format!("evt_{}", Uuid::now_v7())),
        kind,
        payment: Some(payment),
        session_ref: Some(format!("cs_{payment}")),
        payment_ref: Some(format!("pi_{payment}")),
        amount: price(),
        currency: "USD".to_owned(),
    }
}

fn paid(payment: Uuid) -> PaymentEvent {
    event(PaymentKind::Paid, payment)
}

/// What a product costs in these tests.
fn price() -> i64 {
    product("p", 1).price
}

/// Law 8, asked of the tables themselves.
pub(super) async fn assert_law_8(ledger: &Ledger) {
    let broken: Vec<(Uuid, String, Option<String>)> = sqlx::query_as(
        "SELECT p.id, p.state, o.status FROM payments p LEFT JOIN orders o ON o.id = p.order_id
          WHERE p.state = 'PAID' AND o.status IS DISTINCT FROM 'COMPLETED'
             OR p.state IN ('OPENING', 'OPEN') AND o.status <> 'PENDING'
             OR p.state IN ('REFUND_DUE', 'REFUNDED') AND p.paid_at IS NOT NULL AND o.status = 'COMPLETED'",
    )
    .fetch_all(ledger.pool())
    .await
    .unwrap();
    assert!(broken.is_empty(), "{broken:?}");
}

#[tokio::test]
async fn an_order_is_paid_by_the_one_session_it_has() {
    let shop = Shop::open(2).await;
    let Checkout::Opening(first) = shop.checkout().await else {
        panic!("no payment is opened");
    };
    let Checkout::Opening(again) = shop.checkout().await else {
        panic!("no payment is opened");
    };
    assert_eq!(first, again, "whoever asks again pays the same");
    assert_eq!((first.amount, first.currency.as_str()), (price(), "USD"));
    assert_eq!(
        (first.provider.as_str(), first.url.as_deref()),
        (PROVIDER, None)
    );
    let until: i64 = sqlx::query_scalar(
        "SELECT floor(extract(epoch FROM expires_at) * 1000)::bigint FROM orders",
    )
    .fetch_one(shop.ledger().pool())
    .await
    .unwrap();
    assert_eq!(first.expires_ms, until);
    for _ in 0..2 {
        let opened = shop
            .ledger()
            .session_opened(first.payment, "cs_1", "https://till.example/1");
        assert!(opened.await.unwrap());
    }
    let ready = Session {
        session_ref: Some("cs_1".to_owned()),
        url: Some("https://till.example/1".to_owned()),
        ..first.clone()
    };
    assert_eq!(shop.checkout().await, Checkout::Ready(ready));
    let other = shop
        .ledger()
        .session_opened(first.payment, "cs_2", "https://till.example/2");
    assert!(!other.await.unwrap(), "it has another session");

    let event = paid(first.payment);
    assert_eq!(shop.apply(&event).await, Applied::Completed);
    shop.assert_books(&["COMPLETED"], &["PAID"]).await;
    assert_eq!(shop.stock().await, 1);
    assert_eq!(shop.checkout().await, Checkout::Paid);
    // The same event, and the same money by other events or learned by asking.
    for id in [event.event.clone(), Some("evt_2".to_owned()), None] {
        let again = PaymentEvent {
            event: id,
            ..event.clone()
        };
        assert_eq!(shop.apply(&again).await, Applied::Repeat);
    }
    shop.assert_books(&["COMPLETED"], &["PAID"]).await;
    assert_eq!(shop.chores().await, []);
}

#[tokio::test]
async fn a_checkout_says_why_there_is_none() {
    let shop = Shop::open(5).await;
    let ledger = shop.ledger();
    let other = UserId::new("u1").unwrap();
    let opened = async |job, user: &UserId| {
        ledger
            .open_checkout(job, user, Uuid::now_v7())
            .await
            .unwrap()
    };
    assert_eq!(opened(shop.job.job_id, &other).await, Checkout::Unknown);
    let unknown = opened(JobId(Uuid::now_v7()), &shop.job.data.user_id).await;
    assert_eq!(unknown, Checkout::Unknown);
    shop.run("UPDATE products SET pay_provider = NULL").await;
    assert_eq!(shop.checkout().await, Checkout::NoProvider);
    shop.run("UPDATE products SET pay_provider = 'till', incarnation = 2")
        .await;
    assert_eq!(
        shop.checkout().await,
        Checkout::NoProvider,
        "the sale that sold it is over"
    );
    shop.run("UPDATE products SET incarnation = 1; UPDATE orders SET expires_at = now()")
        .await;
    assert_eq!(shop.checkout().await, Checkout::Over);
    shop.run(EXPIRE).await;
    assert_eq!(shop.checkout().await, Checkout::Cancelled);
    shop.assert_books(&["CANCELLED expired"], &[]).await;
}

#[tokio::test]
async fn a_session_that_could_not_be_opened_makes_room_for_another() {
    let shop = Shop::open(1).await;
    let Checkout::Opening(first) = shop.checkout().await else {
        panic!("no payment is opened");
    };
    shop.ledger()
        .session_failed(first.payment, "no such currency")
        .await
        .unwrap();
    let second = shop.session().await;
    assert_ne!(first.payment, second);
    // One that is open does not fail any more.
    shop.ledger().session_failed(second, "late").await.unwrap();
    shop.assert_books(&["PENDING"], &["ENDED", "OPEN"]).await;
    // The first was opened after all; nobody is to pay there.
    let opened = shop
        .ledger()
        .session_opened(first.payment, "cs_1", "https://till.example/");
    assert!(!opened.await.unwrap());
    let chores = shop.chores().await;
    assert_eq!(chores.len(), 1);
    assert_eq!(
        (chores[0].kind, chores[0].session_ref.as_deref()),
        (ChoreKind::End, Some("cs_1"))
    );
}

#[tokio::test]
async fn who_cancels_an_order_ends_its_session_and_money_that_comes_goes_back() {
    let shop = Shop::open(1).await;
    let payment = shop.session().await;
    let (ledger, user) = (shop.ledger(), &shop.job.data.user_id);
    let cancel = async |user: &UserId| ledger.cancel_order(shop.job.job_id, user).await.unwrap();
    assert_eq!(
        cancel(&UserId::new("u1").unwrap()).await,
        Cancellation::Unknown
    );
    assert_eq!(cancel(user).await, Cancellation::Cancelled);
    assert_eq!(cancel(user).await, Cancellation::WasCancelled);
    shop.assert_books(&["CANCELLED shopper"], &["ENDING"]).await;
    assert_eq!(shop.stock().await, 1);
    let [chore] = &shop.chores().await[..] else {
        panic!("one session is to be ended");
    };
    assert_eq!(
        (chore.kind, chore.payment, chore.attempts),
        (ChoreKind::End, payment, 1)
    );
    assert_eq!(shop.chores().await, [], "it is somebody's for the lease");

    // It was paid before it could be ended.
    let told = PaymentEvent {
        event: None,
        ..paid(payment)
    };
    assert_eq!(shop.apply(&told).await, Applied::RefundDue);
    ledger
        .end_payment_chore(payment, ChoreKind::End, ChoreResult::Ended)
        .await
        .unwrap();
    shop.assert_books(&["CANCELLED shopper"], &["REFUND_DUE"])
        .await;
    let [refund] = &shop.chores().await[..] else {
        panic!("one payment is to be refunded");
    };
    assert_eq!(
        (refund.kind, refund.amount, refund.attempts),
        (ChoreKind::Refund, price(), 1)
    );
    assert_eq!(refund.payment_ref, Some(format!("pi_{payment}")));
    let failed = ChoreResult::Failed("x".repeat(900));
    ledger
        .end_payment_chore(payment, ChoreKind::Refund, failed)
        .await
        .unwrap();
    let refunded = ChoreResult::Refunded("re_1".to_owned());
    ledger
        .end_payment_chore(payment, ChoreKind::Refund, refunded)
        .await
        .unwrap();
    shop.assert_books(&["CANCELLED shopper"], &["REFUNDED"])
        .await;
    assert_eq!(shop.apply(&paid(payment)).await, Applied::Repeat);
}

#[tokio::test]
async fn money_of_another_amount_or_currency_goes_back_as_it_came() {
    let shop = Shop::open(1).await;
    for (amount, currency) in [(price() - 1, "USD"), (price() + 1, "USD"), (price(), "EUR")] {
        let payment = shop.session().await;
        let event = PaymentEvent {
            amount,
            currency: currency.to_owned(),
            ..paid(payment)
        };
        assert_eq!(shop.apply(&event).await, Applied::RefundDue);
        let [refund] = &shop.chores().await[..] else {
            panic!("one payment is to be refunded");
        };
        assert_eq!(
            (refund.amount, refund.currency.as_str()),
            (amount, currency)
        );
    }
    // The shopper still has the order, and can pay it; a provider may write currencies in small letters.
    let event = PaymentEvent {
        currency: "usd".to_owned(),
        ..paid(shop.session().await)
    };
    assert_eq!(shop.apply(&event).await, Applied::Completed);
    let refunds = ["REFUND_DUE", "REFUND_DUE", "REFUND_DUE", "PAID"];
    shop.assert_books(&["COMPLETED"], &refunds).await;
}

#[tokio::test]
async fn late_money_makes_a_new_order_that_is_told_as_any_other() {
    let shop = Shop::open(2).await;
    let payment = shop.session().await;
    shop.run(EXPIRE).await;
    shop.assert_books(&["CANCELLED expired"], &["ENDING"]).await;
    let (ledger, product) = (shop.ledger(), &shop.sale.products[0].id);
    let before = ledger.stock(&shop.sale.id).await.unwrap().remove(0);

    assert_eq!(shop.apply(&paid(payment)).await, Applied::Reacquired);
    shop.assert_books(&["CANCELLED expired", "COMPLETED"], &["PAID"])
        .await;
    let after = ledger.stock(&shop.sale.id).await.unwrap().remove(0);
    assert_eq!((after.stock, after.version), (1, before.version + 1));
    assert_eq!(
        after.settled_version, before.settled_version,
        "no batch brought it"
    );
    let order = ledger.order_of_job(JobId(payment)).await.unwrap().unwrap();
    assert_eq!(
        (order.user_id.as_str(), order.status.as_str()),
        ("u0", "COMPLETED")
    );
    let told = ledger
        .order_changes(&shop.sale.id, product, 1, 9)
        .await
        .unwrap();
    assert_eq!((told.last, told.missed, told.stock), (2, false, 1));
    let [change] = &told.orders[..] else {
        panic!("one order changed: {:?}", told.orders);
    };
    assert_eq!((change.order, change.job), (order.id, JobId(payment)));
    assert_eq!(change.state.to_string(), "c");
    // Whoever has lost count reads it too.
    let place = flashsale_ledger::OrderPlace::default();
    let (all, _) = ledger
        .order_states(&shop.sale.id, product, &place, 9)
        .await
        .unwrap();
    assert!(all.contains(change), "{all:?}");
    assert_eq!(shop.apply(&paid(payment)).await, Applied::Repeat);
    assert_eq!(shop.chores().await, []);
    // The new order is the payment's: cancelled, the money goes back.
    shop.run(
        "UPDATE orders SET status = 'CANCELLED', end_reason = 'staff' WHERE status = 'COMPLETED'",
    )
    .await;
    shop.assert_books(&["CANCELLED expired", "CANCELLED staff"], &["REFUND_DUE"])
        .await;
}

#[tokio::test]
async fn late_money_goes_back_where_no_order_can_be_made() {
    let refused = [
        ("no unit is left", EXPIRE, "UPDATE products SET stock_quantity = 0, initial_stock = sold"),
        ("the policy says so", EXPIRE, "UPDATE products SET late_policy = 'refund'"),
        ("another incarnation of the sale", EXPIRE, "UPDATE products SET incarnation = 2"),
        ("another sale has the product", EXPIRE, "UPDATE products SET sale_id = NULL; UPDATE products SET sale_id = 'b'"),
        ("no sale has the product", EXPIRE, "UPDATE products SET sale_id = NULL"),
        ("the sale has taken it off", EXPIRE, "UPDATE products SET listed = false"),
        (
            "the shopper has as many as one may",
            EXPIRE,
            "UPDATE products SET max_per_user = 1, stock_quantity = stock_quantity - 1, sold = sold + 1;
             INSERT INTO orders (user_id, product_id, status, sale_id, job_id, idempotency_key, price)
               VALUES ('u0', 'p', 'COMPLETED', 'drop', gen_random_uuid(), 'other', 1)",
        ),
        (
            "somebody has its key",
            EXPIRE,
            "UPDATE products SET stock_quantity = stock_quantity - 1, sold = sold + 1;
             INSERT INTO orders (user_id, product_id, status, sale_id, job_id, idempotency_key, price)
               SELECT 'u0', 'p', 'COMPLETED', 'drop', gen_random_uuid(), 'late:' || id, 1 FROM payments",
        ),
        (
            "a rule of the shop's own",
            EXPIRE,
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'closed'; END $$;
             CREATE TRIGGER refuse BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION refuse()",
        ),
        (
            "nobody but the clock may have cancelled it",
            "UPDATE orders SET status = 'CANCELLED', end_reason = 'staff'",
            "SELECT 1",
        ),
    ];
    for (why, end, statement) in refused {
        let shop = Shop::open(3).await;
        let payment = shop.session().await;
        shop.run(end).await;
        shop.run(statement).await;
        let before = shop.stock().await;
        assert_eq!(
            shop.apply(&paid(payment)).await,
            Applied::RefundDue,
            "{why}"
        );
        assert_eq!(shop.stock().await, before, "{why}");
        assert_eq!(shop.books().await.1, owned(&["REFUND_DUE"]), "{why}");
        assert_law_1(shop.ledger()).await;
        assert_law_8(shop.ledger()).await;
        assert_eq!(shop.apply(&paid(payment)).await, Applied::Repeat, "{why}");
        assert_eq!(shop.chores().await.len(), 1, "{why}");
    }
}

#[tokio::test]
async fn an_order_that_expired_is_made_again_once_whatever_is_paid_for_it() {
    let shop = Shop::open(5).await;
    let first = shop.session().await;
    assert_eq!(
        shop.apply(&event(PaymentKind::Ended, first)).await,
        Applied::Ended
    );
    let second = shop.session().await;
    shop.run(EXPIRE).await;
    assert_eq!(shop.apply(&paid(second)).await, Applied::Reacquired);
    assert_eq!(shop.apply(&paid(first)).await, Applied::RefundDue);
    shop.assert_books(&["CANCELLED expired", "COMPLETED"], &["REFUND_DUE", "PAID"])
        .await;
    // Also where the order that was made is gone again.
    shop.run("UPDATE orders SET status = 'CANCELLED' WHERE status = 'COMPLETED'")
        .await;
    shop.assert_books(
        &["CANCELLED expired", "CANCELLED"],
        &["REFUND_DUE", "REFUND_DUE"],
    )
    .await;
}

#[tokio::test]
async fn a_late_order_gets_a_number_though_the_sequence_is_behind() {
    let shop = Shop::open(5).await;
    let payment = shop.session().await;
    shop.run(EXPIRE).await;
    shop.run("SELECT setval('orders_id_seq', 1, false)").await;
    assert_eq!(shop.apply(&paid(payment)).await, Applied::Reacquired);
    shop.assert_books(&["CANCELLED expired", "COMPLETED"], &["PAID"])
        .await;
}

#[tokio::test]
async fn payments_go_on_while_the_columns_of_orders_are_widened() {
    let shop = Shop::open(5).await;
    let payment = shop.session().await;
    // So that connections have their plans.
    let ledger = shop.ledger();
    ledger
        .apply_payment(&event(PaymentKind::Declined, Uuid::now_v7()))
        .await
        .unwrap();
    shop.run(EXPIRE).await;
    ledger.widen_orders().await.unwrap();
    assert_eq!(shop.apply(&paid(payment)).await, Applied::Reacquired);
    assert_eq!(shop.checkout().await, Checkout::Cancelled);
    shop.assert_books(&["CANCELLED expired", "COMPLETED"], &["PAID"])
        .await;
}

#[tokio::test]
async fn money_that_the_ledger_has_forgotten_goes_back_once() {
    let shop = Shop::open(1).await;
    let forgotten = Uuid::now_v7();
    let of_session = PaymentEvent {
        payment: None,
        ..paid(Uuid::now_v7())
    };
    for (event, id) in [(paid(forgotten), Some(forgotten)), (of_session, None)] {
        assert_eq!(shop.apply(&event).await, Applied::RefundDue);
        let asked = PaymentEvent {
            event: None,
            ..event.clone()
        };
        assert_eq!(shop.apply(&asked).await, Applied::Repeat);
        let [chore] = &shop.chores().await[..] else {
            panic!("one payment is to be refunded");
        };
        assert_eq!(
            (chore.order, &chore.sale, chore.kind),
            (None, &None, ChoreKind::Refund)
        );
        assert_eq!(
            (chore.amount, &chore.payment_ref),
            (price(), &event.payment_ref)
        );
        assert!(id.is_none_or(|id| id == chore.payment));
        let refunded = PaymentEvent {
            event: None,
            kind: PaymentKind::Refunded,
            ..event
        };
        assert_eq!(shop.apply(&refunded).await, Applied::Refunded);
        // Who asked for it hears later, and knows its id.
        let done = ChoreResult::Refunded("re_1".to_owned());
        let ended = shop
            .ledger()
            .end_payment_chore(chore.payment, ChoreKind::Refund, done);
        ended.await.unwrap();
    }
    let refunds: Vec<String> = sqlx::query_scalar("SELECT refund_ref FROM payments")
        .fetch_all(shop.ledger().pool())
        .await
        .unwrap();
    assert_eq!(refunds, owned(&["re_1", "re_1"]));
    // What is no money needs nothing.
    for kind in [
        PaymentKind::Declined,
        PaymentKind::Ended,
        PaymentKind::Refunded,
    ] {
        assert_eq!(
            shop.apply(&event(kind, Uuid::now_v7())).await,
            Applied::Unknown
        );
    }
    shop.assert_books(&["PENDING"], &["REFUNDED", "REFUNDED"])
        .await;
}

#[tokio::test]
async fn a_payment_that_is_made_twice_is_given_back_once() {
    let shop = Shop::open(1).await;
    let payment = shop.session().await;
    assert_eq!(shop.apply(&paid(payment)).await, Applied::Completed);
    let second = PaymentEvent {
        payment_ref: Some("pi_2".to_owned()),
        session_ref: Some("cs_2".to_owned()),
        ..paid(payment)
    };
    assert_eq!(shop.apply(&second).await, Applied::RefundDue);
    let again = PaymentEvent {
        event: None,
        ..second.clone()
    };
    assert_eq!(shop.apply(&again).await, Applied::Repeat);
    let [chore] = &shop.chores().await[..] else {
        panic!("one payment is to be refunded");
    };
    assert_eq!(chore.payment_ref, second.payment_ref);
    // Its refund is not one of the order's payment.
    let refunded = PaymentEvent {
        kind: PaymentKind::Refunded,
        event: None,
        ..second
    };
    assert_eq!(shop.apply(&refunded).await, Applied::Refunded);
    shop.assert_books(&["COMPLETED"], &["PAID", "REFUNDED"])
        .await;
    // Nor is one of money that nobody knows.
    let unknown = PaymentEvent {
        payment_ref: Some("pi_3".to_owned()),
        ..refunded
    };
    assert_eq!(shop.apply(&unknown).await, Applied::Unknown);
    shop.assert_books(&["COMPLETED"], &["PAID", "REFUNDED"])
        .await;
}

#[tokio::test]
async fn an_order_that_is_paid_twice_keeps_one_payment() {
    let shop = Shop::open(1).await;
    let first = shop.session().await;
    shop.apply(&event(PaymentKind::Ended, first)).await;
    let second = shop.session().await;
    assert_eq!(shop.apply(&paid(second)).await, Applied::Completed);
    let again = shop.ledger().apply_payment(&paid(first)).await;
    assert!(matches!(again, Ok(Applied::RefundDue)), "{again:?}");
    shop.assert_books(&["COMPLETED"], &["REFUND_DUE", "PAID"])
        .await;
}

#[tokio::test]
async fn the_payment_of_an_order_that_the_shop_cancels_is_given_back() {
    let shop = Shop::open(1).await;
    let payment = shop.session().await;
    shop.apply(&paid(payment)).await;
    shop.run("UPDATE orders SET status = 'CANCELLED', end_reason = 'staff'")
        .await;
    shop.assert_books(&["CANCELLED staff"], &["REFUND_DUE"])
        .await;
    let [chore] = &shop.chores().await[..] else {
        panic!("one payment is to be refunded");
    };
    assert_eq!((chore.payment, chore.kind), (payment, ChoreKind::Refund));
    assert_eq!(shop.stock().await, 1);
}

#[tokio::test]
async fn an_order_that_the_shop_completes_keeps_the_money_that_comes() {
    let shop = Shop::open(1).await;
    let payment = shop.session().await;
    shop.run("UPDATE orders SET status = 'COMPLETED'").await;
    shop.assert_books(&["COMPLETED"], &["ENDING"]).await;
    assert_eq!(shop.apply(&paid(payment)).await, Applied::Completed);
    shop.assert_books(&["COMPLETED"], &["PAID"]).await;
    assert_eq!(shop.chores().await, []);
}

#[tokio::test]
async fn a_refund_by_hand_cancels_the_order_and_part_of_one_does_not() {
    let shop = Shop::open(1).await;
    let payment = shop.session().await;
    shop.apply(&paid(payment)).await;
    let part = PaymentEvent {
        amount: price() - 1,
        ..event(PaymentKind::Refunded, payment)
    };
    assert_eq!(shop.apply(&part).await, Applied::Repeat);
    shop.assert_books(&["COMPLETED"], &["PAID"]).await;
    assert_eq!(
        shop.apply(&event(PaymentKind::Refunded, payment)).await,
        Applied::Refunded
    );
    shop.assert_books(&["CANCELLED refunded"], &["REFUNDED"])
        .await;
    assert_eq!(
        shop.apply(&event(PaymentKind::Refunded, payment)).await,
        Applied::Repeat
    );
    assert_eq!(shop.chores().await, [], "it is not refunded a second time");
}

#[tokio::test]
async fn events_in_the_wrong_order_come_to_the_same() {
    // Refunded before anybody told that it was paid.
    let shop = Shop::open(1).await;
    let payment = shop.session().await;
    assert_eq!(
        shop.apply(&event(PaymentKind::Refunded, payment)).await,
        Applied::Refunded
    );
    assert_eq!(shop.apply(&paid(payment)).await, Applied::Repeat);
    shop.assert_books(&["PENDING"], &["REFUNDED"]).await;
    // Ended, and paid before that.
    let payment = shop.session().await;
    assert_eq!(
        shop.apply(&event(PaymentKind::Ended, payment)).await,
        Applied::Ended
    );
    assert_eq!(
        shop.apply(&event(PaymentKind::Declined, payment)).await,
        Applied::Repeat
    );
    assert_eq!(shop.apply(&paid(payment)).await, Applied::Completed);
    assert_eq!(
        shop.apply(&event(PaymentKind::Ended, payment)).await,
        Applied::Repeat
    );
    assert_eq!(
        shop.apply(&event(PaymentKind::Declined, payment)).await,
        Applied::Repeat
    );
    shop.assert_books(&["COMPLETED"], &["REFUNDED", "PAID"])
        .await;
}

#[tokio::test]
async fn a_payment_before_the_answer_about_its_session_is_the_order_s() {
    let shop = Shop::open(1).await;
    let Checkout::Opening(session) = shop.checkout().await else {
        panic!("no payment is opened");
    };
    let told = paid(session.payment);
    assert_eq!(shop.apply(&told).await, Applied::Completed);
    let name = format!("cs_{}", session.payment);
    let opened = shop
        .ledger()
        .session_opened(session.payment, &name, "https://till.example/");
    assert!(!opened.await.unwrap());
    shop.assert_books(&["COMPLETED"], &["PAID"]).await;
}

#[tokio::test]
async fn a_payment_that_is_declined_cancels_its_order() {
    let shop = Shop::open(1).await;
    let payment = shop.session().await;
    // By its session alone, as of a provider that gives no id of ours back.
    let declined = PaymentEvent {
        payment: None,
        ..event(PaymentKind::Declined, payment)
    };
    let of_another = PaymentEvent {
        provider: "other".to_owned(),
        ..declined.clone()
    };
    assert_eq!(shop.apply(&of_another).await, Applied::Unknown);
    assert_eq!(shop.apply(&declined).await, Applied::Declined);
    shop.assert_books(&["CANCELLED declined"], &["ENDED"]).await;
    assert_eq!(shop.stock().await, 1);
    assert_eq!(shop.chores().await, []);
}

/// No provider can speak for another, whatever ids it names.
#[tokio::test]
async fn the_payments_of_another_provider_are_unknown_to_a_provider() {
    let shop = Shop::open(1).await;
    let payment = shop.session().await;
    let of_another = |kind| PaymentEvent {
        provider: "other".to_owned(),
        ..event(kind, payment)
    };
    assert_eq!(
        shop.apply(&of_another(PaymentKind::Ended)).await,
        Applied::Unknown
    );
    assert_eq!(
        shop.apply(&of_another(PaymentKind::Paid)).await,
        Applied::RefundDue
    );
    shop.assert_books(&["PENDING"], &["OPEN", "REFUND_DUE"])
        .await;
    assert_eq!(
        shop.chores().await,
        [],
        "nor can it be asked for that money"
    );
}

/// Money in the instant in which the window ends is the order's or comes late, never both.
#[tokio::test]
async fn who_pays_while_the_order_expires_is_waited_for_by_neither() {
    for pays_first in [true, false] {
        let shop = Shop::open(1).await;
        let payment = shop.session().await;
        let (ledger, product) = (shop.ledger().clone(), shop.sale.products[0].id.clone());
        let driver = ledger.take_over(&shop.sale.id, &product).await.unwrap();
        shop.run("UPDATE orders SET expires_at = now() - interval '1 hour'")
            .await;
        let mut first = ledger.pool().begin().await.unwrap();
        if pays_first {
            // The payment has the order; the driver passes it over.
            sqlx::query("SELECT FROM orders FOR UPDATE")
                .execute(&mut *first)
                .await
                .unwrap();
            let expiry = ledger
                .expire_orders(&shop.sale.id, &product, driver.driver, 9)
                .await
                .unwrap();
            assert_eq!(expiry.expired, 0);
            first.rollback().await.unwrap();
            assert_eq!(shop.apply(&paid(payment)).await, Applied::Completed);
            let expiry = ledger
                .expire_orders(&shop.sale.id, &product, driver.driver, 9)
                .await
                .unwrap();
            assert_eq!((expiry.expired, expiry.next), (0, None));
            shop.assert_books(&["COMPLETED"], &["PAID"]).await;
        } else {
            sqlx::query("SELECT expire_orders('drop', 'p', $1, 9)")
                .bind(driver.driver)
                .execute(&mut *first)
                .await
                .unwrap();
            let paying = tokio::spawn({
                let ledger = ledger.clone();
                async move { ledger.apply_payment(&paid(payment)).await.unwrap() }
            });
            until_waiting(&ledger, 1).await;
            first.commit().await.unwrap();
            assert_eq!(paying.await.unwrap(), Applied::Reacquired);
            shop.assert_books(&["CANCELLED expired", "COMPLETED"], &["PAID"])
                .await;
        }
    }
}

#[tokio::test]
async fn the_same_event_at_two_gateways_is_carried_out_once() {
    let shop = Shop::open(1).await;
    let payment = shop.session().await;
    let mut blocked = shop.ledger().pool().begin().await.unwrap();
    sqlx::query("SELECT FROM orders FOR UPDATE")
        .execute(&mut *blocked)
        .await
        .unwrap();
    let told = paid(payment);
    let mut gateways = JoinSet::new();
    for _ in 0..2 {
        let (ledger, told) = (shop.ledger().clone(), told.clone());
        gateways.spawn(async move { ledger.apply_payment(&told).await.unwrap() });
    }
    until_waiting(shop.ledger(), 2).await;
    blocked.rollback().await.unwrap();
    let mut results = gateways.join_all().await;
    results.sort_by_key(|result| result.as_str());
    assert_eq!(results, [Applied::Completed, Applied::Repeat]);
    shop.assert_books(&["COMPLETED"], &["PAID"]).await;
}

/// A shop locks orders before their product; so do payments, and nobody waits in a circle.
#[tokio::test]
async fn a_shop_that_cancels_and_money_that_comes_do_not_wait_for_each_other() {
    let shop = Shop::open(1).await;
    let payment = shop.session().await;
    let ledger = shop.ledger();
    let mut settling = ledger.pool().begin().await.unwrap();
    sqlx::query("SELECT FROM products FOR UPDATE")
        .execute(&mut *settling)
        .await
        .unwrap();
    let cancelling = tokio::spawn({
        let ledger = ledger.clone();
        async move {
            let cancel =
                sqlx::query("UPDATE orders SET status = 'CANCELLED', end_reason = 'staff'");
            cancel.execute(ledger.pool()).await
        }
    });
    until_waiting(ledger, 1).await;
    let paying = tokio::spawn({
        let ledger = ledger.clone();
        async move { ledger.apply_payment(&paid(payment)).await }
    });
    until_waiting(ledger, 2).await;
    settling.commit().await.unwrap();
    cancelling.await.unwrap().unwrap();
    assert_eq!(paying.await.unwrap().unwrap(), Applied::RefundDue);
    shop.assert_books(&["CANCELLED staff"], &["REFUND_DUE"])
        .await;
}

#[tokio::test]
async fn a_session_is_ended_once_its_window_is_over_and_before_its_order_is() {
    let shop = Shop::open(1).await;
    shop.session().await;
    assert_eq!(shop.chores().await, []);
    // A window that the shop made longer counts.
    shop.run("UPDATE payments SET expires_at = now()").await;
    assert_eq!(shop.chores().await, []);
    shop.assert_books(&["PENDING"], &["OPEN"]).await;
    shop.run("UPDATE orders SET expires_at = now(); UPDATE payments SET expires_at = now()")
        .await;
    let chores = shop.chores().await;
    assert_eq!((chores.len(), chores[0].kind), (1, ChoreKind::End));
    shop.assert_books(&["PENDING"], &["ENDING"]).await;
    assert_eq!(shop.checkout().await, Checkout::Over);
    // It was paid, and the event was lost.
    let told = PaymentEvent {
        event: None,
        ..paid(chores[0].payment)
    };
    assert_eq!(shop.apply(&told).await, Applied::Completed);
    shop.assert_books(&["COMPLETED"], &["PAID"]).await;
}

#[tokio::test]
async fn a_session_that_nobody_heard_of_is_looked_for_during_a_day() {
    let shop = Shop::open(1).await;
    let Checkout::Opening(session) = shop.checkout().await else {
        panic!("no payment is opened");
    };
    shop.run(EXPIRE).await;
    let chores = shop.chores().await;
    assert_eq!(
        (chores[0].kind, &chores[0].session_ref),
        (ChoreKind::End, &None)
    );
    shop.run("UPDATE payments SET next_try = now(), created_at = now() - interval '25 hours'")
        .await;
    assert_eq!(shop.chores().await, []);
    shop.assert_books(&["CANCELLED expired"], &["ENDED"]).await;
    // There was one after all.
    let opened = shop
        .ledger()
        .session_opened(session.payment, "cs_1", "https://till.example/");
    assert!(!opened.await.unwrap());
    shop.run("UPDATE payments SET next_try = now()").await;
    assert_eq!(shop.chores().await[0].session_ref.as_deref(), Some("cs_1"));
}

#[tokio::test]
async fn chores_are_claimed_by_one_gateway_and_come_again_ever_later() {
    let shop = Shop::of(provided(50, LatePolicy::Reacquire)).await;
    let (ledger, sale) = (shop.ledger(), &shop.sale);
    let others = jobs(sale, "v", 39);
    settle(ledger, sale, &others).await;
    shop.session().await;
    for job in &others {
        checkout(ledger, job).await;
    }
    shop.run(EXPIRE).await;
    let claims = async |providers: &[&str], limit, lease| {
        let providers = owned(providers);
        ledger
            .claim_payment_chores(&providers, limit, lease)
            .await
            .unwrap()
    };
    assert_eq!(claims(&["other"], 100, LEASE).await, []);
    assert_eq!(claims(&[], 100, LEASE).await, []);
    let (start, mut gateways) = (std::sync::Arc::new(Barrier::new(4)), JoinSet::new());
    for _ in 0..4 {
        let (ledger, start) = (ledger.clone(), start.clone());
        gateways.spawn(async move {
            start.wait().await;
            let providers = owned(&["other", PROVIDER]);
            let mut claimed = Vec::new();
            loop {
                let chores = ledger
                    .claim_payment_chores(&providers, 5, LEASE)
                    .await
                    .unwrap();
                if chores.is_empty() {
                    return claimed;
                }
                assert!(chores.len() <= 5);
                claimed.extend(chores.into_iter().map(|chore| chore.payment));
            }
        });
    }
    // One that skips what others are just claiming may have found nothing.
    let mut claimed: Vec<Uuid> = gateways.join_all().await.concat();
    claimed.extend(
        claims(&[PROVIDER], 100, LEASE)
            .await
            .iter()
            .map(|chore| chore.payment),
    );
    assert_eq!(claimed.len(), 40);
    claimed.sort_unstable();
    claimed.dedup();
    assert_eq!(claimed.len(), 40, "nobody gets another's");

    // The lease first, then twice as long each time, and every ten minutes in the end.
    for (attempts, lease, wait) in [
        (0, 30, 30),
        (0, 0, 1),
        (3, 0, 8),
        (3, 30, 30),
        (9, 0, 512),
        (40, 0, 600),
    ] {
        let due = format!("UPDATE payments SET next_try = now(), attempts = {attempts}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(due))
            .execute(ledger.pool())
            .await
            .unwrap();
        let chores = claims(&[PROVIDER], 100, Duration::from_secs(lease)).await;
        assert_eq!((chores.len(), chores[0].attempts), (40, attempts + 1));
        let waits: f64 = sqlx::query_scalar(
            "SELECT extract(epoch FROM max(next_try) - now())::float8 FROM payments",
        )
        .fetch_one(ledger.pool())
        .await
        .unwrap();
        let wait = f64::from(wait);
        assert!(
            waits <= wait && waits > wait - 5.0,
            "{attempts}, {lease}: {waits}"
        );
    }
}

#[tokio::test]
async fn events_are_forgotten_after_forty_days() {
    let shop = Shop::open(1).await;
    let payment = shop.session().await;
    shop.apply(&paid(payment)).await;
    shop.apply(&paid(payment)).await;
    shop.run(
        "INSERT INTO payment_events (provider, event_id, kind, at)
           SELECT 'till', 'old' || n, 'ended', now() - interval '41 days' FROM generate_series(1, 700) AS n;
         UPDATE payment_events SET at = now() - interval '39 days' WHERE event_id NOT LIKE 'old%'",
    )
    .await;
    for left in [402, 102, 2, 2] {
        shop.chores().await;
        let events: i64 = sqlx::query_scalar("SELECT count(*) FROM payment_events")
            .fetch_one(shop.ledger().pool())
            .await
            .unwrap();
        assert_eq!(events, left);
    }
}

#[tokio::test]
async fn payments_are_counted_by_sale_and_state() {
    let shop = Shop::open(3).await;
    shop.session().await;
    shop.apply(&paid(Uuid::now_v7())).await;
    shop.run("UPDATE payments SET changed_at = now() - interval '90 seconds'")
        .await;
    let ledger = shop.ledger();
    for (sale, state) in [(Some(&shop.sale.id), "OPEN"), (None, "REFUND_DUE")] {
        let totals = ledger.payments_of_sale(sale).await.unwrap();
        let [total] = &totals[..] else {
            panic!("{totals:?}");
        };
        assert_eq!(
            (total.state.as_str(), total.payments, total.amount),
            (state, 1, price())
        );
        assert!(
            (90_000..120_000).contains(&total.oldest_ms),
            "{}",
            total.oldest_ms
        );
    }
}
