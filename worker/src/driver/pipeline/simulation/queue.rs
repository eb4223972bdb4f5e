//! A model of Redis: one lane, its lease, and what shoppers were told.

use std::collections::{BTreeMap, HashMap};

use flashsale_domain::{id::JobId, outcome::Outcome};
use flashsale_queue::{
    lane::{Acknowledgement, Entry},
    retry::Retry,
};

use super::ledger::Broken;
use crate::batch::position;

#[derive(Debug)]
pub(super) struct Queue {
    pub(super) broken: Broken,
    pub(super) lane: BTreeMap<(u64, u64), Entry>,
    /// Owner, and the time at which it ends.
    pub(super) lease: Option<(String, u64)>,
    pub(super) told: HashMap<JobId, Outcome>,
    pub(super) notes: HashMap<String, Retry>,
    /// What is wrong already.
    pub(super) wrong: Option<String>,
}

impl Queue {
    pub(super) fn new(broken: Broken) -> Self {
        Self {
            broken,
            lane: BTreeMap::new(),
            lease: None,
            told: HashMap::new(),
            notes: HashMap::new(),
            wrong: None,
        }
    }

    pub(super) fn read(&self, after: &str, count: usize) -> Vec<Entry> {
        let after = position(after);
        let entries = self.lane.iter().filter(|(at, _)| **at > after);
        entries
            .take(count)
            .map(|(_, entry)| entry.clone())
            .collect()
    }

    pub(super) fn read_each(&self, ids: &[String]) -> Vec<Entry> {
        let entries = ids.iter().filter_map(|id| self.lane.get(&position(id)));
        entries.cloned().collect()
    }

    pub(super) fn hold(&mut self, owner: &str, now: u64, term: u64) -> bool {
        let is_free = match &self.lease {
            Some((holder, end)) => holder == owner || *end <= now,
            None => true,
        };
        if is_free {
            self.lease = Some((owner.to_owned(), now + term));
        }
        is_free
    }

    pub(super) fn renew(&mut self, owner: &str, now: u64, term: u64) -> bool {
        self.is_held_by(owner, now) && self.hold(owner, now, term)
    }

    pub(super) fn release(&mut self, owner: &str) {
        self.lease.take_if(|(holder, _)| holder == owner);
    }

    fn is_held_by(&self, owner: &str, now: u64) -> bool {
        let lease = self.lease.as_ref();
        lease.is_some_and(|(holder, end)| holder == owner && *end > now)
    }

    /// False when nothing was changed, since a failure may be told by the holder of the lease alone.
    pub(super) fn acknowledge(&mut self, told: &Acknowledgement, owner: &str, now: u64) -> bool {
        if !told.dead.is_empty() && !self.is_held_by(owner, now) {
            return false;
        }
        for job in &told.ended {
            let was_there = self.lane.remove(&position(&job.entry_id)).is_some();
            self.notes.remove(&job.entry_id);
            let is_told = was_there || self.broken == Broken::Acknowledgement;
            if is_told && self.told.insert(job.job_id, job.outcome).is_some() {
                self.wrong = Some(format!("{:?} was told twice", job.job_id));
            }
        }
        true
    }

    pub(super) fn note(&mut self, entry_id: String, retry: Retry) {
        if self.lane.contains_key(&position(&entry_id)) {
            self.notes.insert(entry_id, retry);
        }
    }
}
