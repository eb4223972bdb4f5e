//! Stripe Checkout, by its documented HTTP API: <https://docs.stripe.com/api/checkout/sessions>.

mod events;

use flashsale_ledger::{Chore, Session};
use http::HeaderMap;
use reqwest::{RequestBuilder, header::CONTENT_TYPE};
use serde::Deserialize;
use url::{Url, form_urlencoded::Serializer};
use uuid::Uuid;

use super::{
    caller::{Caller, Reply},
    provider::{BadEvent, Money, NewSession, Opened, ProviderError, SessionEnd},
    signatures::Secrets,
};
use crate::config::Hidden;
use flashsale_ledger::PaymentEvent;

/// The version of the API that this was written for.
const VERSION: &str = "2024-06-20";

/// The key of the metadata by which our sessions are recognized.
const PAYMENT: &str = "flashsale_payment";

/// The key under which they name the provider of the configuration, so that installations that share an
/// account leave each other's payments alone.
const PROVIDER: &str = "flashsale_provider";

/// Seconds from the end of an order's window to that of its session. Stripe allows none below 30 minutes from
/// now; ours are ended earlier, and this is for the case that nobody is left to do so. It does not depend on
/// when it is asked for, since a repeat with other parameters is refused.
const EXPIRES_AFTER_SECONDS: i64 = 31 * 60;

/// Seconds that a session may last, a minute less than Stripe's limit.
const LONGEST_SECONDS: i64 = 24 * 60 * 60 - 60;

/// Currencies of which Stripe has other minor units than ISO 4217
/// (<https://docs.stripe.com/currencies#special-cases>); a charge would be a hundred times off.
const OTHER_UNITS: [&str; 3] = ["ISK", "MGA", "UGX"];

/// One account.
#[derive(Debug)]
pub(super) struct Stripe {
    pub(super) name: String,
    pub(super) api: Url,
    pub(super) secret_key: Hidden,
    pub(super) secrets: Secrets,
    pub(super) payment_methods: Vec<String>,
    pub(super) caller: Caller,
}

/// A Checkout Session, as far as it concerns us.
#[derive(Debug, Deserialize)]
struct SessionObject {
    id: String,
    url: Option<String>,
    status: Option<String>,
    payment_status: Option<String>,
    payment_intent: Option<String>,
    amount_total: Option<i64>,
    currency: Option<String>,
    metadata: Option<Metadata>,
}

/// A `PaymentIntent`, as far as it concerns us.
#[derive(Debug, Deserialize)]
struct IntentObject {
    status: String,
}

/// What we have Stripe remember.
#[derive(Debug, Deserialize)]
struct Metadata {
    flashsale_payment: Option<Uuid>,
    flashsale_provider: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Refund {
    id: String,
    amount: Option<i64>,
    status: Option<String>,
    payment_intent: Option<String>,
    metadata: Option<Metadata>,
}

#[derive(Debug, Deserialize)]
struct Failure {
    error: FailureBody,
}

#[derive(Debug, Deserialize)]
struct FailureBody {
    code: Option<String>,
}

impl SessionObject {
    fn is_paid(&self) -> bool {
        self.payment_status.as_deref() == Some("paid")
    }
}

impl Stripe {
    pub(super) async fn open(&self, new: &NewSession<'_>) -> Result<Opened, ProviderError> {
        let session = new.session;
        if OTHER_UNITS.contains(&session.currency.as_str()) {
            let why = format!("amounts in {} are not supported", session.currency);
            return Err(ProviderError::Refused(why));
        }
        let key = session.payment.to_string();
        let reply = self
            .post("checkout/sessions", &key, self.session_form(new))
            .await?;
        let object: SessionObject = reply.done()?;
        let url = object.url.ok_or_else(|| {
            ProviderError::Unknown("it answered with a session that has no address".to_owned())
        })?;
        Ok(Opened {
            session_ref: object.id,
            url,
        })
    }

    fn session_form(&self, new: &NewSession<'_>) -> String {
        let session = new.session;
        let mut form = Serializer::new(String::new());
        form.append_pair("mode", "payment")
            .append_pair("client_reference_id", &session.payment.to_string())
            .append_pair("success_url", &new.return_url)
            .append_pair("cancel_url", &new.return_url)
            .append_pair("expires_at", &expires_at(session).to_string())
            // In the currency of the sale and no other, so that amounts can be compared.
            .append_pair("adaptive_pricing[enabled]", "false")
            .append_pair("line_items[0][quantity]", "1");
        for (field, value) in [
            ("[currency]", session.currency.to_ascii_lowercase()),
            ("[unit_amount]", session.amount.to_string()),
            ("[product_data][name]", new.product_name.to_owned()),
        ] {
            form.append_pair(&format!("line_items[0][price_data]{field}"), &value);
        }
        for (place, method) in self.payment_methods.iter().enumerate() {
            form.append_pair(&format!("payment_method_types[{place}]"), method);
        }
        // The money has them too: what is told of refunds is told of it.
        for object in ["", "payment_intent_data"] {
            self.append_metadata(&mut form, object, session.payment);
        }
        form.finish()
    }

    pub(super) async fn end(&self, chore: &Chore) -> Result<SessionEnd, ProviderError> {
        // Whether it was opened is unknown; nobody was told its address, so nobody pays it.
        let Some(session) = &chore.session_ref else {
            return Ok(SessionEnd::Ended);
        };
        let path = format!("checkout/sessions/{session}");
        let reply = self.send(
            self.caller
                .client
                .post(self.address(&format!("{path}/expire"))?),
        );
        let reply = reply.await?;
        if reply.status.is_success() {
            return Ok(SessionEnd::Ended);
        }
        // It may have been paid, or have ended by itself.
        let object: SessionObject = self.get(&path).await?.done()?;
        match (object.status.as_deref(), object.is_paid()) {
            (_, true) => Ok(SessionEnd::Paid(Money {
                amount: object.amount_total.unwrap_or_default(),
                currency: object.currency.unwrap_or_default().to_ascii_uppercase(),
                payment_ref: object.payment_intent,
            })),
            (Some("expired"), false) => Ok(SessionEnd::Ended),
            (Some("complete"), false) => self.of_money(object.payment_intent).await,
            // Why it cannot be ended.
            _ => reply.done().map(|()| SessionEnd::Ended),
        }
    }

    /// Whether money may still come of a session that was completed: the event that says so may have been lost.
    async fn of_money(&self, intent: Option<String>) -> Result<SessionEnd, ProviderError> {
        let Some(intent) = intent else {
            return Ok(SessionEnd::UnderWay);
        };
        let path = format!("payment_intents/{intent}");
        let object: IntentObject = self.get(&path).await?.done()?;
        Ok(match object.status.as_str() {
            "requires_payment_method" | "canceled" => SessionEnd::Ended,
            _ => SessionEnd::UnderWay,
        })
    }

    pub(super) async fn refund(&self, chore: &Chore) -> Result<String, ProviderError> {
        let intent = match (&chore.payment_ref, &chore.session_ref) {
            (Some(intent), _) => Some(intent.clone()),
            (None, Some(session)) => {
                let session = self.get(&format!("checkout/sessions/{session}")).await?;
                session.done::<SessionObject>()?.payment_intent
            }
            (None, None) => None,
        };
        let intent = intent.ok_or_else(|| {
            ProviderError::Refused("it has not said which payment to refund".to_owned())
        })?;
        // A key of its own for each attempt: Stripe repeats the answer that a key once got, failures too. All of
        // the money can be refunded but once.
        let key = format!("{}:refund:{}", chore.payment, chore.attempts);
        let reply = self
            .post("refunds", &key, self.refund_form(&intent, chore.payment))
            .await?;
        if reply.status.is_client_error()
            && let Ok(failure) = reply.read::<Failure>()
            && failure.error.code.as_deref() == Some("charge_already_refunded")
        {
            return Ok("already-refunded".to_owned());
        }
        let refund: Refund = reply.done()?;
        match refund.status.as_deref() {
            Some("failed" | "canceled") => Err(ProviderError::Refused(format!(
                "refund {} failed",
                refund.id
            ))),
            _ => Ok(refund.id),
        }
    }

    /// Without an amount: all of it, also where something else was paid than what was asked for.
    fn refund_form(&self, intent: &str, payment: Uuid) -> String {
        let mut form = Serializer::new(String::new());
        form.append_pair("payment_intent", intent);
        self.append_metadata(&mut form, "", payment);
        form.finish()
    }

    pub(super) fn read(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: u64,
    ) -> Result<Option<PaymentEvent>, BadEvent> {
        events::check(&self.secrets, headers, body, now)?;
        events::read(&self.name, body)
    }

    fn append_metadata(&self, form: &mut Serializer<'_, String>, object: &str, payment: Uuid) {
        let key = |name| match object {
            "" => format!("metadata[{name}]"),
            object => format!("{object}[metadata][{name}]"),
        };
        form.append_pair(&key(PAYMENT), &payment.to_string())
            .append_pair(&key(PROVIDER), &self.name);
    }

    async fn post(&self, path: &str, key: &str, form: String) -> Result<Reply, ProviderError> {
        let request = self.caller.client.post(self.address(path)?);
        let request = request
            .header("Idempotency-Key", key)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form);
        self.send(request).await
    }

    async fn get(&self, path: &str) -> Result<Reply, ProviderError> {
        self.send(self.caller.client.get(self.address(path)?)).await
    }

    async fn send(&self, request: RequestBuilder) -> Result<Reply, ProviderError> {
        let request = request
            .bearer_auth(self.secret_key.reveal())
            .header("Stripe-Version", VERSION);
        self.caller.send(request).await
    }

    fn address(&self, path: &str) -> Result<Url, ProviderError> {
        let address = self.api.join(&format!("/v1/{path}"));
        address.map_err(|error| ProviderError::Refused(error.to_string()))
    }
}

/// When the session ends by itself, in seconds since the Unix epoch.
fn expires_at(session: &Session) -> i64 {
    let wanted = (session.expires_ms / 1000).saturating_add(EXPIRES_AFTER_SECONDS);
    let made = session.payment.get_timestamp().map(|made| made.to_unix().0);
    match made.and_then(|seconds| i64::try_from(seconds).ok()) {
        Some(made) => wanted.min(made + LONGEST_SECONDS),
        None => wanted,
    }
}
