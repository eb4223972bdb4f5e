//! What workers tell the gateways: one message a settled batch, on the channel `fs:events`.
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
    }
}
