//! A payment provider of the shop's own: signed messages in the form of Standard Webhooks
//! (<https://github.com/standard-webhooks/standard-webhooks>), both ways. docs/payments.md lists them.

mod messages;
mod signing;

use flashsale_ledger::{Chore, PaymentEvent, PaymentKind};
use http::HeaderMap;
use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};
use url::Url;

use super::{
    caller::Caller,
    provider::{BadEvent, Money, NewSession, Opened, ProviderError, SessionEnd},
    signatures::Secrets,
};
use crate::unix_time::unix_seconds;
use messages::{
    EndAnswer, EndCall, EventData, Message, OpenAnswer, OpenCall, RefundAnswer, RefundCall,
};

/// The shop's payment service.
#[derive(Debug)]
pub(super) struct Webhook {
    pub(super) name: String,
    pub(super) url: Url,
    pub(super) secrets: Secrets,
    pub(super) caller: Caller,
}

impl Webhook {
    pub(super) async fn open(&self, new: &NewSession<'_>) -> Result<Opened, ProviderError> {
        let session = new.session;
        let call = OpenCall {
            payment_id: session.payment,
            order_id: session.order,
            user_id: new.user,
            sale: session.sale.as_str(),
            product_id: session.product.as_str(),
            product_name: new.product_name,
            amount: session.amount,
            currency: &session.currency,
            expires_at: Timestamp::from_millisecond(session.expires_ms).ok(),
            return_url: &new.return_url,
        };
        let id = session.payment.to_string();
        let answer: OpenAnswer = self.call("session.create", &id, call).await?;
        Ok(Opened {
            session_ref: answer.session_id,
            url: answer.url.into(),
        })
    }

    pub(super) async fn end(&self, chore: &Chore) -> Result<SessionEnd, ProviderError> {
        let call = EndCall {
            payment_id: chore.payment,
            session_id: chore.session_ref.as_deref(),
        };
        // Another one for each attempt, since what comes of it may be another.
        let id = format!("{}:end:{}", chore.payment, chore.attempts);
        Ok(match self.call("session.end", &id, call).await? {
            EndAnswer::Ended => SessionEnd::Ended,
            EndAnswer::Pending => SessionEnd::UnderWay,
            EndAnswer::Paid {
                payment_ref,
                amount,
                currency,
            } => SessionEnd::Paid(Money {
                payment_ref,
                amount,
                currency,
            }),
        })
    }

    pub(super) async fn refund(&self, chore: &Chore) -> Result<String, ProviderError> {
        let call = RefundCall {
            payment_id: chore.payment,
            session_id: chore.session_ref.as_deref(),
            payment_ref: chore.payment_ref.as_deref(),
        };
        let id = format!("{}:refund", chore.payment);
        let answer: RefundAnswer = self.call("refund", &id, call).await?;
        Ok(answer.refund_id)
    }

    pub(super) fn read(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: u64,
    ) -> Result<Option<PaymentEvent>, BadEvent> {
        let event = signing::check(&self.secrets, headers, body, now)?.to_owned();
        let message: Message<EventData> =
            serde_json::from_slice(body).map_err(|error| BadEvent::Body(error.to_string()))?;
        let kind = match message.kind.as_str() {
            "payment.paid" => PaymentKind::Paid,
            "payment.declined" => PaymentKind::Declined,
            "session.ended" => PaymentKind::Ended,
            "payment.refunded" => PaymentKind::Refunded,
            _ => return Ok(None),
        };
        let data = message.data;
        let missing = |field: &str| BadEvent::Body(format!("data.{field} is missing"));
        let (amount, currency) = match (kind, data.amount, data.currency) {
            (PaymentKind::Paid | PaymentKind::Refunded, None, _) => return Err(missing("amount")),
            (PaymentKind::Paid, _, None) => return Err(missing("currency")),
            (_, amount, currency) => (amount.unwrap_or_default(), currency.unwrap_or_default()),
        };
        Ok(Some(PaymentEvent {
            provider: self.name.clone(),
            event: Some(event),
            kind,
            payment: Some(data.payment_id),
            session_ref: data.session_id,
            payment_ref: data.payment_ref,
            amount,
            currency,
        }))
    }

    /// Sends a message whose `id` is the same for each attempt, so that the shop can tell a repeat.
    async fn call<T: DeserializeOwned>(
        &self,
        kind: &str,
        id: &str,
        data: impl Serialize,
    ) -> Result<T, ProviderError> {
        let message = Message {
            kind: kind.to_owned(),
            timestamp: Timestamp::now(),
            data,
        };
        let body = serde_json::to_vec(&message)
            .map_err(|error| ProviderError::Refused(error.to_string()))?;
        let request = self.caller.client.post(self.url.clone());
        let request = signing::sign(&self.secrets, id, unix_seconds(), &body)
            .into_iter()
            .fold(request, |request, (name, value)| {
                request.header(name, value)
            })
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(body);
        self.caller.send(request).await?.done()
    }
}
