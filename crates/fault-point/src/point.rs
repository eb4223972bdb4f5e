//! The points, and how one is named.

use std::fmt;

/// A place between two steps that are not one: what happens when a process ends here?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultPoint {
    /// In a gateway: the turnstile's script has decided the buys of a call, and no shopper has been
    /// answered.
    AfterScriptBeforeAnswer,
    /// In a worker: the lane is taken over and its jobs are read, and their batch is not yet sent to
    /// the ledger.
    AfterClaimBeforeTransaction,
    /// In a worker: the ledger has committed a batch, and Redis does not know.
    AfterCommitBeforeAcknowledgement,
    /// Acknowledging and publishing the event are one script in Redis, so nothing can happen between
    /// them there. What is left are the two ends. In a worker: the script has run, and the driver
    /// does not know. In a gateway: the event was received, and no socket has been told.
    AfterAcknowledgementBeforeEvent,
    /// In a worker: the time for the next renewal of a lease has come, and it is not yet sent.
    BetweenRenewals,
    /// In a gateway: a payment provider has ended a session or paid money back, and the ledger does not know.
    AfterPaymentChoreBeforeResult,
}

impl FaultPoint {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::AfterScriptBeforeAnswer,
        Self::AfterClaimBeforeTransaction,
        Self::AfterCommitBeforeAcknowledgement,
        Self::AfterAcknowledgementBeforeEvent,
        Self::BetweenRenewals,
        Self::AfterPaymentChoreBeforeResult,
    ];

    /// The variable that arms a point.
    pub const VARIABLE: &str = "FLASHSALE_FAULT_POINT";

    /// The name by which it is armed.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AfterScriptBeforeAnswer => "after-script-before-answer",
            Self::AfterClaimBeforeTransaction => "after-claim-before-transaction",
            Self::AfterCommitBeforeAcknowledgement => "after-commit-before-acknowledgement",
            Self::AfterAcknowledgementBeforeEvent => "after-acknowledgement-before-event",
            Self::BetweenRenewals => "between-renewals",
            Self::AfterPaymentChoreBeforeResult => "after-payment-chore-before-result",
        }
    }
}

impl fmt::Display for FaultPoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A value of the variable that names no point, no action or no number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{} is {given:?}; write POINT=abort, POINT=stop or POINT=hold, with @N behind it for the N-th \
     time, where POINT is one of {}",
    FaultPoint::VARIABLE,
    FaultPoint::ALL.map(FaultPoint::name).join(", ")
)]
pub struct FaultPointError {
    pub(crate) given: String,
}
