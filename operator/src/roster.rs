//! The sales in force: what visits and the pulse share. Of each, how it shall be ([`Desired`]) and what
//! was applied are written by visits, and what was seen ([`Observation`]) and is remembered from look to
//! look ([`Memory`]) by the pulse.

mod deployment;
mod desired;
mod memory;
mod observation;
mod repairs;
pub mod shortfall;

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use flashsale_domain::{id::SaleId, lifecycle::Announced};
use flashsale_queue::catalogue::Generation;
use k8s_openapi::api::core::v1::{ObjectReference, PodTemplateSpec};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;

use self::memory::Applied;
pub use self::{
    deployment::Written,
    desired::{Desired, WriteMode},
    memory::Memory,
    observation::Observation,
};
use crate::stores::{Located, Stores};

/// How long a sale may take to be in force in Redis as it shall be, before people are told that it
/// is not: some looks.
pub const SETTLE: Duration = Duration::from_secs(2);

/// One sale in force.
#[derive(Debug)]
pub struct Entry {
    desired: Desired,
    observed: Observation,
    /// What the pulse remembers.
    pub memory: Memory,
    applied: Applied,
}

impl Entry {
    fn new(desired: Desired) -> Self {
        Self {
            observed: Observation::default(),
            memory: Memory::new(&desired),
            applied: Applied::default(),
            desired,
        }
    }

    /// How the sale shall be.
    pub fn desired(&self) -> &Desired {
        &self.desired
    }

    /// What was seen last, of whichever revision.
    pub fn observed(&self) -> &Observation {
        &self.observed
    }

    /// What was seen last, as far as it holds for the sale as it shall be now.
    pub fn known(&self) -> Observation {
        self.observed.of(&self.desired)
    }

    /// The connections.
    pub fn stores(&self) -> &Arc<Stores> {
        &self.desired.located.stores
    }

    /// Begins a look if one is due at `now`; the next one is due at `latest` if nothing comes of it.
    /// Answers the record that Redis shall hold.
    pub fn begin_look(&mut self, now: Instant, latest: Instant) -> Option<Announced> {
        if !self.memory.is_due(&self.desired, now) {
            return None;
        }
        self.memory.begin_look(&self.desired, latest);
        self.memory.follow(&self.desired);
        Some(self.memory.controller.record())
    }

    /// Has the controller decide for the sale as it shall be now.
    pub fn follow(&mut self) {
        self.memory.follow(&self.desired);
    }

    /// Puts a new observation in place of the old; answers whether people should be told at once.
    pub fn observe(&mut self, observed: Observation) -> bool {
        let is_news = self.observed.differs(&observed);
        self.observed = observed;
        is_news
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
        self.entries.lock()
    }

    /// Puts a sale in force, or changes it; what was learned of it is kept. True when it shall be
    /// other than before, so that a look follows at once.
    pub fn put(
        &self,
        object: ObjectReference,
        mut sale: Announced,
        located: Located,
        mode: WriteMode,
    ) -> bool {
        // A record from Redis; the control loop learns anew what was taken out of the sale.
        sale.sale.retired.clear();
        let id = sale.sale.id.clone();
        let mut entries = self.entries();
        let changed = if let Some(entry) = entries.get_mut(&id) {
            entry.desired.object = object;
            entry.desired.change(sale, located, mode)
        } else {
            let desired = Desired::new(object, sale, located, mode);
            entries.insert(id, Entry::new(desired));
            true
        };
        drop(entries);
        if changed {
            self.wake.notify_one();
        }
        changed
    }

    /// From now on the sales shall be closed for good that `is_over` says that of. Answers which of them
    /// were not before.
    pub fn close(&self, is_over: impl Fn(&SaleId) -> bool) -> Vec<SaleId> {
        let mut closed = Vec::new();
        for (sale, entry) in self.entries().iter_mut() {
            let desired = &mut entry.desired;
            if desired.sale.closing || !is_over(sale) {
                continue;
            }
            let closing = Announced {
                closing: true,
                ..desired.sale.clone()
            };
            let mode = match desired.mode {
                WriteMode::Full => WriteMode::Full,
                WriteMode::NoReplicas | WriteMode::ReadOnly => WriteMode::NoReplicas,
            };
            desired.change(closing, desired.located.clone(), mode);
            closed.push(sale.clone());
        }
        if !closed.is_empty() {
            self.wake.notify_one();
        }
        closed
    }

    /// Runs `look` on the entry of a sale; none when the sale is not in force.
    fn with<T>(&self, sale: &SaleId, look: impl FnOnce(&mut Entry) -> T) -> Option<T> {
        self.entries().get_mut(sale).map(look)
    }

    /// What is known of a sale in force: how it shall be, and what was seen of it.
    pub fn get(&self, sale: &SaleId) -> Option<(Announced, Observation)> {
        self.with(sale, |entry| (entry.desired.sale.clone(), entry.known()))
    }

    /// Whether a look is under way that will know more, so that what people were told last is not to
    /// be taken back for a moment.
    pub fn is_settling(&self, sale: &SaleId) -> bool {
        let entries = self.entries();
        entries.get(sale).is_some_and(|entry| {
            let desired = &entry.desired;
            desired.since.elapsed() < SETTLE && !entry.observed.is_settled(desired)
        })
    }

    /// Where a sale in force keeps its queue and its ledger.
    pub fn located(&self, sale: &SaleId) -> Option<Located> {
        self.with(sale, |entry| entry.desired.located.clone())
    }

    /// What may be written for a sale in force.
    pub fn mode(&self, sale: &SaleId) -> Option<WriteMode> {
        self.with(sale, |entry| entry.desired.mode)
    }

    /// Whether the workers of a sale that was decided for at `revision` are still to be `wanted`: the sale
    /// is the same, and no later look has decided otherwise.
    pub fn may_scale(&self, sale: &SaleId, revision: u64, wanted: u32) -> bool {
        self.entries().get(sale).is_some_and(|entry| {
            let decision = entry.observed.decision;
            entry.desired.revision == revision
                && entry.desired.mode == WriteMode::Full
                && decision.is_some_and(|decision| decision.workers == wanted)
        })
    }

    /// Whether the stores may still be told what was decided for a sale at `revision`.
    pub fn may_tell(&self, sale: &SaleId, revision: u64) -> bool {
        self.entries().get(sale).is_some_and(|entry| {
            entry.desired.revision == revision && entry.desired.mode != WriteMode::ReadOnly
        })
    }

    /// Why the ledger in `stores` could not be read at the last look; another look is made at once.
    pub fn ledger_outage(&self, sale: &SaleId, stores: &Arc<Stores>) -> Option<String> {
        let mut entries = self.entries();
        let entry = entries.get_mut(sale)?;
        if !Arc::ptr_eq(entry.stores(), stores) {
            return None;
        }
        let outage = entry.observed.ledger_error.clone()?;
        entry.desired.looks_asked += 1;
        drop(entries);
        self.wake.notify_one();
        Some(outage)
    }

    /// Whether both stores of a sale that is in force were read at the last look.
    pub fn has_its_stores(&self, sale: &SaleId) -> bool {
        self.entries().get(sale).is_some_and(|entry| {
            entry.observed.queue_error.is_none() && entry.observed.ledger_error.is_none()
        })
    }

    /// Which sale of its name it is, once that was asked for.
    pub fn generation(&self, sale: &SaleId) -> Option<Generation> {
        self.with(sale, |entry| entry.memory.generation)?
    }

    /// Remembers which sale of its name it is; the first answer stays. None when the sale is not in
    /// the roster any more.
    pub fn remember_generation(&self, sale: &SaleId, read: Generation) -> Option<Generation> {
        self.with(sale, |entry| *entry.memory.generation.get_or_insert(read))
    }

    /// How many workers the queue asked for last.
    pub fn wanted(&self, sale: &SaleId) -> u32 {
        let decision = self.with(sale, |entry| entry.observed.decision).flatten();
        decision.map_or(0, |decision| decision.workers)
    }

    /// The worker Deployment as it was written last.
    pub fn written(&self, sale: &SaleId) -> Option<Written> {
        self.with(sale, |entry| entry.applied.deployment)?
    }

    /// Remembers what was written; none where there is no Deployment any more, so that the next one is
    /// tried or made.
    pub fn set_written(&self, sale: &SaleId, written: Option<Written>) {
        self.with(sale, |entry| entry.applied.deployment = written);
    }

    /// Whether the metadata of the worker Deployment may be put back now; if not, and nobody was told of
    /// that yet, it is logged.
    pub fn may_repair(&self, sale: &SaleId) -> bool {
        let judge = |entry: &mut Entry| {
            let repairs = &mut entry.applied.repairs;
            let is_due = repairs.is_due(Instant::now());
            if !is_due && repairs.is_to_tell() {
                tracing::warn!(%sale, "somebody keeps changing labels, annotations or owners of the worker \
                    Deployment of {sale}; they are put back once a minute from now on");
            }
            is_due
        };
        self.with(sale, judge).unwrap_or(true)
    }

    /// Counts that it was put back.
    pub fn note_repair(&self, sale: &SaleId) {
        self.with(sale, |entry| entry.applied.repairs.note(Instant::now()));
    }

    /// The pods that run, while a change of them waits.
    pub fn kept_template(&self, sale: &SaleId) -> Option<PodTemplateSpec> {
        self.with(sale, |entry| entry.applied.kept_template.clone())?
    }

    /// Remembers them, or that no change waits; answers the object.
    pub fn keep_template(
        &self,
        sale: &SaleId,
        template: Option<PodTemplateSpec>,
    ) -> Option<ObjectReference> {
        self.with(sale, |entry| {
            entry.applied.kept_template = template;
            entry.desired.object.clone()
        })
    }

    /// Whether the disruption budget of the workers is to be written now; if so, the next time is
    /// after `pause`.
    pub fn budget_is_due(&self, sale: &SaleId, pause: Duration) -> bool {
        let judge = |entry: &mut Entry| {
            let now = Instant::now();
            let is_due = entry.applied.budget_due <= now;
            if is_due {
                entry.applied.budget_due = now + pause;
            }
            is_due
        };
        self.with(sale, judge).unwrap_or(false)
    }

    /// Takes a sale out.
    pub fn remove(&self, sale: &SaleId) {
        self.entries().remove(sale);
    }
}

#[cfg(test)]
mod tests;
