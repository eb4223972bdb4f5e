//! Telling sockets that a sale opens, sells out or closes, at the instant it does.

use std::{collections::HashMap, time::Duration};

use flashsale_core::{
    id::SaleId,
    lifecycle::{Phase, Readings},
};
use jiff::Timestamp;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::{
    catalogue::{Catalogue, Observed, SaleEntry},
    sockets::{SaleStatus, Sockets},
    stocks::Stocks,
};

/// Longest sleep until the next instant of a schedule: the clock of Redis may be set meanwhile.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

/// Room for an instant to have truly come when the timer says so.
const PAST_THE_INSTANT: Duration = Duration::from_millis(1);

/// What is known of a sale's lanes and stock; "not known" stays not known.
#[must_use]
pub fn readings(entry: &SaleEntry, observed: &Observed, stocks: &Stocks) -> Readings {
    let queue_depth = observed
        .sales
        .iter()
        .find(|sale| observed.is_current && sale.sale == *entry.id())
        .map(flashsale_core::observation::SaleObservation::depth);
    let products = entry.sale().products.iter().map(|product| &product.id);
    Readings {
        queue_depth,
        remaining: stocks.sum(products),
    }
}

/// The status of a sale at `now`, as sockets are told.
#[must_use]
pub fn of(entry: &SaleEntry, readings: Readings, now: Timestamp) -> SaleStatus {
    let schedule = entry.sale().schedule;
    SaleStatus {
        sale: entry.id().clone(),
        status: entry.phase(readings, now).as_str(),
        opens_at: schedule.opens_at.map(|at| at.to_string()),
        closes_at: schedule.closes_at.map(|at| at.to_string()),
    }
}

/// The task that tells of every change.
#[derive(Debug)]
pub struct SaleStatusTask {
    catalogue: Catalogue,
    stocks: Stocks,
    sockets: Sockets,
    told: HashMap<SaleId, SaleStatus>,
}

impl SaleStatusTask {
    /// A task that tells `sockets`.
    #[must_use]
    pub fn new(catalogue: Catalogue, stocks: Stocks, sockets: Sockets) -> Self {
        Self {
            catalogue,
            stocks,
            sockets,
            told: HashMap::new(),
        }
    }

    /// Tells of every change until `shutdown`.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let mut catalogue = self.catalogue.watch();
        let mut observed = self.catalogue.observed();
        loop {
            let wait = self.tell_changes().await;
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = catalogue.changed() => {}
                _ = observed.changed() => {}
                () = self.stocks.emptied() => {}
                () = sleep(wait) => {}
            }
        }
    }

    /// Tells what changed since last time; answers how long until the clock changes something.
    async fn tell_changes(&mut self) -> Duration {
        let snapshot = self.catalogue.snapshot();
        let clock = self.catalogue.clock();
        let now = clock.now();
        let mut wait = LONGEST_SLEEP;
        let mut news = Vec::new();
        for entry in snapshot.sales() {
            let known = readings(entry, &self.catalogue.observed().borrow(), &self.stocks);
            let status = of(entry, known, now);
            if self.told.get(entry.id()) != Some(&status) {
                self.told.insert(entry.id().clone(), status.clone());
                news.push(status);
            }
            if let Some(at) = entry.next_change(now) {
                wait = wait.min(clock.until(at) + PAST_THE_INSTANT);
            }
        }
        self.told.retain(|sale, told| {
            let is_in_force = snapshot.sale(sale.as_str()).is_some();
            if !is_in_force && told.status != Phase::Closed.as_str() {
                told.status = Phase::Closed.as_str();
                news.push(told.clone());
            }
            is_in_force
        });
        for status in news {
            self.sockets.tell_sale_status(&status).await;
        }
        wait
    }
}
