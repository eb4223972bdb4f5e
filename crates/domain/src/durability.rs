//! What Redis and PostgreSQL keep through a crash and through a failover, judged by how they are set
//! up. The judgements are pure; the operator tells them as conditions, `flashsale up` in its output.

mod ledger;
mod reason;
mod redis;

pub use ledger::{LedgerSettings, judge_ledger};
pub use reason::Reason;
pub use redis::{RedisSettings, judge_redis};

/// Whether a store keeps what it told, as far as its settings say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Whether it does; none when it does not tell.
    pub holds: Option<bool>,
    /// Why.
    pub reason: Reason,
    /// What can be lost, and what to change.
    pub message: String,
}

fn found(holds: impl Into<Option<bool>>, reason: Reason, message: impl Into<String>) -> Finding {
    Finding {
        holds: holds.into(),
        reason,
        message: message.into(),
    }
}
