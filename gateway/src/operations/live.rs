//! What was heard of all processes, and who may hear it.

use std::{sync::Arc, time::Instant};

use flashsale_domain::event::Settled;
use flashsale_ledger::Ledger;
use flashsale_queue::{connect::QueuePool, figures::ProcessFigures};
use jiff::Timestamp;
use parking_lot::Mutex;
use prometheus::IntCounter;

use super::{
    access::{AccessCheck, NotAdmitted},
    figures::{self, Figures},
    fleet::Fleet,
    history::{History, HistoryView},
    report::Reports,
    tally::Second,
};
use crate::{catalogue::Catalogue, client::Client, config::Hidden, stocks::Stocks};

/// A handle on operations; clones are one.
#[derive(Debug, Clone)]
pub struct Operations(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    access: AccessCheck,
    catalogue: Catalogue,
    stocks: Stocks,
    /// For dead letters.
    pool: QueuePool,
    reports: Reports,
    state: Mutex<LiveState>,
}

/// What was heard of all processes.
#[derive(Debug, Default)]
struct LiveState {
    fleet: Fleet,
    /// The second that is going on.
    counting: Second,
    /// The last full second.
    last: Arc<Second>,
    history: History,
}

impl Operations {
    /// Operations for who has `token`; others are counted in `refused`.
    pub fn new(
        token: Hidden,
        refused: IntCounter,
        catalogue: Catalogue,
        stocks: Stocks,
        pool: QueuePool,
        ledger: Ledger,
    ) -> Self {
        let reports = Reports::new(ledger, pool.clone(), catalogue.clone());
        Self(Arc::new(Inner {
            access: AccessCheck::new(token, refused),
            catalogue,
            stocks,
            pool,
            reports,
            state: Mutex::default(),
        }))
    }

    /// Lets in who brings the token; the log names `client` otherwise.
    pub(crate) fn admit(
        &self,
        token: Option<&str>,
        client: Option<Client>,
    ) -> Result<(), NotAdmitted> {
        self.0.access.admit(token, client)
    }

    /// Takes what a process tells of itself.
    pub fn hear(&self, message: &[u8]) -> Result<(), serde_json::Error> {
        let figures = ProcessFigures::parse(message)?;
        let now = Instant::now();
        let mut state = self.0.state.lock();
        match figures {
            ProcessFigures::Worker(worker) => state.fleet.hear_worker(worker, now),
            ProcessFigures::Gateway(gateway) => {
                state.fleet.hear_gateway(&gateway, now);
                for (sale, buys) in gateway.buys {
                    state.counting.add_buys(sale, buys);
                }
            }
        }
        Ok(())
    }

    /// Takes a settled batch.
    pub fn hear_settled(&self, settled: &Settled) {
        self.0.state.lock().counting.add_settled(settled);
    }

    /// The history of all sales.
    pub(super) fn history(&self) -> HistoryView {
        self.0.state.lock().history.view()
    }

    /// Ends the second that is going on.
    pub(super) fn end_second(&self) {
        let last = Arc::new(std::mem::take(&mut self.0.state.lock().counting));
        let samples = figures::samples(&self.0.catalogue.observed.borrow(), &last);
        let at = self.now();
        let mut state = self.0.state.lock();
        state.fleet.forget_silent(Instant::now());
        state.history.push(at, &samples);
        state.last = last;
    }

    /// The running of all sales, as of now.
    pub fn figures(&self) -> Figures {
        let now = Instant::now();
        let (gateways, workers, last) = {
            let state = self.0.state.lock();
            let (gateways, workers) = (
                state.fleet.gateways.recent(now),
                state.fleet.workers.recent(now),
            );
            (gateways, workers, state.last.clone())
        };
        Figures::new(&self.0.catalogue, &self.0.stocks, &last, gateways, workers)
    }

    /// Redis's clock.
    pub(super) fn now(&self) -> Timestamp {
        self.0.catalogue.clock.now()
    }

    /// Reports of sales.
    pub(super) fn reports(&self) -> &Reports {
        &self.0.reports
    }

    /// Connections for dead letters.
    pub(super) fn pool(&self) -> &QueuePool {
        &self.0.pool
    }
}
