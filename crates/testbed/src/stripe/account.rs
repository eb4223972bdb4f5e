//! Sessions and money, as the provider has them.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};

/// Where a session stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SessionStatus {
    /// It can be paid.
    #[default]
    Open,
    /// It was paid, or will be by a method that takes its time.
    Complete,
    /// Nobody can pay it any more.
    Expired,
}

/// A session and what became of it.
#[derive(Debug, Clone, Default)]
pub struct Session {
    /// Its id.
    pub id: String,
    /// The payment that it is for, by its metadata.
    pub payment: String,
    /// Where it stands.
    pub status: SessionStatus,
    /// What was asked for, in minor units.
    pub amount: i64,
    /// In lower case.
    pub currency: String,
    /// What was paid.
    pub paid: i64,
    /// What was paid back.
    pub refunded: i64,
    /// How many refunds that took.
    pub refunds: u32,
    /// Whether money that was to come later will not come.
    pub has_failed: bool,
    /// Where a shopper goes who has paid.
    pub success_url: String,
    /// Where one goes who has not.
    pub cancel_url: String,
    /// What it is for, as shoppers read it.
    pub name: String,
    /// All of its metadata.
    pub metadata: BTreeMap<String, String>,
    /// When it ends by itself, in seconds since the Unix epoch.
    pub expires_at: i64,
    /// The page on which it is paid.
    pub url: String,
}

impl Session {
    /// Names the money.
    pub(super) fn intent(&self) -> String {
        self.id.replacen("cs_test_", "pi_test_", 1)
    }

    /// The money, as the API tells of it.
    pub(super) fn intent_json(&self) -> Value {
        let status = match (self.paid > 0, self.has_failed) {
            (true, _) => "succeeded",
            (false, true) => "requires_payment_method",
            (false, false) => "processing",
        };
        json!({ "id": self.intent(), "object": "payment_intent", "status": status })
    }

    /// As the API tells it.
    pub(super) fn to_json(&self) -> Value {
        let is_open = self.status == SessionStatus::Open;
        let status = match self.status {
            SessionStatus::Open => "open",
            SessionStatus::Complete => "complete",
            SessionStatus::Expired => "expired",
        };
        json!({
            "id": self.id,
            "object": "checkout.session",
            "amount_total": if self.paid > 0 { self.paid } else { self.amount },
            "client_reference_id": self.payment,
            "currency": self.currency,
            "expires_at": self.expires_at,
            "metadata": self.metadata,
            "mode": "payment",
            "payment_intent": (self.status == SessionStatus::Complete).then(|| self.intent()),
            "payment_status": if self.paid > 0 { "paid" } else { "unpaid" },
            "status": status,
            "url": is_open.then_some(&self.url),
        })
    }
}

/// A call that was made with an idempotency key, and its answer.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) request: String,
    pub(super) answer: (u16, Value),
}

/// Everything that the provider knows.
#[derive(Debug, Default)]
pub(super) struct Account {
    order: Vec<String>,
    sessions: HashMap<String, Session>,
    pub(super) kept: HashMap<String, Kept>,
    numbers: u64,
}

impl Account {
    /// A number that was not there before.
    pub(super) fn next(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    pub(super) fn add(&mut self, session: Session) {
        self.order.push(session.id.clone());
        self.sessions.insert(session.id.clone(), session);
    }

    pub(super) fn session(&mut self, id: &str) -> Option<&mut Session> {
        self.sessions.get_mut(id)
    }

    pub(super) fn of_intent(&mut self, intent: &str) -> Option<&mut Session> {
        self.session(&intent.replacen("pi_test_", "cs_test_", 1))
    }

    pub(super) fn sessions(&self) -> Vec<Session> {
        let all = self.order.iter().filter_map(|id| self.sessions.get(id));
        all.cloned().collect()
    }
}
