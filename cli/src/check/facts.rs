//! What histories say of each job, key and product: line after line is folded in, so that a file
//! larger than the memory can be judged.

mod fold;
mod run;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use flashsale_domain::outcome::Outcome;
use uuid::Uuid;

use crate::history::{Ending, EventSource};

pub use run::Schedule;
pub(super) use run::{Attempt, Run, Taken};

/// A sale, and a shopper who sent buys to it.
type Buyer = (Arc<str>, Arc<str>);

/// What all histories say.
#[derive(Debug, Default)]
pub struct Facts {
    /// Each file.
    pub(super) runs: Vec<Run>,
    /// Each job that was heard of.
    pub(super) jobs: HashMap<Uuid, JobFacts>,
    /// The jobs of each key that was acknowledged, in the order of their acknowledgements.
    pub(super) keys: HashMap<Key, Vec<Uuid>>,
    /// The key that each shopper sent in a sale, none where it was more than one.
    only_keys: HashMap<Buyer, Option<Arc<str>>>,
    /// What was heard of each product's stock.
    pub(super) stock: BTreeMap<String, StockHeard>,
    /// Products of each sale.
    pub(super) products: BTreeMap<String, HashSet<Arc<str>>>,
    pub(super) lines: u64,
    pub(super) requests: u64,
    pub(super) answers: u64,
    pub(super) replays: u64,
    pub(super) events: u64,
    pub(super) polls: u64,
    /// Buys that were told sold out at once, by product.
    pub(super) turned_away: HashMap<Arc<str>, u64>,
    names: HashSet<Arc<str>>,
}

impl Facts {
    /// The one key that a shopper sent in a sale, acknowledged or not.
    pub(super) fn only_key(&self, sale: &Arc<str>, user: &Arc<str>) -> Option<&str> {
        let buyer = (Arc::clone(sale), Arc::clone(user));
        self.only_keys.get(&buyer)?.as_deref()
    }

    fn sent(&mut self, key: &Key) {
        let buyer = (Arc::clone(&key.sale), Arc::clone(&key.user));
        let first = || Some(Arc::clone(&key.text));
        let only = self.only_keys.entry(buyer).or_insert_with(first);
        only.take_if(|first| **first != *key.text);
    }
}

/// A key of a shopper in a sale.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) sale: Arc<str>,
    pub(super) user: Arc<str>,
    pub(super) text: Arc<str>,
}

/// What was heard of one job.
#[derive(Debug, Default)]
pub(super) struct JobFacts {
    /// Its acknowledgement.
    pub(super) ack: Option<Ack>,
    /// Other keys that were told this job.
    pub(super) other_keys: Vec<Key>,
    /// Each outcome that was told.
    pub(super) told: Vec<Told>,
    /// Shoppers who heard of it.
    pub(super) heard_by: Vec<HeardBy>,
    /// Whether its confirmation was heard in Redis, so that the stock heard there explains it.
    pub(super) is_counted: bool,
}

/// An acknowledgement.
#[derive(Debug, Clone)]
pub(super) struct Ack {
    /// Which file.
    pub(super) run: usize,
    pub(super) key: Key,
    pub(super) product: Arc<str>,
    /// When the first attempt was sent that may have been taken, by the run's and the wall clock.
    pub(super) sent: Moment,
    /// When the first answer with this job was heard.
    pub(super) heard: Moment,
}

/// An instant by both clocks, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment {
    pub(super) us: u64,
    pub(super) at: i64,
}

/// An outcome that was told.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) outcome: Outcome,
    pub(super) order: Option<i64>,
    /// When it was told first.
    pub(super) at: i64,
    pub(super) how: &'static str,
    /// The sale and product of the event, where it named them.
    pub(super) sale: Option<Arc<str>>,
    pub(super) product: Option<Arc<str>>,
}

/// Somebody who heard of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HeardBy {
    pub(super) user: Arc<str>,
    pub(super) how: &'static str,
}

/// What was heard of a product's stock.
#[derive(Debug, Default)]
pub(super) struct StockHeard {
    /// The least figure.
    pub(super) least: Option<i64>,
    /// The figure that `GET /sales` told first, before any settled batch did.
    first: Option<i64>,
    /// By version, as settled batches told: units left, and orders told with that version for the
    /// first time.
    versions: BTreeMap<i64, (i64, i64)>,
    /// The version told last in each run.
    last_version: HashMap<usize, i64>,
    /// The figure told last in each run by others, and the sum of its rises.
    last: HashMap<(usize, EventSource), i64>,
    rises: HashMap<EventSource, i64>,
}

impl StockHeard {
    /// Units that came back on sale while somebody listened: cancelled orders and restocks. Where
    /// batches were heard, they say it exactly, as far as none was missed.
    pub(super) fn came_back(&self) -> i64 {
        if self.versions.is_empty() {
            return self.rises.values().copied().max().unwrap_or(0);
        }
        let mut sum = 0;
        let mut before = self.first;
        for (stock, confirmed) in self.versions.values().copied() {
            sum += before.map_or(0, |before| (stock + confirmed - before).max(0));
            before = Some(stock);
        }
        sum
    }
}

impl Facts {
    /// Begins a file.
    pub fn begin(&mut self, name: &str) {
        self.runs.push(Run::new(name));
    }

    /// Ends the file that was begun last.
    pub fn end(&mut self, ending: Ending) {
        let number = self.runs.len().saturating_sub(1);
        let Some(run) = self.runs.last_mut() else {
            return;
        };
        for (key, jobs) in run.finish(ending) {
            for taken in jobs {
                self.acknowledge(number, &key, taken);
            }
        }
    }

    /// The sales of all files.
    pub fn sales(&self) -> Vec<(String, Vec<String>)> {
        let products =
            |products: &HashSet<Arc<str>>| products.iter().map(ToString::to_string).collect();
        self.products
            .iter()
            .map(|(sale, known)| (sale.clone(), products(known)))
            .collect()
    }

    /// How each file ended, by name.
    pub fn endings(&self) -> Vec<(&str, Ending)> {
        self.runs
            .iter()
            .map(|run| (run.name.as_str(), run.ending))
            .collect()
    }

    fn acknowledge(&mut self, run: usize, key: &Key, taken: Taken) {
        let ack = Ack {
            run,
            key: key.clone(),
            product: taken.product,
            sent: taken.sent,
            heard: taken.heard,
        };
        let facts = self.jobs.entry(taken.job).or_default();
        match &facts.ack {
            Some(before) if before.key != *key => {
                if !facts.other_keys.contains(key) {
                    facts.other_keys.push(key.clone());
                }
            }
            Some(_) => {}
            None => facts.ack = Some(ack),
        }
        let jobs = self.keys.entry(key.clone()).or_default();
        if !jobs.contains(&taken.job) {
            jobs.push(taken.job);
        }
    }

    /// One copy of a name that many lines have.
    fn name(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.names.get(name) {
            return Arc::clone(known);
        }
        let name: Arc<str> = name.into();
        self.names.insert(Arc::clone(&name));
        name
    }
}

impl JobFacts {
    /// Notes an outcome, once for each that differs.
    fn tell(&mut self, told: Told) {
        let same = |before: &&mut Told| {
            before.outcome == told.outcome
                && (before.order == told.order || before.order.is_none() || told.order.is_none())
        };
        let Some(before) = self.told.iter_mut().find(same) else {
            self.told.push(told);
            return;
        };
        before.order = before.order.or(told.order);
        before.at = before.at.min(told.at);
        before.sale = before.sale.take().or(told.sale);
        before.product = before.product.take().or(told.product);
    }

    fn hear(&mut self, user: &str, how: &'static str) {
        let is_known = |heard: &HeardBy| &*heard.user == user && heard.how == how;
        if !self.heard_by.iter().any(is_known) {
            self.heard_by.push(HeardBy {
                user: user.into(),
                how,
            });
        }
    }

    /// Whether an outcome was told.
    pub(super) fn was_told(&self, outcome: Outcome) -> bool {
        self.told.iter().any(|told| told.outcome == outcome)
    }
}
