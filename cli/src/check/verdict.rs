//! What a check found.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;
use strum::VariantArray;
use uuid::Uuid;

/// A law of ARCHITECTURE.md, or the order of arrival.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    strum::Display,
    VariantArray,
)]
#[serde(rename_all = "kebab-case")]
pub enum Law {
    /// Law 1.
    #[strum(to_string = "1 no oversell")]
    NoOversell,
    /// Law 2.
    #[strum(to_string = "2 no lost ack")]
    NoLostAck,
    /// Law 3.
    #[strum(to_string = "3 once")]
    Once,
    /// Law 4.
    #[strum(to_string = "4 PostgreSQL judges")]
    PostgresqlJudges,
    /// Law 5.
    #[strum(to_string = "5 time")]
    Time,
    /// Law 6.
    #[strum(to_string = "6 privacy")]
    Privacy,
    /// Law 7.
    #[strum(to_string = "7 tidy end")]
    TidyEnd,
    /// Law 8.
    #[strum(to_string = "8 paid or refunded")]
    PaidOrRefunded,
    /// First come, first served, within a lane.
    #[strum(to_string = "order of arrival")]
    OrderOfArrival,
}

/// Whom or what a row is about; what is not known or does not apply is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Subject {
    /// The sale.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sale: Option<String>,
    /// The product.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
    /// The buy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<Uuid>,
    /// The shopper.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The Idempotency-Key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<i64>,
}

impl Subject {
    /// A sale as a whole.
    pub(super) fn of_sale(name: &str) -> Self {
        Self {
            sale: Some(name.to_owned()),
            ..Self::default()
        }
    }

    /// The same, about this order of it.
    pub(super) fn with_order(self, order: Option<i64>) -> Self {
        Self { order, ..self }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        parts.extend(self.job.map(|job| format!("job {job}")));
        parts.extend(self.user.as_ref().map(|user| format!("shopper {user}")));
        parts.extend(self.key.as_ref().map(|key| format!("key {key}")));
        parts.extend(self.order.map(|order| format!("order {order}")));
        parts.extend(
            self.product
                .as_ref()
                .map(|product| format!("product {product}")),
        );
        parts.extend(self.sale.as_ref().map(|sale| format!("sale {sale}")));
        formatter.write_str(&parts.join(", "))
    }
}

/// A violation of a law.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Violation {
    /// Which law.
    pub law: Law,
    /// Whom or what it is about.
    #[serde(flatten)]
    pub subject: Subject,
    /// What is wrong, in words.
    pub what: String,
}

/// A store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, strum::Display)]
#[serde(rename_all = "kebab-case")]
pub enum Store {
    /// Redis.
    Redis,
    /// PostgreSQL.
    #[strum(to_string = "PostgreSQL")]
    Ledger,
}

/// A buy that went with the data that a store lost: no violation, and listed by name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LostWithStore {
    /// Which store.
    pub store: Store,
    /// Which buy.
    #[serde(flatten)]
    pub subject: Subject,
    /// What was lost, in words.
    pub what: String,
}

/// How many of what a check saw.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Histories.
    pub histories: u64,
    /// Lines in them.
    pub lines: u64,
    /// Attempts to buy.
    pub requests: u64,
    /// Of those, answered.
    pub answers: u64,
    /// Of the answers, acknowledgements of a job that was acknowledged before.
    pub replays: u64,
    /// Outcomes heard, on sockets and in Redis.
    pub events: u64,
    /// Answers about a buy.
    pub polls: u64,
    /// Acknowledged jobs: the sum of those that follow.
    pub acknowledged: u64,
    /// Those that have an order.
    pub confirmed: u64,
    /// Those that found nothing left.
    pub sold_out: u64,
    /// Those whose shopper had enough.
    pub limit_reached: u64,
    /// Those that no attempt could settle.
    pub failed: u64,
    /// Those that ended as a later job of the same key, after Redis had lost them.
    pub renamed: u64,
    /// Those that still wait in their lane.
    pub waiting: u64,
    /// Those that ended in no way that is known, those lost with a store included.
    pub without_outcome: u64,
}

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// What it saw.
    pub counts: Counts,
    /// What breaks a law.
    pub violations: Vec<Violation>,
    /// Buys lost with a store.
    pub lost_with_store: Vec<LostWithStore>,
    /// What is worth knowing and breaks no law.
    pub notes: Vec<String>,
}

impl Verdict {
    /// Whether every law holds.
    pub fn is_clean(&self) -> bool {
        self.violations.is_empty()
    }

    /// Violations by law, all laws named.
    pub fn by_law(&self) -> BTreeMap<Law, u64> {
        let mut by_law: BTreeMap<Law, u64> = Law::VARIANTS.iter().map(|law| (*law, 0)).collect();
        for violation in &self.violations {
            *by_law.entry(violation.law).or_default() += 1;
        }
        by_law
    }

    /// Adds a violation.
    pub(super) fn violate(&mut self, law: Law, subject: Subject, what: impl Into<String>) {
        self.violations.push(Violation {
            law,
            subject,
            what: what.into(),
        });
    }

    /// Adds a buy lost with a store.
    pub(super) fn lose(&mut self, store: Store, subject: Subject, what: impl Into<String>) {
        self.lost_with_store.push(LostWithStore {
            store,
            subject,
            what: what.into(),
        });
    }

    /// Sorts rows, so that one input gives one output.
    pub(super) fn finish(&mut self) {
        self.violations.sort_by_cached_key(|row| {
            (
                row.law,
                row.subject.job,
                row.subject.key.clone(),
                row.what.clone(),
            )
        });
        self.violations.dedup();
        self.lost_with_store
            .sort_by_cached_key(|row| (row.store, row.subject.job));
        self.lost_with_store.dedup();
    }
}
