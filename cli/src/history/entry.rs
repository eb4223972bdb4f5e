//! The lines of a history.

use std::ops::Not;

use flashsale_domain::outcome::Outcome;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The version of the format that this build reads and writes.
pub const VERSION: u32 = 1;

/// One line: when, and what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Microseconds since the run began, by the monotonic clock.
    pub us: u64,
    /// Microseconds since the Unix epoch, by the wall clock of the machine that ran the load.
    pub at: i64,
    /// What was sent or heard.
    #[serde(flatten)]
    pub entry: Entry,
}

/// What a line tells. Sale, product, user and key are plain text: a history that names something
/// malformed is to be judged, not refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "kebab-case",
    rename_all_fields = "camelCase"
)]
pub enum Entry {
    /// The run begins.
    Start {
        /// Version of the format.
        version: u32,
        /// What wrote it.
        program: String,
        /// Begins every user id and key of the run.
        run: String,
        /// Addresses; elsewhere a gateway is its place in this list.
        gateways: Vec<String>,
        /// Shoppers of the crowd.
        shoppers: u64,
        /// Presses of the crowd, repeats after errors aside.
        presses: u64,
    },
    /// A sale as `GET /sales` tells it.
    Sale {
        /// The sale.
        sale: String,
        /// First instant of the sale, in microseconds since the Unix epoch.
        opens_at: Option<i64>,
        /// First instant after it, in microseconds since the Unix epoch.
        closes_at: Option<i64>,
        /// What it offers.
        products: Vec<ProductOffer>,
        /// Who told it.
        gateway: usize,
    },
    /// A reading of Redis's clock, asked for at `sent_us`.
    Clock {
        /// When it was asked for, as `us`.
        sent_us: u64,
        /// Redis's clock in microseconds since the Unix epoch.
        redis_at: i64,
        /// Who told it.
        source: Asked,
    },
    /// A `POST /buy` is sent.
    Buy {
        /// Number of this attempt, unique in the file.
        buy: u64,
        /// The shopper.
        user: String,
        /// The Idempotency-Key.
        key: String,
        /// The sale that offers the product.
        sale: String,
        /// The product.
        product: String,
        /// To whom.
        gateway: usize,
        /// 0, then one more for each repeat of the same press.
        attempt: u16,
    },
    /// The answer to a buy, or that there will be none.
    Answer {
        /// The attempt.
        buy: u64,
        /// The HTTP status.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<u16>,
        /// The job, when acknowledged.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        job: Option<Uuid>,
        /// Place in line, when acknowledged.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        position: Option<u64>,
        /// Whether the gateway says that this is the first answer again.
        #[serde(default, skip_serializing_if = "Not::not")]
        replayed: bool,
        /// The problem, when refused.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kind: Option<String>,
        /// Why there is no answer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// An outcome was heard.
    Event {
        /// Where.
        source: EventSource,
        /// The shopper whose socket it was.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        listener: Option<String>,
        /// The shopper that it was addressed to.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
        /// The sale.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sale: Option<String>,
        /// The product.
        product: String,
        /// The buy.
        job: Uuid,
        /// How it ended.
        outcome: Outcome,
        /// The order, when confirmed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        order: Option<i64>,
    },
    /// A figure of stock was heard.
    Stock {
        /// Where.
        source: EventSource,
        /// The sale.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sale: Option<String>,
        /// The product.
        product: String,
        /// Units left.
        stock: i64,
        /// Version of the figure.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<i64>,
        /// Orders of the batch that told it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        confirmed: Option<u64>,
    },
    /// What was answered about a buy that was asked for at `sent_us`.
    Poll {
        /// When it was asked for, as `us`.
        sent_us: u64,
        /// Who answered.
        source: Asked,
        /// The buy.
        job: Uuid,
        /// The shopper who asked, where shoppers are authenticated.
        #[serde(default, rename = "as", skip_serializing_if = "Option::is_none")]
        asked_as: Option<String>,
        /// The HTTP status.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<u16>,
        /// `queued` or an outcome.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        state: Option<String>,
        /// The order, when confirmed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        order: Option<i64>,
        /// Why there is no answer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// A shopper's socket.
    Socket {
        /// The shopper.
        user: String,
        /// The gateway.
        gateway: usize,
        /// What it is now.
        state: SocketState,
        /// Why it ended.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// What the load took for the outcome of an acknowledged buy.
    Outcome {
        /// The buy.
        job: Uuid,
        /// The shopper.
        user: String,
        /// How it ended; none when the load learnt of no end.
        outcome: Option<Outcome>,
    },
    /// The run is over.
    End {
        /// Whether it was stopped before it was through.
        interrupted: bool,
    },
}

/// One product of a sale.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProductOffer {
    /// The product.
    pub product: String,
    /// Units left; none as long as nobody has told.
    pub stock: Option<i64>,
    /// Most units of one shopper; none without a limit.
    pub max_per_user: Option<i64>,
}

/// Who told an outcome or a stock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventSource {
    /// A shopper's Socket.io socket.
    Socket,
    /// The channel in Redis that gateways hear.
    Redis,
    /// `GET /sales`.
    Sales,
}

/// Who was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Asked {
    /// Redis.
    Redis,
    /// A gateway.
    Gateway,
}

/// What a socket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SocketState {
    /// The gateway has let the shopper in.
    Open,
    /// It has ended, or could not be opened.
    Closed,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_documentation_reads_and_writes_back() {
        let page = include_str!("../../../docs/history.md");
        let (_, example) = page.split_once("```json\n").unwrap();
        let (example, _) = example.split_once("```").unwrap();
        assert!(example.lines().count() >= 8);
        for text in example.lines() {
            let line: Line = serde_json::from_str(text).unwrap();
            let written: serde_json::Value = serde_json::to_value(&line).unwrap();
            let original: serde_json::Value = serde_json::from_str(text).unwrap();
            assert_eq!(written, original, "{text}");
        }
    }

    #[test]
    fn every_type_of_line_is_documented() {
        let page = include_str!("../../../docs/history.md");
        for name in [
            "start", "sale", "clock", "buy", "answer", "event", "stock", "poll", "socket",
            "outcome", "end",
        ] {
            assert!(page.contains(&format!("| `{name}` |")), "{name}");
        }
    }
}
