//! A model of the ledger: one product.

use std::collections::{BTreeMap, HashSet};

use flashsale_domain::id::JobId;
use flashsale_ledger::{Fault, Settlement, Succession, Takeover, Verdict, WaitReason};
use uuid::Uuid;

use crate::{driver::pipeline::Batch, settlement::Failure};

/// What is left out, to see that it is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Broken {
    Nothing,
    Fence,
    Numbers,
    Rejections,
    Acknowledgement,
}

/// Users whose jobs the ledger refuses: until it is cured, or the first time.
pub(super) const POISON: &str = "poison";
pub(super) const FLAKY: &str = "flaky";

#[derive(Debug)]
pub(super) struct Ledger {
    pub(super) broken: Broken,
    pub(super) stock: i32,
    version: i64,
    driver: Option<Uuid>,
    batch: i64,
    /// Orders, in the order in which they were made.
    pub(super) orders: Vec<JobId>,
    /// Jobs turned away, by batch: the times of its entries, and the jobs.
    rejections: BTreeMap<i64, (i64, i64, Vec<JobId>)>,
    /// Flaky jobs that were refused once.
    refused: HashSet<JobId>,
    /// Batches with more jobs are too slow.
    pub(super) quick: usize,
    /// Poison is no longer refused.
    pub(super) is_cured: bool,
    /// Somebody else holds the product's row.
    pub(super) locked: bool,
}

impl Ledger {
    pub(super) fn new(broken: Broken, stock: i32) -> Self {
        Self {
            broken,
            stock,
            version: 1,
            driver: None,
            batch: 0,
            orders: Vec::new(),
            rejections: BTreeMap::new(),
            refused: HashSet::new(),
            quick: usize::MAX,
            is_cured: false,
            locked: false,
        }
    }

    pub(super) fn restock(&mut self, units: i32) {
        self.stock += units;
        self.version += 1;
    }

    pub(super) fn take_over(
        &mut self,
        driver: Uuid,
        expected: Option<Uuid>,
    ) -> Result<Succession, Failure> {
        if self.locked {
            return Err(failure(Fault::Server(WaitReason::Locked)));
        }
        if self.driver != expected {
            return Ok(Succession::Present(self.driver));
        }
        self.driver = Some(driver);
        let batch = self.batch;
        Ok(Succession::Done(Takeover { driver, batch }))
    }

    pub(super) fn settle(&mut self, batch: &Batch) -> Result<Settlement, Failure> {
        if self.locked {
            return Err(failure(Fault::Server(WaitReason::Locked)));
        }
        if self.driver != Some(batch.turn.driver) && self.broken != Broken::Fence {
            return Err(failure(Fault::Fenced));
        }
        if batch.turn.batch > self.batch + 1 && self.broken != Broken::Numbers {
            return Err(failure(Fault::OutOfTurn));
        }
        if batch.jobs.len() > self.quick {
            return Err(failure(Fault::TooSlow));
        }
        let ids: Vec<JobId> = batch.jobs.iter().map(|job| job.job.job_id).collect();
        if let Some(at) = batch.jobs.iter().position(|job| self.refuses(job)) {
            // The transaction is rolled back; a flaky row is mended by somebody meanwhile.
            if batch.jobs.len() == 1 {
                self.refused.insert(ids[at]);
            }
            return Err(failure(Fault::Row));
        }
        let is_repeat = batch.turn.batch <= self.batch && self.broken != Broken::Numbers;
        let (first, last) = (
            *batch.turn.appended_ms.start(),
            *batch.turn.appended_ms.end(),
        );
        let mut verdicts = Vec::new();
        let mut turned_away = Vec::new();
        let mut confirmed = 0;
        for id in ids {
            verdicts.push(if let Some(order_id) = self.order(id) {
                Verdict::Redelivered { order_id }
            } else if self.was_turned_away(id, first, last) {
                Verdict::SoldOut
            } else if is_repeat {
                return Err(failure(Fault::OutOfTurn));
            } else if self.stock > 0 {
                self.stock -= 1;
                confirmed += 1;
                self.orders.push(id);
                let order_id = i64::try_from(self.orders.len()).unwrap();
                Verdict::Confirmed { order_id }
            } else {
                turned_away.push(id);
                Verdict::SoldOut
            });
        }
        if !is_repeat {
            self.batch = batch.turn.batch;
            self.version += i64::from(confirmed > 0);
            if !turned_away.is_empty() && self.broken != Broken::Rejections {
                self.rejections
                    .insert(batch.turn.batch, (first, last, turned_away));
            }
        }
        Ok(Settlement {
            verdicts,
            stock: self.stock,
            version: self.version,
            confirmed,
            states: Vec::new(),
        })
    }

    fn refuses(&self, job: &crate::batch::Waiting) -> bool {
        if self.order(job.job.job_id).is_some() {
            // It is not inserted again.
            return false;
        }
        let user = job.job.data.user_id.as_str();
        (user == POISON && !self.is_cured)
            || (user == FLAKY && !self.refused.contains(&job.job.job_id))
    }

    pub(super) fn order(&self, id: JobId) -> Option<i64> {
        let at = self.orders.iter().position(|order| *order == id)?;
        i64::try_from(at + 1).ok()
    }

    fn was_turned_away(&self, id: JobId, first: i64, last: i64) -> bool {
        let mut rows = self.rejections.values();
        rows.any(|(from, to, ids)| *to >= first && *from <= last && ids.contains(&id))
    }
}

pub(super) fn failure(fault: Fault) -> Failure {
    Failure {
        fault,
        silent: false,
        certain: true,
        message: format!("{fault:?}"),
    }
}
