//! What a load writes into its history of buys, answers, events and polls.

use flashsale_domain::{
    event::Settled,
    outcome::{JobState, Outcome},
};
use http::StatusCode;
use serde::Deserialize;
use uuid::Uuid;

use super::{
    crowd::{Crowd, Offer, Press},
    report::OrderCounts,
};
use crate::{
    history::{Asked, Entry, EventSource, HistoryWriter},
    http_client::Reply,
};

/// The fields of an answer to a buy that a history has.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Said {
    job_id: Option<Uuid>,
    position: Option<u64>,
    #[serde(rename = "type")]
    kind: Option<String>,
}

/// What `GET /orders/{jobId}` answers.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct OrderStatus {
    pub(super) status: Option<String>,
    order_id: Option<i64>,
    order: Option<OrderOf>,
}

/// The order of a buy, as far as a history has it.
#[derive(Debug, Deserialize)]
struct OrderOf {
    id: i64,
    #[serde(default)]
    state: String,
}

impl OrderStatus {
    /// Reads a body; a problem document has neither field of use.
    pub(super) fn read(reply: &Reply) -> Self {
        if reply.status != StatusCode::OK {
            return Self::default();
        }
        serde_json::from_slice(&reply.body).unwrap_or_default()
    }

    /// The outcome, once there is one.
    pub(super) fn outcome(&self) -> Option<Outcome> {
        Outcome::of_status(self.status.as_deref()?)
    }

    /// Where its order stands.
    pub(super) fn counted(&self) -> OrderCounts {
        let state = self.order.as_ref().map(|order| order.state.as_str());
        OrderCounts {
            unpaid: u64::from(state == Some("pending")),
            cancelled: u64::from(state == Some("cancelled")),
        }
    }

    /// Its order, also where that was cancelled.
    fn order(&self) -> Option<i64> {
        self.order_id.or(self.order.as_ref().map(|order| order.id))
    }
}

/// A buy is about to be sent. Answers its number.
pub(super) fn buy(
    history: &HistoryWriter,
    crowd: &Crowd,
    press: Press,
    offer: &Offer,
    gateway: usize,
) -> u64 {
    let buy = history.number();
    history.note(Entry::Buy {
        buy,
        user: crowd.user(press.shopper),
        key: crowd.key(press),
        sale: offer.sale.to_string(),
        product: offer.product.to_string(),
        gateway,
        attempt: press.attempts,
    });
    buy
}

/// A buy was answered, or will not be.
pub(super) fn answer(history: &HistoryWriter, buy: u64, reply: &Result<Reply, String>) {
    let (reply, error) = (reply.as_ref().ok(), reply.as_ref().err());
    // What is no JSON of a gateway says none of it.
    let said = reply.and_then(|reply| serde_json::from_slice::<Said>(&reply.body).ok());
    let said = said.unwrap_or_default();
    let kind = said
        .kind
        .as_deref()
        .and_then(|kind| kind.rsplit('/').next());
    history.note(Entry::Answer {
        buy,
        status: reply.map(|reply| reply.status.as_u16()),
        job: said.job_id,
        position: said.position,
        replayed: reply.is_some_and(|reply| reply.headers.contains_key("idempotent-replayed")),
        kind: kind.map(str::to_owned),
        error: error.cloned(),
    });
}

/// A settled batch was published in Redis: its stock first, then each outcome.
pub(super) fn settled(history: &HistoryWriter, settled: &Settled) {
    let sale = settled.sale.to_string();
    let product = settled.product.to_string();
    if let Some(stock) = settled.stock {
        history.note(Entry::Stock {
            source: EventSource::Redis,
            sale: Some(sale.clone()),
            product: product.clone(),
            stock: wide(stock),
            version: Some(settled.version),
            confirmed: u64::try_from(settled.confirmed.len()).ok(),
        });
    }
    let event = |user: &str, job, outcome, order| Entry::Event {
        source: EventSource::Redis,
        listener: None,
        user: Some(user.to_owned()),
        sale: Some(sale.clone()),
        product: product.clone(),
        job,
        outcome,
        order,
    };
    for (user, job, outcome, order) in outcomes(settled) {
        history.note(event(user, job, outcome, order));
    }
}

/// Each outcome of a settled batch: user, job, outcome, order.
pub(super) fn outcomes(
    settled: &Settled,
) -> impl Iterator<Item = (&str, Uuid, Outcome, Option<i64>)> {
    let confirmed = settled
        .confirmed
        .iter()
        .map(|(user, job, order)| (user.as_str(), job.0, Outcome::Confirmed, Some(wide(*order))));
    let rejected = settled.rejected.iter();
    confirmed.chain(rejected.map(|(user, job, outcome)| (user.as_str(), job.0, *outcome, None)))
}

/// A gateway was asked for a buy at `sent_us`.
pub(super) fn poll(
    history: &HistoryWriter,
    sent_us: u64,
    job: Uuid,
    reply: &Result<Reply, String>,
) {
    let told = reply.as_ref().map(OrderStatus::read).unwrap_or_default();
    history.note(Entry::Poll {
        sent_us,
        source: Asked::Gateway,
        job,
        asked_as: None,
        status: reply.as_ref().ok().map(|reply| reply.status.as_u16()),
        order: told.order(),
        state: told.status,
        error: reply.as_ref().err().cloned(),
    });
}

/// Redis was asked for a record at `sent_us`, and has an outcome in it.
pub(super) fn record(history: &HistoryWriter, sent_us: u64, job: Uuid, state: &JobState) {
    if let JobState::Final { outcome, order_id } = state {
        history.note(Entry::Poll {
            sent_us,
            source: Asked::Redis,
            job,
            asked_as: None,
            status: None,
            state: Some(outcome.as_str().to_owned()),
            order: order_id.map(wide),
            error: None,
        });
    }
}

/// A number of the ledger, whatever its width there.
pub(crate) fn wide(number: impl Into<i64>) -> i64 {
    number.into()
}
