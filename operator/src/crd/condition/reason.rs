//! Why a condition holds or does not, in one word.

use flashsale_domain::{durability, reasons, scaling};

use crate::{events, obstacle::Cause};

reasons! {
    /// Why a condition holds or does not.
    pub enum Reason {
        /// The spec is valid and in force.
        Accepted,
        /// The same, with something that the configuration would not allow anew.
        AcceptedWithWarning,
        /// The ledger did not take the products yet.
        Undeclared,
        /// The annotation keeps the operator from it.
        Paused,
        /// The object is being deleted.
        Deleting,
        /// No sale is in force.
        NotInForce,
        /// The sale is in force and lacks nothing.
        InForce,
        /// Nobody has looked yet.
        NotSeenYet,
        /// The sale opens by itself.
        Scheduled,
        /// Intake is closed by `spec.suspend`.
        Suspended,
        /// Intake is closed for good.
        Closed,
        /// Redis does not answer, so nobody knows.
        QueueUnreachable,
        /// Redis was not seen to hold the sale as it shall be.
        NotAnnounced,
        /// Buys are taken.
        TakingBuys,
        /// The ledger was not read yet.
        StockUnknown,
        /// No unit is left.
        NothingLeft,
        /// There are units left.
        UnitsLeft,
        /// The autoscalers of the namespace cannot be listed.
        AutoscalersUnread,
        /// The store answers.
        Answers,
        /// The store does not answer.
        Unreachable,
        /// Nothing that was told is missing.
        NothingMissing,
        /// The annotation is there.
        Annotated,
        /// The annotation is not there.
        NotAnnotated,
        /// Every job has its outcome.
        EveryJobEnded,
        /// What is queued is being settled.
        Draining,
        /// Every job has its outcome; orders wait for their payment.
        Settling,
        /// The sale is not closed yet.
        NotClosed,
        /// There is no worker Deployment.
        NoDeployment,
        /// Workers start, and nothing was found to be wrong with them.
        Starting,
        /// The workers that are needed are available.
        Available,
        /// No worker is needed.
        NoneNeeded,
        /// Nothing is to be done.
        NotNeeded,
        /// Somebody has to do something first.
        Stalled,
    }
    with {
        /// What an event tells as well.
        Event(events::Reason),
        /// Why there shall be as many workers.
        Scaling(scaling::Reason),
        /// Why workers do not run.
        Workers(Cause),
        /// What a store keeps.
        Durability(durability::Reason),
    }
}
