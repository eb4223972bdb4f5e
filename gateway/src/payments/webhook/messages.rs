//! What is said to the shop's payment service, and what it says.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use url::Url;
use uuid::Uuid;

/// A message in the form of Standard Webhooks.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Message<T> {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) timestamp: Timestamp,
    pub(super) data: T,
}

/// `session.create`
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OpenCall<'a> {
    pub(super) payment_id: Uuid,
    pub(super) order_id: i64,
    pub(super) user_id: &'a str,
    pub(super) sale: &'a str,
    pub(super) product_id: &'a str,
    pub(super) product_name: &'a str,
    /// Minor units.
    pub(super) amount: i64,
    pub(super) currency: &'a str,
    /// Null for an order that may wait for ever.
    pub(super) expires_at: Option<Timestamp>,
    pub(super) return_url: &'a str,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OpenAnswer {
    pub(super) session_id: String,
    #[serde(deserialize_with = "web_address")]
    pub(super) url: Url,
}

/// `session.end`
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EndCall<'a> {
    pub(super) payment_id: Uuid,
    /// Null where the answer to `session.create` never arrived.
    pub(super) session_id: Option<&'a str>,
}

#[derive(Debug, Deserialize)]
#[serde(
    tag = "status",
    rename_all = "lowercase",
    rename_all_fields = "camelCase"
)]
pub(super) enum EndAnswer {
    Ended,
    Pending,
    Paid {
        payment_ref: Option<String>,
        amount: i64,
        currency: String,
    },
}

/// `refund`: of all that was paid.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RefundCall<'a> {
    pub(super) payment_id: Uuid,
    pub(super) session_id: Option<&'a str>,
    pub(super) payment_ref: Option<&'a str>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RefundAnswer {
    pub(super) refund_id: String,
}

/// What the shop's payment service tells: `payment.paid`, `payment.declined`, `session.ended`,
/// `payment.refunded`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EventData {
    pub(super) payment_id: Uuid,
    pub(super) session_id: Option<String>,
    pub(super) payment_ref: Option<String>,
    pub(super) amount: Option<i64>,
    pub(super) currency: Option<String>,
}

/// An address that a browser may be sent to.
fn web_address<'de, D: serde::Deserializer<'de>>(reader: D) -> Result<Url, D::Error> {
    let text = String::deserialize(reader)?;
    let url = Url::parse(&text).map_err(serde::de::Error::custom)?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        _ => Err(serde::de::Error::custom("url is no http or https address")),
    }
}
