//! What is counted of a crowd.

use flashsale_domain::outcome::Outcome;
use serde::Serialize;

/// Counts of final answers (each press has one) and of outcomes (each acknowledged buy has one).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Presses answered: the sum of those that follow, down to `gaveUp`.
    pub asked: u64,
    /// Acknowledged buys.
    pub queued: u64,
    /// The first answer again.
    pub replayed: u64,
    /// Sold out at once, at the turnstile.
    pub sold_out: u64,
    /// Asked too often.
    pub rate_limited: u64,
    /// Before the opening.
    pub not_open: u64,
    /// After the closing.
    pub closed: u64,
    /// Refused otherwise.
    pub refused: u64,
    /// Unanswered until the shopper gave up.
    pub gave_up: u64,
    /// Attempts beyond each press's first, after transport errors and 5xx.
    pub repeats: u64,
    /// Acknowledged buys that got an order.
    pub confirmed: u64,
    /// Acknowledged buys that found nothing left when their turn came.
    pub sold_out_in_lane: u64,
    /// Acknowledged buys of shoppers who had enough.
    pub limit_reached: u64,
    /// Acknowledged buys that no attempt could settle.
    pub failed: u64,
}

impl Counts {
    /// Acknowledged buys that have an outcome.
    pub fn settled(&self) -> u64 {
        self.confirmed + self.sold_out_in_lane + self.limit_reached + self.failed
    }

    /// Acknowledged buys without an outcome so far.
    pub fn unsettled(&self) -> u64 {
        self.queued.saturating_sub(self.settled())
    }

    /// The counter of an outcome.
    pub(super) fn outcome(&mut self, outcome: Outcome) -> &mut u64 {
        match outcome {
            Outcome::Confirmed => &mut self.confirmed,
            Outcome::SoldOut => &mut self.sold_out_in_lane,
            Outcome::LimitReached => &mut self.limit_reached,
            Outcome::Failed => &mut self.failed,
        }
    }
}
