//! Payments: where a shopper pays for an order, what the provider tells of it, and what is left to do there.
//! docs/payments.md tells how. What becomes of orders and of money is decided in the ledger, in one
//! transaction each (`migrations/0085_payments.sql`); nothing here decides it.

mod caller;
pub mod calls;
pub(crate) mod chores;
mod file;
mod provider;
mod signatures;
mod stripe;
mod webhook;

use std::{collections::HashMap, path::Path, sync::Arc};

use flashsale_domain::id::{JobId, UserId};
use flashsale_ledger::{Applied, Checkout, Ledger, LedgerError, PaymentEvent, Session};
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::{
    catalogue::Catalogue,
    log_budget::LogBudget,
    metrics::PaymentMetrics,
    problem::{Problem, ProblemKind, unavailable},
};

use file::Configured;
pub use file::ProvidersError;
use provider::{NewSession, ProviderError};

/// Shoppers who may wait for the ledger at a time; others are told to come back.
const LEDGER_QUESTIONS: usize = 64;

/// Events that may wait for the ledger at a time, whatever shoppers do.
const EVENTS_AT_A_TIME: usize = 32;

/// Lines about providers that could not be asked.
static FAILURES: LogBudget = LogBudget::new();

/// Payments of this gateway; clones are one.
#[derive(Debug, Clone)]
pub struct Payments(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    providers: HashMap<String, Configured>,
    ledger: Ledger,
    catalogue: Catalogue,
    metrics: PaymentMetrics,
    questions: Semaphore,
    events: Semaphore,
}

impl Payments {
    /// Payments by the providers of the file at `path`; none where there is no file.
    pub fn new(
        path: Option<&Path>,
        ledger: Ledger,
        catalogue: Catalogue,
        metrics: PaymentMetrics,
    ) -> Result<Self, ProvidersError> {
        let providers = path.map(|path| file::read(path, &metrics.provider_seconds));
        Ok(Self(Arc::new(Parts {
            providers: providers.transpose()?.unwrap_or_default(),
            ledger,
            catalogue,
            metrics,
            questions: Semaphore::new(LEDGER_QUESTIONS),
            events: Semaphore::new(EVENTS_AT_A_TIME),
        })))
    }

    /// Whether there are providers, and so chores.
    pub(crate) fn has_providers(&self) -> bool {
        !self.0.providers.is_empty()
    }

    /// Where `user` pays for the order of `job`: at the session that is open, or at a new one.
    async fn session(&self, job: JobId, user: &UserId) -> Result<Session, Problem> {
        match self.checkout(job, user).await? {
            Checkout::Ready(session) => Ok(session),
            Checkout::Opening(session) => self.open(session, job, user).await,
            other => Err(refused(&other)),
        }
    }

    async fn checkout(&self, job: JobId, user: &UserId) -> Result<Checkout, Problem> {
        let _turn = self.0.questions.try_acquire().map_err(|_| busy())?;
        let checkout = self.0.ledger.open_checkout(job, user, Uuid::now_v7());
        checkout.await.map_err(ledger_is_away)
    }

    /// Has the provider open a session. Whoever asks for the same payment meanwhile gets the same one.
    async fn open(&self, session: Session, job: JobId, user: &UserId) -> Result<Session, Problem> {
        let Some(configured) = self.0.providers.get(&session.provider) else {
            let name = &session.provider;
            log(
                &session,
                &format!("--payment-providers has none of the name {name}"),
            );
            return Err(provider_is_away());
        };
        let offer = self.0.catalogue.find_offer(session.product.as_str()).await;
        let offer = offer.ok().flatten();
        let name = offer
            .as_ref()
            .map_or(session.product.as_str(), |offer| &offer.product().name);
        let new = NewSession {
            session: &session,
            product_name: name,
            user: user.as_str(),
            return_url: configured.return_url.of(&session.sale, job),
        };
        let opened = match configured.provider.open(&new).await {
            Ok(opened) => opened,
            Err(error) => return Err(self.not_opened(&session, &error).await),
        };
        let ledger = &self.0.ledger;
        let noted = ledger.session_opened(session.payment, &opened.session_ref, &opened.url);
        if noted.await.map_err(ledger_is_away)? {
            return Ok(Session {
                session_ref: Some(opened.session_ref),
                url: Some(opened.url),
                ..session
            });
        }
        // The order has ended meanwhile; the session is ended by whoever does chores.
        match self.checkout(job, user).await? {
            Checkout::Ready(session) => Ok(session),
            Checkout::Opening(_) => Err(provider_is_away()),
            other => Err(refused(&other)),
        }
    }

    async fn not_opened(&self, session: &Session, error: &ProviderError) -> Problem {
        log(session, &error.to_string());
        // Without an answer, the next press asks for the same session. After one that says that it failed, it asks
        // for another: Stripe repeats such an answer, and nobody was told the address of the first.
        if let ProviderError::Refused(why) | ProviderError::Failed(why) = error
            && let Err(error) = self.0.ledger.session_failed(session.payment, why).await
        {
            tracing::debug!(%error, "the ledger was not told that a session failed: {error}");
        }
        provider_is_away()
    }

    /// Has the ledger do what a provider told.
    async fn apply(&self, event: &PaymentEvent) -> Result<Applied, LedgerError> {
        let applied = self.0.ledger.apply_payment(event).await?;
        self.0.metrics.count(applied);
        if matches!(applied, Applied::RefundDue) {
            tracing::warn!(
                payment = event.payment.map(tracing::field::display),
                provider = event.provider,
                amount = event.amount,
                currency = event.currency,
                "money came for which there is no order, and is paid back"
            );
        }
        Ok(applied)
    }
}

fn log(session: &Session, error: &str) {
    if let Some(left_out) = FAILURES.spend(std::time::Instant::now()) {
        tracing::warn!(
            error,
            order = session.order,
            provider = session.provider,
            left_out,
            "order {} cannot be paid at {} now: {error}",
            session.order,
            session.provider
        );
    }
}

fn refused(checkout: &Checkout) -> Problem {
    let (kind, detail) = match checkout {
        Checkout::Unknown => return unknown_order(),
        Checkout::Paid => return already_paid(),
        Checkout::Cancelled => (
            ProblemKind::OrderCancelled,
            "the order is cancelled; nothing has to be paid",
        ),
        Checkout::Over => (
            ProblemKind::PaymentOver,
            "the time to pay for this order is over; it is cancelled unless a payment is on its way",
        ),
        Checkout::NoProvider | Checkout::Ready(_) | Checkout::Opening(_) => return not_offered(),
    };
    Problem::new(kind, detail)
}

fn unknown_order() -> Problem {
    Problem::new(
        ProblemKind::UnknownOrder,
        "there is no such order of yours; use the jobId that POST /buy answered",
    )
}

fn not_offered() -> Problem {
    Problem::new(
        ProblemKind::PaymentNotOffered,
        "this order is not paid here; the shop says how",
    )
}

fn already_paid() -> Problem {
    Problem::new(ProblemKind::OrderPaid, "the order is paid already")
}

fn provider_is_away() -> Problem {
    Problem::new(
        ProblemKind::ProviderUnavailable,
        "the payment provider cannot be asked right now; nothing was charged, try again in a second",
    )
    .retry_soon()
}

fn busy() -> Problem {
    unavailable("too many requests about payments are waiting; try again in a second")
}

#[expect(clippy::needless_pass_by_value, reason = "handed to map_err")]
fn ledger_is_away(error: LedgerError) -> Problem {
    tracing::debug!(%error, "the ledger could not be asked about a payment: {error}");
    unavailable("the order cannot be looked up right now; try again in a second")
}
