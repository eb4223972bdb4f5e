//! What workers tell the gateways: one message a settled batch, on the channel `fs:events`, and one for
//! each batch of orders that changed after it, on `fs:orders`.
//!
//! A lost message is no lost outcome: the outcome stands under `fs:{sale}:jobs` before the
//! message is sent, and a gateway that missed messages reads the stock anew.

use serde::{Deserialize, Serialize};

use crate::{
    id::{JobId, ProductId, SaleId, UserId},
    outcome::Outcome,
};

/// A settled batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// The sale.
    pub sale: SaleId,
    /// The product.
    pub product: ProductId,
    /// Units left after it; none when the ledger was not asked (only malformed jobs ended).
    pub stock: Option<i32>,
    /// Version of that stock.
    pub version: i64,
    /// Orders, one tuple each: messages of a thousand orders go to every gateway, so field
    /// names are left out.
    pub confirmed: Vec<(UserId, JobId, i64)>,
    /// Jobs that ended without an order.
    pub rejected: Vec<(UserId, JobId, Outcome)>,
    /// Where each order of `confirmed` stands, in their order, as [`OrderState`](crate::order::OrderState)
    /// writes it. Empty when all are completed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub states: Vec<String>,
}

/// Orders that were paid or cancelled after their settlement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrdersChanged {
    /// The sale.
    pub sale: SaleId,
    /// The product.
    pub product: ProductId,
    /// The orders, one tuple each: shopper, job, order, and where it stands now, as
    /// [`OrderState`](crate::order::OrderState) writes it.
    pub orders: Vec<(UserId, JobId, i64, String)>,
}

impl OrdersChanged {
    /// The message's JSON.
    pub fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }

    /// Reads a message.
    pub fn parse(json: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(json)
    }
}

impl Settled {
    /// The message's JSON.
    pub fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }

    /// Reads a message.
    pub fn parse(json: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(json)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_reads_back_and_names_no_fields_in_its_lists() {
        let settled = Settled {
            sale: SaleId::new("drop").unwrap(),
            product: ProductId::new("p").unwrap(),
            stock: Some(3),
            version: 9,
            confirmed: vec![(UserId::new("u").unwrap(), JobId(uuid::Uuid::nil()), 4711)],
            states: Vec::new(),
            rejected: vec![(
                UserId::new("v").unwrap(),
                JobId(uuid::Uuid::nil()),
                Outcome::SoldOut,
            )],
        };
        let json = settled.to_json().unwrap();
        assert_eq!(Settled::parse(&json).unwrap(), settled);
        let text = String::from_utf8(json).unwrap();
        assert!(
            text.contains(r#"["u","00000000-0000-0000-0000-000000000000",4711]"#),
            "{text}"
        );
        assert!(!text.contains("states"), "{text}");
    }

    #[test]
    fn changed_orders_read_back() {
        let changed = OrdersChanged {
            sale: SaleId::new("drop").unwrap(),
            product: ProductId::new("p").unwrap(),
            orders: vec![(
                UserId::new("u").unwrap(),
                JobId(uuid::Uuid::nil()),
                4711,
                "x expired".to_owned(),
            )],
        };
        let json = changed.to_json().unwrap();
        assert_eq!(OrdersChanged::parse(&json).unwrap(), changed);
    }
}
