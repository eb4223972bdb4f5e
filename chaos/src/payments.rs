//! Shoppers who pay, and the provider that they pay at.
//!
//! The provider is a stand-in with an account of its own. What it took and paid back is held against the
//! ledger after a round, since a ledger that forgot a payment would not miss it.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use flashsale_testbed::{
    http,
    stripe::{EventFault, Faults, SECRET_KEY, Session, SessionStatus, Stripe},
};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use serde_json::Value;
use sqlx::{Connection, PgConnection};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::{JoinHandle, JoinSet},
    time::sleep,
};

use crate::{error::ChaosError, faults::ProviderTrouble, files, stores::until};

/// The provider's name in sales and in the gateways' file.
pub(crate) const PROVIDER: &str = "stand-in";

/// What a sale says of payments. Windows are short, so that many end within a round.
pub(crate) const SPEC: &str =
    "payment: {windowSeconds: 4, graceSeconds: 3, provider: stand-in, onLate: Reacquire}";

/// How long an order may be paid, and how long it is kept beyond; as in [`SPEC`].
const WINDOW: Duration = Duration::from_secs(4);
const GRACE: Duration = Duration::from_secs(3);

/// How often the ledger is asked for new orders.
const LOOK: Duration = Duration::from_millis(100);

/// New orders that are read at a time.
const AT_A_TIME: i64 = 500;

/// Shoppers who are at it at a time. Who comes when all places are taken does not pay.
const PLACES: usize = 24;

/// How long a shopper keeps trying to reach the page on which to pay.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long all may take to end after the crowd: windows, and chores that were put off after failures.
const END: Duration = Duration::from_mins(2);

/// The secret by which events are signed.
const WEBHOOK_SECRET: &str = "whsec_of_the_stand_in";

/// What a shopper does with an order that waits for its payment.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Habit {
    /// Pays on the provider's page.
    Pays,
    /// Pays by a method whose money arrives after the window.
    PaysLate,
    /// Pays by such a method, and no money arrives.
    Fails,
    /// Opens the page and leaves.
    Looks,
    /// Gives the order back.
    Cancels,
    /// Does nothing.
    Never,
}

impl Habit {
    fn draw(random: &mut StdRng) -> Self {
        match random.random_range(0..100) {
            0..50 => Self::Pays,
            50..58 => Self::PaysLate,
            58..60 => Self::Fails,
            60..65 => Self::Looks,
            65..70 => Self::Cancels,
            _ => Self::Never,
        }
    }
}

/// The provider, and the shoppers who pay there.
#[derive(Debug)]
pub(crate) struct Payments {
    provider: Arc<Stripe>,
    task: Option<JoinHandle<()>>,
}

impl Payments {
    /// A provider that is ready to be used, without shoppers.
    pub(crate) async fn start() -> Result<Self, ChaosError> {
        Ok(Self {
            provider: Arc::new(Stripe::start().await?),
            task: None,
        })
    }

    /// Writes the gateways' file of providers into `directory`.
    pub(crate) fn write_file(&self, directory: &Path) -> Result<PathBuf, ChaosError> {
        let file = directory.join("payment-providers.yaml");
        let text = format!(
            "{PROVIDER}:\n  kind: stripe\n  secretKey: {SECRET_KEY}\n  apiUrl: {}\n  \
             returnUrl: \"http://127.0.0.1/{{sale}}?job={{jobId}}\"\n  \
             webhookSecrets: [{WEBHOOK_SECRET}]\n  paymentMethods: [card, sepa_debit]\n",
            self.provider.url()
        );
        files::write(&file, text)?;
        Ok(file)
    }

    /// Has shoppers pay at these gateways; events go to the first of them. `seed` draws what they do.
    pub(crate) fn open(&mut self, gateways: Vec<SocketAddr>, ledger: String, seed: u64) {
        let path = format!("/payments/{PROVIDER}/events");
        if let Some(first) = gateways.first() {
            self.provider.deliver_to(*first, &path, WEBHOOK_SECRET);
        }
        let shoppers = Shoppers {
            provider: Arc::clone(&self.provider),
            gateways,
            ledger,
            random: StdRng::seed_from_u64(seed),
        };
        self.task = Some(tokio::spawn(shoppers.run()));
    }

    /// Makes the provider fail, or everything well with it.
    pub(crate) fn set_trouble(&self, trouble: Option<ProviderTrouble>) {
        let mut faults = Faults::default();
        match trouble {
            None => {}
            Some(ProviderTrouble::Away) => faults.is_away = true,
            Some(ProviderTrouble::AnswersLost) => faults.answers_are_lost = true,
            Some(ProviderTrouble::Slow) => faults.delay = Duration::from_millis(1_500),
            Some(ProviderTrouble::EventsLost) => faults.events = EventFault::Lost,
            Some(ProviderTrouble::EventsTwice) => faults.events = EventFault::Twice,
            Some(ProviderTrouble::EventsReversed) => faults.events = EventFault::Held,
        }
        self.provider.set_faults(faults);
        // The newest first.
        self.provider.release();
    }

    /// Waits until every order and every payment has ended, and says by what law 8 is broken.
    pub(crate) async fn end(&mut self, ledger: &str) -> Result<Vec<String>, ChaosError> {
        let is_done = until("every order and payment has ended", END, async || {
            let mut ledger = PgConnection::connect(ledger).await?;
            let open: i64 = sqlx::query_scalar(
                "SELECT (SELECT count(*) FROM orders WHERE status = 'PENDING')
                      + (SELECT count(*) FROM payments
                          WHERE state IN ('OPENING', 'OPEN', 'ENDING', 'REFUND_DUE'))",
            )
            .fetch_one(&mut ledger)
            .await?;
            Ok(open == 0)
        });
        let is_done = is_done.await;
        if let Some(task) = self.task.take() {
            task.abort();
        }
        let mut violations: Vec<String> = is_done.err().iter().map(ToString::to_string).collect();
        let mut ledger = PgConnection::connect(ledger).await?;
        let payments: Vec<Payment> = sqlx::query_as(
            "SELECT p.id::text, p.state::text, o.status::text AS \"order\", p.url IS NOT NULL AS has_page
               FROM payments p LEFT JOIN orders o ON o.id = p.order_id",
        )
        .fetch_all(&mut ledger)
        .await?;
        let payments = payments.into_iter();
        let payments = payments
            .map(|payment| (payment.id.clone(), payment))
            .collect();
        violations.extend(judge(&self.provider.sessions(), &payments));
        Ok(violations)
    }
}

/// A payment as the ledger has it.
#[derive(Debug, sqlx::FromRow)]
struct Payment {
    id: String,
    state: String,
    /// The status of its order.
    order: Option<String>,
    /// Whether a shopper could be told where to pay.
    has_page: bool,
}

/// Law 8 from the provider's side: money that it kept is one completed order's, and money that it paid back is
/// nobody's. `payments` are those of the ledger by their ids.
fn judge(sessions: &[Session], payments: &BTreeMap<String, Payment>) -> Vec<String> {
    let mut violations = Vec::new();
    for session in sessions {
        let known = payments.get(&session.payment);
        let is_paid = known.is_some_and(|payment| payment.state == "PAID");
        let has_order =
            is_paid && known.and_then(|payment| payment.order.as_deref()) == Some("COMPLETED");
        let kept = session.paid - session.refunded;
        let problem = if session.refunds > 1 {
            "was refunded more than once"
        } else if kept > 0 && !has_order {
            "was paid and has neither its order nor a refund"
        } else if kept == 0 && has_order {
            "has an order that nobody paid for"
        } else if session.status == SessionStatus::Open
            && known.is_none_or(|payment| payment.has_page)
        {
            "can still be paid"
        } else {
            continue;
        };
        violations.push(format!(
            "law 8: session {} {problem} ({known:?})",
            session.id
        ));
    }
    violations
}

struct Shoppers {
    provider: Arc<Stripe>,
    gateways: Vec<SocketAddr>,
    ledger: String,
    random: StdRng,
}

impl Shoppers {
    /// Looks for orders that wait, and has a shopper for each, until it is dropped.
    async fn run(mut self) {
        let places = Arc::new(Semaphore::new(PLACES));
        let mut shoppers = JoinSet::new();
        let mut last = 0_i64;
        loop {
            // PostgreSQL may be away.
            for (order, job) in self.new_orders(last).await.unwrap_or_default() {
                last = last.max(order);
                let habit = Habit::draw(&mut self.random);
                let gateway = self.gateways.choose(&mut self.random);
                let (Some(gateway), Ok(place)) = (gateway, Arc::clone(&places).try_acquire_owned())
                else {
                    continue;
                };
                let shopper = Shopper {
                    provider: Arc::clone(&self.provider),
                    gateway: *gateway,
                    job,
                };
                shoppers.spawn(async move {
                    shopper.act(habit, place).await;
                });
            }
            while shoppers.try_join_next().is_some() {}
            sleep(LOOK).await;
        }
    }

    async fn new_orders(&self, last: i64) -> Result<Vec<(i64, String)>, sqlx::Error> {
        let mut ledger = PgConnection::connect(&self.ledger).await?;
        sqlx::query_as(
            "SELECT id::bigint, job_id::text FROM orders
              WHERE status = 'PENDING' AND id > $1 ORDER BY id LIMIT $2",
        )
        .bind(last)
        .bind(AT_A_TIME)
        .fetch_all(&mut ledger)
        .await
    }
}

/// One shopper with one order.
struct Shopper {
    provider: Arc<Stripe>,
    gateway: SocketAddr,
    job: String,
}

impl Shopper {
    async fn act(&self, habit: Habit, place: OwnedSemaphorePermit) {
        match habit {
            Habit::Never => {}
            Habit::Cancels => {
                self.call("cancel").await;
            }
            Habit::Looks => {
                self.open_page().await;
            }
            Habit::Pays => {
                if let Some(session) = self.open_page().await {
                    self.provider.pay(&session);
                }
            }
            Habit::PaysLate | Habit::Fails => {
                let session = self.open_page().await;
                // Nobody has to wait for who has gone.
                drop(place);
                if let Some(session) = session
                    && self.provider.pay_later(&session)
                {
                    sleep(WINDOW + GRACE + GRACE).await;
                    self.provider.settle(&session, habit == Habit::PaysLate);
                }
            }
        }
    }

    /// The provider's session for the order.
    async fn open_page(&self) -> Option<String> {
        let body = self.call("checkout").await?;
        let answer: Value = serde_json::from_str(&body).ok()?;
        let url = answer["url"].as_str()?;
        url.rsplit_once("/pay/")
            .map(|(_, session)| session.to_owned())
    }

    /// The gateway's answer when it is 200; repeated for a while, as a page does.
    async fn call(&self, action: &str) -> Option<String> {
        let path = format!("/orders/{}/{action}", self.job);
        let repeated = async {
            loop {
                match http::post(self.gateway, &path, &[], "").await {
                    Ok(answer) if answer.status == 200 => return Some(answer.body),
                    Ok(answer) if answer.status < 500 => return None,
                    Ok(_) | Err(_) => sleep(LOOK).await,
                }
            }
        };
        tokio::time::timeout(PATIENCE, repeated)
            .await
            .ok()
            .flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(paid: i64, refunded: i64, refunds: u32) -> Session {
        Session {
            id: "cs_1".to_owned(),
            payment: "1".to_owned(),
            status: SessionStatus::Complete,
            paid,
            refunded,
            refunds,
            ..Session::default()
        }
    }

    fn judged(session: Session, state: &str, order: Option<&str>, has_page: bool) -> usize {
        let id = session.payment.clone();
        let payment = Payment {
            id: id.clone(),
            state: state.to_owned(),
            order: order.map(str::to_owned),
            has_page,
        };
        judge(&[session], &BTreeMap::from([(id, payment)])).len()
    }

    #[test]
    fn money_has_one_order_or_one_refund() {
        let good = [
            (session(100, 0, 0), "PAID", Some("COMPLETED")),
            (session(100, 100, 1), "REFUNDED", Some("CANCELLED")),
            (session(0, 0, 0), "ENDED", Some("CANCELLED")),
        ];
        for (session, state, order) in good {
            assert_eq!(judged(session, state, order, true), 0, "{state} {order:?}");
        }
        let bad = [
            (session(100, 0, 0), "ENDED", Some("CANCELLED")),
            (session(100, 0, 0), "PAID", Some("CANCELLED")),
            (session(100, 100, 1), "PAID", Some("COMPLETED")),
            (session(100, 100, 2), "REFUNDED", None),
            (session(0, 0, 0), "PAID", Some("COMPLETED")),
        ];
        for (session, state, order) in bad {
            assert_eq!(judged(session, state, order, true), 1, "{state} {order:?}");
        }
        assert_eq!(judge(&[session(100, 0, 0)], &BTreeMap::new()).len(), 1);
    }

    #[test]
    fn only_a_session_whose_page_nobody_heard_of_may_stay_open() {
        let open = || Session {
            status: SessionStatus::Open,
            ..session(0, 0, 0)
        };
        assert_eq!(judged(open(), "ENDED", Some("CANCELLED"), false), 0);
        assert_eq!(judged(open(), "ENDED", Some("CANCELLED"), true), 1);
    }
}
