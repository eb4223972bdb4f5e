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
use uuid::Uuid;

use super::{assert_law_1, jobs, run, settle};

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
#[allow(dead_code)]
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
        let Checkout::Opening(session) = self.checkout().await else {
            panic!("no payment is opened");
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
             OR p.state IN ('REFUND_DUE', 'REFUNDED') AND o.status = 'COMPLETED' AND p.amount = o.price
                AND NOT EXISTS (SELECT FROM payments WHERE order_id = o.id AND state = 'PAID')",
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
