//! Why a driver let go of its lane, and so when the lane may be taken again.

use std::time::Duration;

use flashsale_ledger::WaitReason;

/// Why a driver let go of its lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Departure {
    /// The lane was empty, or the driver was told to stop.
    Done,
    /// Its turn was over, others wait: it wants another.
    TurnOver,
    /// All jobs of the lane wait for their next attempt, the first for this long, and other lanes
    /// have something to do.
    NotBefore(Duration),
    /// The ledger cannot settle the lane's jobs at the moment, or not from here.
    Waits {
        /// Why, as metrics name it.
        reason: &'static str,
        /// What the ledger said.
        message: String,
    },
    /// The ledger refused a batch, since another driver took over or the ledger went back.
    Fenced,
    /// A later release wrote the next job, as the message says, and one of its workers has to settle it.
    Newer(String),
    /// Redis failed, with this message.
    QueueAway(String),
}

impl Departure {
    /// Whether the ledger said that the sale does not offer the product.
    pub fn is_not_offered(&self) -> bool {
        let not_offered = WaitReason::NotOffered.as_str();
        matches!(self, Self::Waits { reason, .. } if *reason == not_offered)
    }
}
