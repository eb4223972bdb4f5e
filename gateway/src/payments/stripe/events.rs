//! Stripe's events: <https://docs.stripe.com/webhooks>.

use flashsale_ledger::{PaymentEvent, PaymentKind};
use http::{HeaderMap, HeaderName};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Metadata, Refund, SessionObject};
use crate::payments::{
    provider::BadEvent,
    signatures::{BadSignature, Secrets, check_time},
};

const SIGNATURE: HeaderName = HeaderName::from_static("stripe-signature");
const MALFORMED: BadSignature = BadSignature::Header("Stripe-Signature");

#[derive(Deserialize)]
struct Event<'a> {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(borrow)]
    data: Data<'a>,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    object: &'a RawValue,
}

/// What was paid, and how much of it was paid back so far.
#[derive(Deserialize)]
struct Charge {
    amount_refunded: i64,
    payment_intent: Option<String>,
    metadata: Option<Metadata>,
}

/// Whether Stripe has sent this: `t=TIME,v1=CODE`, the code in hexadecimal digits, of `TIME.BODY`.
pub(super) fn check(
    secrets: &Secrets,
    headers: &HeaderMap,
    body: &[u8],
    now: u64,
) -> Result<(), BadSignature> {
    let header = headers.get(SIGNATURE).and_then(|value| value.to_str().ok());
    let (mut time, mut given) = (None, Vec::new());
    for part in header.ok_or(MALFORMED)?.split(',') {
        match part.trim().split_once('=') {
            Some(("t", text)) => time = Some(text),
            Some(("v1", text)) => given.push(text),
            // Other schemes, of which the documentation says that they are to be passed over.
            _ => {}
        }
    }
    let time = time.ok_or(MALFORMED)?;
    let signed = [time.as_bytes(), b".", body].concat();
    secrets.check(&signed, &given, |code| {
        let bytes = code.as_ref().iter();
        bytes.fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
    })?;
    check_time(time.parse().map_err(|_| MALFORMED)?, now)
}

/// What an event says of a payment of provider `name`; none for all others.
pub(super) fn read(name: &str, body: &[u8]) -> Result<Option<PaymentEvent>, BadEvent> {
    let event: Event<'_> = parse(body)?;
    let object = event.data.object.get().as_bytes();
    let kind = match event.kind.as_str() {
        "checkout.session.completed" | "checkout.session.async_payment_succeeded" => {
            PaymentKind::Paid
        }
        "checkout.session.async_payment_failed" => PaymentKind::Declined,
        "checkout.session.expired" => PaymentKind::Ended,
        "charge.refunded" => {
            let charge: Charge = parse(object)?;
            let money = (charge.payment_intent, charge.amount_refunded);
            return Ok(of_refund(name, event.id, charge.metadata, money));
        }
        "refund.updated" => {
            let refund: Refund = parse(object)?;
            if let Some("failed" | "canceled") = refund.status.as_deref() {
                tracing::error!(
                    provider = name,
                    refund = refund.id,
                    "refund {} has failed at {name}: pay it back by hand",
                    refund.id
                );
            }
            if refund.status.as_deref() != Some("succeeded") {
                return Ok(None);
            }
            let money = (refund.payment_intent, refund.amount.unwrap_or_default());
            return Ok(of_refund(name, event.id, refund.metadata, money));
        }
        _ => return Ok(None),
    };
    let session: SessionObject = parse(object)?;
    // Complete, but of a method by which money comes later: another event says whether it did.
    if kind == PaymentKind::Paid && !session.is_paid() {
        return Ok(None);
    }
    let Some(payment) = ours(name, session.metadata) else {
        return Ok(None);
    };
    Ok(Some(PaymentEvent {
        provider: name.to_owned(),
        event: Some(event.id),
        kind,
        payment: Some(payment),
        session_ref: Some(session.id),
        payment_ref: session.payment_intent,
        amount: session.amount_total.unwrap_or_default(),
        currency: session.currency.unwrap_or_default().to_ascii_uppercase(),
    }))
}

fn of_refund(
    name: &str,
    event: String,
    metadata: Option<Metadata>,
    (payment_ref, amount): (Option<String>, i64),
) -> Option<PaymentEvent> {
    Some(PaymentEvent {
        provider: name.to_owned(),
        event: Some(event),
        kind: PaymentKind::Refunded,
        payment: Some(ours(name, metadata)?),
        session_ref: None,
        payment_ref,
        amount,
        currency: String::new(),
    })
}

/// The payment that the metadata names, if it is one of provider `name`: an account may have other uses.
fn ours(name: &str, metadata: Option<Metadata>) -> Option<uuid::Uuid> {
    let metadata = metadata?;
    let is_ours = metadata.flashsale_provider.as_deref() == Some(name);
    metadata.flashsale_payment.filter(|_| is_ours)
}

fn parse<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, BadEvent> {
    serde_json::from_slice(json).map_err(|error| BadEvent::Body(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"whsec_test_secret";
    const TIME: u64 = 1_700_000_000;
    const BODY: &[u8] = br#"{"id":"evt_1","object":"event"}"#;
    /// By `openssl dgst -sha256 -hmac whsec_test_secret`.
    const CODE: &str = "0c8670ed117751cc551a20e35839447075c42800ea3cf3e8a2fbda99cd1e6edd";

    fn headers(signature: &str) -> HeaderMap {
        [(SIGNATURE, signature.parse().unwrap())]
            .into_iter()
            .collect()
    }

    #[test]
    fn a_signature_is_checked_as_stripe_makes_it() {
        let secrets = Secrets::new([&b"another"[..], SECRET]);
        let check = |header: &str, body: &[u8], now| check(&secrets, &headers(header), body, now);
        let good = format!("t={TIME},v1={CODE}");
        assert_eq!(check(&good, BODY, TIME + 300), Ok(()));
        let several = format!("t={TIME},v0=ab,v1=cd, v1={CODE}");
        assert_eq!(check(&several, BODY, TIME - 300), Ok(()));
        assert_eq!(check(&good, BODY, TIME + 301), Err(BadSignature::Time));
        assert_eq!(check(&good, BODY, TIME - 301), Err(BadSignature::Time));
        assert_eq!(check(&good, b"{}", TIME), Err(BadSignature::Wrong));
        let later = format!("t={},v1={CODE}", TIME + 1);
        assert_eq!(check(&later, BODY, TIME), Err(BadSignature::Wrong));
        for wrong in [
            "",
            "v1=",
            &format!("v0={CODE}"),
            &format!("v1={}", CODE.to_uppercase()),
        ] {
            let header = format!("t={TIME},{wrong}");
            assert_eq!(
                check(&header, BODY, TIME),
                Err(BadSignature::Wrong),
                "{wrong}"
            );
        }
        for malformed in ["", "t", &format!("v1={CODE}")] {
            assert_eq!(check(malformed, BODY, TIME), Err(MALFORMED), "{malformed}");
        }
    }

    fn event(kind: &str, object: &serde_json::Value) -> Option<PaymentEvent> {
        let event =
            serde_json::json!({ "id": "evt_1", "type": kind, "data": { "object": object } });
        read("shop", event.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn events_say_what_became_of_our_own_payments_alone() {
        let payment = uuid::Uuid::now_v7();
        let metadata = |provider: &str| serde_json::json!({ "flashsale_payment": payment, "flashsale_provider": provider });
        let session = |status: &str, metadata| {
            serde_json::json!({
                "id": "cs_1", "payment_status": status, "amount_total": 12_900, "currency": "usd",
                "payment_intent": "pi_1", "client_reference_id": payment, "metadata": metadata,
            })
        };
        let told = event(
            "checkout.session.completed",
            &session("paid", metadata("shop")),
        )
        .unwrap();
        assert_eq!(
            (told.kind, told.payment),
            (PaymentKind::Paid, Some(payment))
        );
        assert_eq!((told.amount, told.currency.as_str()), (12_900, "USD"));
        assert_eq!(told.payment_ref.as_deref(), Some("pi_1"));
        assert_eq!(told.event.as_deref(), Some("evt_1"));
        for (kind, status, expected) in [
            ("checkout.session.completed", "unpaid", None),
            (
                "checkout.session.async_payment_succeeded",
                "paid",
                Some(PaymentKind::Paid),
            ),
            (
                "checkout.session.async_payment_failed",
                "unpaid",
                Some(PaymentKind::Declined),
            ),
            (
                "checkout.session.expired",
                "unpaid",
                Some(PaymentKind::Ended),
            ),
            ("customer.created", "paid", None),
        ] {
            let told = event(kind, &session(status, metadata("shop")));
            assert_eq!(told.map(|told| told.kind), expected, "{kind}");
        }
        // Another use of the account, and another installation.
        for metadata in [
            serde_json::json!({}),
            serde_json::Value::Null,
            metadata("other"),
        ] {
            let paid = session("paid", metadata);
            assert!(
                event("checkout.session.completed", &paid).is_none(),
                "{paid}"
            );
        }
        let charge = serde_json::json!({ "id": "ch_1", "amount_refunded": 12_900,
            "payment_intent": "pi_1", "metadata": metadata("shop") });
        let told = event("charge.refunded", &charge).unwrap();
        assert_eq!(
            (told.kind, told.payment, told.amount),
            (PaymentKind::Refunded, Some(payment), 12_900)
        );
        assert!(read("shop", b"{}").is_err());
    }
}
