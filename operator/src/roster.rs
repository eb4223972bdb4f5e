//! The sales in force, as the reconciler put them and the pulse sees them: the one thing that the
//! two share.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use flashsale_core::{
    catalogue::{Announced, Generation},
    control::Controller,
    durability::Finding,
    id::SaleId,
    ledger::SaleStock,
    lifecycle::Phase,
    observation::SaleObservation,
    scaling::Decision,
};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{ObjectReference, PodTemplateSpec};
use tokio::{sync::Notify, task::JoinHandle};

use crate::{
    obstacle::Obstacle, pulse::shortfalls::Shortfall, reconcile::dereference::Located,
    stores::Stores,
};

/// How long a sale may take to be in force in Redis as it shall be, before people are told that it
/// is not: some looks.
pub const SETTLE: Duration = Duration::from_secs(2);

/// How much the operator may write for a sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hands {
    /// Nothing at all: an annotation asks for it.
    pub off: bool,
    /// No replicas: somebody else sets them.
    pub off_replicas: bool,
}

/// What the pulse saw of a sale last. Readings keep their last value while a store is away; the
/// errors say that they are old.
#[derive(Debug, Clone, Default)]
pub struct Sight {
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
    /// Since when the sale shall be other than it was last seen; none once it was seen in force, or
    /// could not be seen.
    pub settling: Option<Instant>,
}

impl Sight {
    /// Whether a look is under way that will know more, so that what people were told last is not
    /// to be taken back for a moment.
    #[must_use]
    pub fn is_settling(&self) -> bool {
        self.settling.is_some_and(|since| since.elapsed() < SETTLE)
    }

    /// Now, by the clock of the sale.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let now = Timestamp::now();
        now.checked_add(self.clock_ahead).unwrap_or(now)
    }

    /// Units left over all products, by the ledger.
    #[must_use]
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
    #[must_use]
    pub fn ledger_went_back(&self) -> Option<bool> {
        let lanes = self.lanes.as_ref()?;
        Some(lanes.went_back_ms.is_some())
    }

    /// Units sold over all products, by the ledger.
    #[must_use]
    pub fn sold(&self) -> Option<i64> {
        self.stock.as_ref().map(|stock| stock.sold)
    }
}

/// What tells one look from the next to people: when it changes, the status is written at once.
#[expect(
    clippy::struct_excessive_bools,
    reason = "compared as a whole, never told apart"
)]
#[derive(Debug, Clone, PartialEq)]
struct Gist {
    phase: Option<Phase>,
    decision: Option<Decision>,
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

impl From<&Sight> for Gist {
    fn from(sight: &Sight) -> Self {
        Self {
            phase: sight.phase,
            decision: sight.decision,
            queue_up: sight.queue_error.is_none(),
            ledger_up: sight.ledger_error.is_none(),
            announced: sight.announced,
            sold_out: sight.remaining() == Some(0),
            undeclared: sight.undeclared,
            went_back: sight.ledger_went_back(),
            durability: sight.durability.clone(),
            ledger_durability: sight.ledger_durability.clone(),
            oversold: sight.oversold.is_some_and(|units| units != 0),
            obstacle: sight.obstacle.clone(),
        }
    }
}

/// One sale in force.
#[derive(Debug)]
pub struct Entry {
    /// The object, for events and visits.
    pub object: ObjectReference,
    /// Decides what is to be done.
    pub mind: Controller,
    /// Where it keeps its queue and its ledger, as its Secrets said when they were last read.
    pub located: Located,
    /// How much may be written.
    pub hands: Hands,
    /// What was seen last.
    pub sight: Sight,
    /// When the next look is due.
    pub due: Instant,
    /// When the last look was made that did not ask for more workers than there were: a spike that
    /// a later look shows came after it.
    pub calm: Instant,
    /// When numbers were last shown in the status.
    pub shown: Instant,
    /// Whether it was told, for this opening, that the workers are there or are not.
    pub prewarm_told: Option<Timestamp>,
    /// Whether the sale was seen before its opening, so that the lag of the opening can be told.
    pub awaited: bool,
    /// When the ledger's invariant was last checked.
    pub audited: Option<Instant>,
    /// Since when workers that were asked for are not available; none while they are.
    pub shortfall: Option<Shortfall>,
    /// What was applied last as the worker Deployment, and its generation then: another one means
    /// that somebody has changed it since.
    pub applied: Option<(u64, i64)>,
    /// The pods that run, while a change of them waits.
    pub kept_template: Option<PodTemplateSpec>,
    /// When the disruption budget of the workers is to be written next.
    pub budget_due: Instant,
    /// What was announced last, so that a record that reads back different is not written in a
    /// circle.
    pub announced: Option<Announced>,
    /// Which sale of this name it is, as Redis told before it was announced first.
    pub generation: Option<Generation>,
    /// Gives a Redis that lost them the outcomes of the ledger back; ends by itself.
    pub restoring: Option<JoinHandle<()>>,
}

impl Entry {
    /// A sale that nobody has looked at yet; its first look is due now.
    #[must_use]
    pub fn new(object: ObjectReference, desired: Announced, located: Located) -> Self {
        let now = Instant::now();
        Self {
            object,
            mind: Controller::new(desired),
            located,
            hands: Hands::default(),
            sight: Sight {
                settling: Some(now),
                ..Sight::default()
            },
            due: now,
            calm: now,
            shown: now,
            prewarm_told: None,
            awaited: false,
            audited: None,
            shortfall: None,
            applied: None,
            kept_template: None,
            budget_due: now,
            announced: None,
            generation: None,
            restoring: None,
        }
    }

    /// From now on the sale shall be like this. True when that is another than before.
    fn change(&mut self, desired: Announced, located: Located, hands: Hands) -> bool {
        let is_elsewhere = !Arc::ptr_eq(self.stores(), &located.stores);
        let moved = *self.mind.desired() != desired || is_elsewhere;
        let changed = moved || self.hands != hands;
        if self.mind.desired().sale.durability != desired.sale.durability {
            // Judged by what the sale asked for before.
            self.sight.durability = None;
        }
        if moved {
            self.mind.set_desired(desired);
            // Redis holds the sale as it was, not as it shall be from now on.
            self.sight.announced = None;
            self.sight.settling = Some(Instant::now());
        }
        self.located = located;
        if changed {
            self.hands = hands;
            self.due = Instant::now();
        }
        changed
    }

    /// From now on the sale shall be closed for good.
    pub fn close(&mut self) {
        let desired = Announced {
            closing: true,
            ..self.mind.desired().clone()
        };
        let hands = Hands {
            off: false,
            ..self.hands
        };
        self.change(desired, self.located.clone(), hands);
    }

    /// The connections.
    #[must_use]
    pub fn stores(&self) -> &Arc<Stores> {
        &self.located.stores
    }

    /// Puts a new sight in place of the old; answers whether people should be told at once.
    pub fn see(&mut self, sight: Sight) -> bool {
        let news = Gist::from(&self.sight) != Gist::from(&sight);
        self.sight = sight;
        news
    }
}

/// All sales in force.
#[derive(Debug, Default)]
pub struct Roster {
    entries: Mutex<HashMap<SaleId, Entry>>,
    /// Wakes the pulse before its next beat.
    pub wake: Notify,
}

impl Roster {
    /// The entries. Held for moments only, never over an await.
    pub fn entries(&self) -> MutexGuard<'_, HashMap<SaleId, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a sale in force, or changes it; what was learned of it is kept. True when it shall be
    /// other than before, so that a look follows at once.
    pub fn put(
        &self,
        object: ObjectReference,
        mut desired: Announced,
        located: Located,
        hands: Hands,
    ) -> bool {
        // A record from Redis; the control loop learns anew what was taken out of the sale.
        desired.sale.retired.clear();
        let id = desired.sale.id.clone();
        let mut entries = self.entries();
        let changed = if let Some(entry) = entries.get_mut(&id) {
            entry.object = object;
            entry.change(desired, located, hands)
        } else {
            let mut entry = Entry::new(object, desired, located);
            entry.hands = hands;
            entries.insert(id, entry);
            true
        };
        drop(entries);
        if changed {
            self.wake.notify_one();
        }
        changed
    }

    /// What is known of a sale in force: how it shall be, and what was seen last.
    pub fn get(&self, sale: &SaleId) -> Option<(Announced, Sight)> {
        let entries = self.entries();
        let entry = entries.get(sale)?;
        Some((entry.mind.desired().clone(), entry.sight.clone()))
    }

    /// Where a sale in force keeps its queue and its ledger.
    pub fn located(&self, sale: &SaleId) -> Option<Located> {
        self.entries().get(sale).map(|entry| entry.located.clone())
    }

    /// How much may be written for a sale in force.
    pub fn hands(&self, sale: &SaleId) -> Option<Hands> {
        self.entries().get(sale).map(|entry| entry.hands)
    }

    /// Why the ledger in `stores` could not be read at the last look; another look is made at once.
    pub fn ledger_outage(&self, sale: &SaleId, stores: &Arc<Stores>) -> Option<String> {
        let mut entries = self.entries();
        let entry = entries.get_mut(sale)?;
        if !Arc::ptr_eq(entry.stores(), stores) {
            return None;
        }
        let outage = entry.sight.ledger_error.clone()?;
        entry.due = Instant::now();
        drop(entries);
        self.wake.notify_one();
        Some(outage)
    }

    /// Which sale of its name it is, once that was asked for.
    pub fn generation(&self, sale: &SaleId) -> Option<Generation> {
        self.entries().get(sale).and_then(|entry| entry.generation)
    }

    /// Remembers which sale of its name it is; the first answer stays. None when the sale is not in
    /// the roster any more.
    pub fn remember_generation(&self, sale: &SaleId, read: Generation) -> Option<Generation> {
        let mut entries = self.entries();
        let entry = entries.get_mut(sale)?;
        Some(*entry.generation.get_or_insert(read))
    }

    /// How many workers the queue asked for last.
    pub fn wanted(&self, sale: &SaleId) -> u32 {
        let entries = self.entries();
        let decision = entries.get(sale).and_then(|entry| entry.sight.decision);
        decision.map_or(0, |decision| decision.workers)
    }

    /// What was applied last as the worker Deployment, and its generation then.
    pub fn applied(&self, sale: &SaleId) -> Option<(u64, i64)> {
        self.entries().get(sale).and_then(|entry| entry.applied)
    }

    /// Remembers what was applied.
    pub fn set_applied(&self, sale: &SaleId, applied: (u64, i64)) {
        if let Some(entry) = self.entries().get_mut(sale) {
            entry.applied = Some(applied);
        }
    }

    /// The pods that run, while a change of them waits.
    pub fn kept_template(&self, sale: &SaleId) -> Option<PodTemplateSpec> {
        let entries = self.entries();
        entries.get(sale)?.kept_template.clone()
    }

    /// Remembers them, or that no change waits; answers the object.
    pub fn keep_template(
        &self,
        sale: &SaleId,
        template: Option<PodTemplateSpec>,
    ) -> Option<ObjectReference> {
        let mut entries = self.entries();
        let entry = entries.get_mut(sale)?;
        entry.kept_template = template;
        Some(entry.object.clone())
    }

    /// Whether the disruption budget of the workers is to be written now; if so, the next time is
    /// after `pause`.
    pub fn budget_is_due(&self, sale: &SaleId, pause: Duration) -> bool {
        let mut entries = self.entries();
        let Some(entry) = entries.get_mut(sale) else {
            return false;
        };
        let now = Instant::now();
        let is_due = entry.budget_due <= now;
        if is_due {
            entry.budget_due = now + pause;
        }
        is_due
    }

    /// Takes a sale out.
    pub fn remove(&self, sale: &SaleId) {
        self.entries().remove(sale);
    }
}
