//! What every provider can do.

use std::sync::Arc;

use flashsale_ledger::{Chore, PaymentEvent, Session};
use http::HeaderMap;

use super::{signatures::BadSignature, stripe::Stripe, webhook::Webhook};

/// Why a provider did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProviderError {
    /// It was out of reach or too slow. Whether it did it is unknown, so it is asked again.
    #[error("the payment provider could not be asked: {0}")]
    Unknown(String),
    /// It answered that it failed. It may answer so again whenever the same is asked under the same key.
    #[error("the payment provider failed: {0}")]
    Failed(String),
    /// It refused, so it has done nothing.
    #[error("the payment provider refused: {0}")]
    Refused(String),
}

/// Why an event is not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum BadEvent {
    /// Somebody else may have sent it.
    #[error(transparent)]
    Signature(#[from] BadSignature),
    /// The provider has sent something else than it says that it does.
    #[error("the event cannot be read: {0}")]
    Body(String),
}

/// A session to be opened.
#[derive(Debug)]
pub(super) struct NewSession<'a> {
    pub(super) session: &'a Session,
    /// What the shopper reads.
    pub(super) product_name: &'a str,
    pub(super) user: &'a str,
    /// Where the shopper goes afterwards.
    pub(super) return_url: String,
}

/// A session that is open.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Opened {
    pub(super) session_ref: String,
    /// Where the shopper pays.
    pub(super) url: String,
}

/// What came of ending a session.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SessionEnd {
    /// Nobody can pay it any more, and nobody has.
    Ended,
    /// It was paid before.
    Paid(Money),
    /// A payment is under way, and ends later.
    UnderWay,
}

/// Money that was paid.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Money {
    pub(super) payment_ref: Option<String>,
    /// Minor units.
    pub(super) amount: i64,
    pub(super) currency: String,
}

/// One provider; clones are one.
#[derive(Debug, Clone)]
pub(super) enum Provider {
    Stripe(Arc<Stripe>),
    Webhook(Arc<Webhook>),
}

impl Provider {
    /// Opens a session, or gives back the one that was opened for the same payment.
    pub(super) async fn open(&self, new: &NewSession<'_>) -> Result<Opened, ProviderError> {
        match self {
            Self::Stripe(stripe) => stripe.open(new).await,
            Self::Webhook(webhook) => webhook.open(new).await,
        }
    }

    /// Has a session end that nobody is to pay any more.
    pub(super) async fn end(&self, chore: &Chore) -> Result<SessionEnd, ProviderError> {
        match self {
            Self::Stripe(stripe) => stripe.end(chore).await,
            Self::Webhook(webhook) => webhook.end(chore).await,
        }
    }

    /// Pays back all that was paid, once however often it is called; gives the refund's id.
    pub(super) async fn refund(&self, chore: &Chore) -> Result<String, ProviderError> {
        match self {
            Self::Stripe(stripe) => stripe.refund(chore).await,
            Self::Webhook(webhook) => webhook.refund(chore).await,
        }
    }

    /// What a signed message says at `now`, in seconds since the Unix epoch; none for one that is no
    /// concern of ours.
    pub(super) fn read(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: u64,
    ) -> Result<Option<PaymentEvent>, BadEvent> {
        match self {
            Self::Stripe(stripe) => stripe.read(headers, body, now),
            Self::Webhook(webhook) => webhook.read(headers, body, now),
        }
    }
}
