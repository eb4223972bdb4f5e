//! An order as its owner is told of it, in answers and events.

use flashsale_domain::order::OrderState;
use jiff::Timestamp;
use serde::Serialize;

/// The order that a buy became.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderView {
    /// Its number.
    pub id: i64,
    /// Where it stands.
    pub state: OrderStateName,
    /// Until when it may be paid, while pending. Not there for an order that may wait for ever.
    #[schema(format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// Why it was cancelled: `expired`, `shopper`, `staff`, `declined`, `refunded`, or a word of the
    /// shop's own. Not there when nobody said.
    #[schema(example = "expired")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Where an order stands, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(title = "OrderState")]
pub enum OrderStateName {
    /// It waits for its payment.
    Pending,
    /// It is paid, or nothing had to be paid here.
    Completed,
    /// Its unit went back.
    Cancelled,
}

impl OrderView {
    /// The order `id` in `state`; none for an instant that no calendar has.
    pub fn new(id: i64, state: OrderState) -> Option<Self> {
        let view = |state| Self {
            id,
            state,
            expires_at: None,
            reason: None,
        };
        Some(match state {
            OrderState::Pending { expires_ms } => Self {
                expires_at: expires_ms.map(instant).transpose().ok()?,
                ..view(OrderStateName::Pending)
            },
            OrderState::Completed => view(OrderStateName::Completed),
            OrderState::Cancelled { reason } => Self {
                reason,
                ..view(OrderStateName::Cancelled)
            },
        })
    }

    /// The order `id` in the state that `text` says; none when it says none.
    pub fn read(id: i64, text: &str) -> Option<Self> {
        Self::new(id, text.parse().ok()?)
    }
}

/// Milliseconds since the Unix epoch as RFC 3339, always to the millisecond.
fn instant(ms: i64) -> Result<String, jiff::Error> {
    Ok(format!("{:.3}", Timestamp::from_millisecond(ms)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_told_as_its_text_says_or_not_at_all() {
        let json = |text: &str| serde_json::to_string(&OrderView::read(7, text)?).ok();
        let told = [
            json("p 1767225600000"),
            json("p 1767225600010"),
            json("p"),
            json("c"),
            json("x expired"),
            json("x"),
        ];
        insta::assert_snapshot!(told.map(Option::unwrap).join("\n"), @r#"
        {"id":7,"state":"pending","expiresAt":"2026-01-01T00:00:00.000Z"}
        {"id":7,"state":"pending","expiresAt":"2026-01-01T00:00:00.010Z"}
        {"id":7,"state":"pending"}
        {"id":7,"state":"completed"}
        {"id":7,"state":"cancelled","reason":"expired"}
        {"id":7,"state":"cancelled"}
        "#);
        for text in ["", "z", "p soon", "p 9223372036854775807"] {
            assert_eq!(json(text), None, "{text}");
        }
    }
}
