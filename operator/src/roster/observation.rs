//! What was seen of a sale.

use flashsale_domain::{
    durability::Finding,
    lifecycle::Phase,
    observation::SaleObservation,
    scaling::{Decision, Reason},
};
use flashsale_ledger::SaleStock;
use jiff::{SignedDuration, Timestamp};

use super::Desired;
use crate::obstacle::Obstacle;

/// What the pulse saw of a sale last. Readings keep their last value while a store is away; the
/// errors say that they are old.
#[derive(Debug, Clone, Default)]
pub struct Observation {
    /// Whether any look was made yet.
    pub looked: bool,
    /// The lanes, as of the last time that they could be read.
    pub lanes: Option<SaleObservation>,
    /// The stock in the ledger, as of the last time that it could be read.
    pub stock: Option<SaleStock>,
    /// Whether the ledger lacks products of the sale, as of the last time that it could be read: it
    /// was rebuilt, or restored from before the sale.
    pub undeclared: bool,
    /// Why Redis could not be read at the last look.
    pub queue_error: Option<String>,
    /// Why PostgreSQL could not be read at the last look.
    pub ledger_error: Option<String>,
    /// Whether Redis holds the sale as it shall be; none when that could not be read.
    pub announced: Option<bool>,
    /// Where the sale stands.
    pub phase: Option<Phase>,
    /// How many workers there shall be, and why.
    pub decision: Option<Decision>,
    /// What an acknowledged buy survives, by how Redis is set up.
    pub durability: Option<Finding>,
    /// What a confirmed order survives, by how PostgreSQL is set up.
    pub ledger_durability: Option<Finding>,
    /// Units sold beyond what there was: 0, or something is badly wrong.
    pub oversold: Option<i64>,
    /// What keeps workers that were asked for from being available, if that was found.
    pub obstacle: Option<Obstacle>,
    /// By how much Redis's clock is ahead of ours.
    pub clock_ahead: SignedDuration,
    /// The revision of the desired state that it was compared with; 0 before the first look.
    pub revision: u64,
    /// The replicas that [`durability`](Self::durability) was judged by.
    pub durability_replicas: u8,
}

impl Observation {
    /// What of it still holds for `desired`, which may be another than was looked at.
    pub(super) fn of(&self, desired: &Desired) -> Self {
        let mut observed = self.clone();
        if self.revision != desired.revision {
            // Redis holds the sale as it was, not as it shall be from now on.
            observed.announced = None;
        }
        if !self.is_judged_for(desired) {
            observed.durability = None;
        }
        observed
    }

    /// Whether it is known what an acknowledged buy survives, by what the sale asks for.
    pub fn is_judged_for(&self, desired: &Desired) -> bool {
        let replicas = desired.sale.sale.durability.redis_replicas;
        self.durability.is_some() && self.durability_replicas == replicas
    }

    /// Whether `desired` was seen in force, or could not be seen.
    pub(super) fn is_settled(&self, desired: &Desired) -> bool {
        self.revision == desired.revision && self.announced != Some(false)
    }

    /// Whether people should be told at once that this is followed by `next`.
    pub(super) fn differs(&self, next: &Self) -> bool {
        Headline::from(self) != Headline::from(next)
    }

    /// Now, by the clock of the sale.
    pub fn now(&self) -> Timestamp {
        let now = Timestamp::now();
        now.checked_add(self.clock_ahead).unwrap_or(now)
    }

    /// Units left over all products, by the ledger.
    pub fn remaining(&self) -> Option<u64> {
        let levels = &self.stock.as_ref()?.levels;
        if levels.is_empty() {
            return None;
        }
        let left = levels.iter().map(|level| level.stock);
        Some(left.filter_map(|stock| u64::try_from(stock).ok()).sum())
    }

    /// Whether the ledger has forgotten what shoppers were told, and nobody has repaired it since;
    /// none before Redis was read.
    pub fn ledger_went_back(&self) -> Option<bool> {
        let lanes = self.lanes.as_ref()?;
        Some(lanes.went_back_ms.is_some())
    }

    /// Units sold over all products, by the ledger.
    pub fn sold(&self) -> Option<i64> {
        self.stock.as_ref().map(|stock| stock.sold)
    }
}

/// What people are told at once: the status is written as soon as it changes.
#[expect(
    clippy::struct_excessive_bools,
    reason = "compared as a whole, never told apart"
)]
#[derive(Debug, Clone, PartialEq)]
struct Headline {
    revision: u64,
    durability_replicas: u8,
    phase: Option<Phase>,
    workers: Option<u32>,
    scaling: Option<Reason>,
    queue_up: bool,
    ledger_up: bool,
    announced: Option<bool>,
    sold_out: bool,
    undeclared: bool,
    went_back: Option<bool>,
    durability: Option<Finding>,
    ledger_durability: Option<Finding>,
    oversold: bool,
    obstacle: Option<Obstacle>,
}

impl From<&Observation> for Headline {
    fn from(observed: &Observation) -> Self {
        Self {
            revision: observed.revision,
            durability_replicas: observed.durability_replicas,
            phase: observed.phase,
            workers: observed.decision.map(|decision| decision.workers),
            scaling: observed
                .decision
                .map(|decision| told_at_once(decision.reason)),
            queue_up: observed.queue_error.is_none(),
            ledger_up: observed.ledger_error.is_none(),
            announced: observed.announced,
            sold_out: observed.remaining() == Some(0),
            undeclared: observed.undeclared,
            went_back: observed.ledger_went_back(),
            durability: observed.durability.clone(),
            ledger_durability: observed.ledger_durability.clone(),
            oversold: observed.oversold.is_some_and(|units| units != 0),
            obstacle: observed.obstacle.clone(),
        }
    }
}

/// What tells one reason from another to people. Those between which a queue goes to and fro while nobody
/// has to do anything are one, and are shown with the numbers.
fn told_at_once(reason: Reason) -> Reason {
    match reason {
        Reason::Stabilizing | Reason::WithinTolerance | Reason::LimitedByPolicy => Reason::AtNeed,
        reason => reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_told_at_once_of_workers_and_trouble_and_not_of_every_turn() {
        let seen = |workers: u32, reason: Reason| Observation {
            decision: Some(Decision { workers, reason }),
            ..Observation::default()
        };
        let before = seen(2, Reason::AtNeed);
        for (next, is_told) in [
            (seen(2, Reason::Stabilizing), false),
            (seen(2, Reason::WithinTolerance), false),
            (seen(3, Reason::AtNeed), true),
            (seen(2, Reason::LimitedByMaxReplicas), true),
            (seen(2, Reason::LimitedByHotProducts), true),
            (seen(2, Reason::Unreadable), true),
        ] {
            assert_eq!(before.differs(&next), is_told, "{:?}", next.decision);
            assert_eq!(next.differs(&before), is_told, "{:?}", next.decision);
        }
    }
}
