//! What each process tells of itself for the operations page: one small message a second, on
//! [`crate::keys::FIGURES`].
//!
//! Nothing depends on these messages. Who is not heard for [`SILENCE`] is taken to be gone, and
//! the counts of a lost message are missing from the figures of their second alone; metrics, which
//! only grow, are where nothing is lost.

use std::{collections::BTreeMap, time::Duration};

use flashsale_domain::id::{ProductId, SaleId};
use redis::{AsyncCommands, RedisResult};
use serde::{Deserialize, Serialize};

use crate::{
    connect::Queue,
    keys::{FIGURES, channel},
};

/// How often a process tells of itself.
pub const INTERVAL: Duration = Duration::from_secs(1);

/// After which silence a process is taken to be gone: a few lost messages are not a death.
pub const SILENCE: Duration = Duration::from_secs(5);

/// Buys of one sale by answer: `queued`, `replayed` or the slug of a problem. Only those there were.
pub type BuysByAnswer = BTreeMap<String, u64>;

/// What one process tells of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "process", rename_all = "camelCase")]
pub enum ProcessFigures {
    /// A gateway.
    Gateway(GatewayFigures),
    /// A worker.
    Worker(WorkerFigures),
}

/// What a gateway tells of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayFigures {
    /// Its name; no other process has it.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Socket.io sockets of shoppers that are connected to it.
    pub sockets: u64,
    /// Buys that it answered since its last message, by sale.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub buys: BTreeMap<SaleId, BuysByAnswer>,
}

/// What a worker tells of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkerFigures {
    /// Its name, the one that stands in the leases of its lanes.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The lanes that it drives, one pair each.
    pub lanes: Vec<(SaleId, ProductId)>,
}

impl ProcessFigures {
    /// The message's JSON.
    pub fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }

    /// Reads a message.
    pub fn parse(json: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(json)
    }
}

/// Tells all who listen; nobody may.
pub async fn publish(connection: &mut impl Queue, json: &[u8]) -> RedisResult<()> {
    let channel = channel(FIGURES, connection.get_db());
    connection.publish(channel.as_ref(), json).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gateway(buys: &[(&str, u64)]) -> ProcessFigures {
        let by_answer: BuysByAnswer = buys
            .iter()
            .map(|(answer, count)| ((*answer).to_owned(), *count))
            .collect();
        let by_sale = (!buys.is_empty()).then(|| (SaleId::new("drop").unwrap(), by_answer));
        ProcessFigures::Gateway(GatewayFigures {
            name: "g".to_owned(),
            version: "1.2.3".to_owned(),
            sockets: 7,
            buys: by_sale.into_iter().collect(),
        })
    }

    #[test]
    fn messages_are_spelled_as_agreed_and_read_back() {
        let worker = ProcessFigures::Worker(WorkerFigures {
            name: "w".to_owned(),
            version: "1.2.3".to_owned(),
            lanes: vec![(SaleId::new("drop").unwrap(), ProductId::new("p").unwrap())],
        });
        for (figures, expected) in [
            (
                gateway(&[("queued", 12)]),
                r#"{"process":"gateway","name":"g","version":"1.2.3","sockets":7,"buys":{"drop":{"queued":12}}}"#,
            ),
            (
                worker,
                r#"{"process":"worker","name":"w","version":"1.2.3","lanes":[["drop","p"]]}"#,
            ),
        ] {
            let json = figures.to_json().unwrap();
            assert_eq!(String::from_utf8_lossy(&json), expected);
            assert_eq!(ProcessFigures::parse(&json).unwrap(), figures);
        }
    }

    #[test]
    fn an_idle_gateway_says_little() {
        let json = gateway(&[]).to_json().unwrap();
        assert!(json.len() < 80, "{}", String::from_utf8_lossy(&json));
        assert_eq!(ProcessFigures::parse(&json).unwrap(), gateway(&[]));
    }

    #[test]
    fn what_a_later_version_adds_is_passed_over() {
        let json = br#"{"process":"worker","name":"w","version":"9","lanes":[],"mood":"good"}"#;
        assert!(ProcessFigures::parse(json).is_ok());
        assert!(ProcessFigures::parse(br#"{"process":"stranger"}"#).is_err());
    }
}
