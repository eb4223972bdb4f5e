//! Payments: what shoppers, providers and chores came to.

use flashsale_ledger::Applied;

use crate::problem::ProblemKind;

/// Bounds in seconds of one call of a provider, up to its limit.
const PROVIDER_BUCKETS: [f64; 8] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0];

flashsale_telemetry::metrics! {
    /// Payments.
    pub struct PaymentMetrics {
        provider_seconds: histogram("payment_provider_seconds",
            "One call of a payment provider.", &PROVIDER_BUCKETS),
    }
    checkouts: counters("checkouts_total", "Orders that were to be paid, by what came of it.", "result") {
        /// There is a page.
        opened: "opened",
        /// The order cannot be paid here or any more.
        refused: "refused",
        /// The provider could not be asked, or refused.
        provider_unavailable: "provider_unavailable",
        /// The ledger could not be asked.
        ledger_unavailable: "ledger_unavailable",
    }
    events: counters("payment_events_total",
        "What was told of payments by providers, or learned by asking them, by what came of it.", "result") {
        /// Known.
        repeat: "repeat",
        /// Nothing is known of it, and no money is in it.
        unknown: "unknown",
        /// An order is paid.
        completed: "completed",
        /// An order that had been cancelled was made again, and is paid.
        reacquired: "reacquired",
        /// The money is to be paid back.
        refund_due: "refund_due",
        /// The session has ended.
        session_ended: "ended",
        /// The order is cancelled.
        declined: "declined",
        /// The money was paid back.
        was_refunded: "refunded",
        /// No concern of ours.
        ignored: "ignored",
        /// Not signed by the provider, or not to be read.
        invalid: "invalid",
        /// Not taken, since the ledger is away.
        unavailable: "unavailable",
    }
    chores: counters("payment_chores_total",
        "Attempts to end sessions and to pay money back, by what came of it.", "result") {
        /// A session was ended, or turned out to be paid.
        ended: "ended",
        /// A session could not be ended.
        end_failed: "end_failed",
        /// Money was paid back.
        refunded: "refunded",
        /// Money could not be paid back.
        refund_failed: "refund_failed",
    }
}

impl PaymentMetrics {
    /// Counts what came of an event.
    pub(crate) fn count(&self, applied: Applied) {
        match applied {
            Applied::Repeat => &self.repeat,
            Applied::Unknown => &self.unknown,
            Applied::Completed => &self.completed,
            Applied::Reacquired => &self.reacquired,
            Applied::RefundDue => &self.refund_due,
            Applied::Ended => &self.session_ended,
            Applied::Declined => &self.declined,
            Applied::Refunded => &self.was_refunded,
        }
        .inc();
    }

    /// Counts a checkout that came to nothing.
    pub(crate) fn count_refusal(&self, kind: ProblemKind) {
        match kind {
            ProblemKind::ProviderUnavailable => &self.provider_unavailable,
            ProblemKind::Unavailable => &self.ledger_unavailable,
            _ => &self.refused,
        }
        .inc();
    }
}
