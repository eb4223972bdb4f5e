//! Telling sockets that a sale opens, sells out or closes, at the instant it does.

use std::{collections::HashMap, time::Duration};

use flashsale_domain::{id::SaleId, lifecycle::Phase};
use tokio::time::sleep;

use crate::{
    catalogue::Catalogue,
    sockets::{SaleStatus, Sockets},
    stocks::Stocks,
};

/// Longest sleep until the next instant of a schedule: the clock of Redis may be set meanwhile.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

/// Room for an instant to have truly come when the timer says so.
const PAST_THE_INSTANT: Duration = Duration::from_millis(1);

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
    pub fn new(catalogue: Catalogue, stocks: Stocks, sockets: Sockets) -> Self {
        Self {
            catalogue,
            stocks,
            sockets,
            told: HashMap::new(),
        }
    }

    /// Tells of every change.
    pub async fn run(mut self) {
        let mut catalogue = self.catalogue.snapshots.clone();
        let mut observed = self.catalogue.observed.clone();
        loop {
            let wait = self.tell_changes().await;
            tokio::select! {
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
        let clock = &self.catalogue.clock;
        let now = clock.now();
        let mut wait = LONGEST_SLEEP;
        let mut news = Vec::new();
        for entry in snapshot.sales() {
            let readings = self
                .catalogue
                .observed
                .borrow()
                .readings(entry, &self.stocks);
            let status = SaleStatus::new(entry, readings, now);
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
