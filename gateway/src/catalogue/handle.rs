//! Reading the catalogue.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use flashsale_domain::{lifecycle::Readings, observation::SaleObservation};
use jiff::Timestamp;
use tokio::{
    sync::{Notify, watch},
    time::timeout,
};

use super::{
    clock::RedisClock,
    entry::SaleEntry,
    snapshot::{Offer, Snapshot},
};
use crate::{
    problem::{Problem, unavailable},
    stocks::Stocks,
};

/// How old the catalogue may be for a miss to be the truth.
const MISS_AGE: Duration = Duration::from_millis(250);

/// How long a shopper waits for the refresh that their miss asked for.
const MISS_PATIENCE: Duration = Duration::from_millis(300);

/// The lanes of all sales at the last look.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// Redis's clock at the look.
    pub at: Timestamp,
    /// One entry a sale.
    pub sales: Vec<SaleObservation>,
    /// False when the last look failed: then the rest is older, and its age is unknown.
    pub is_current: bool,
}

impl Observed {
    /// What is known of a sale's lanes and stock; "not known" stays not known.
    pub fn readings(&self, entry: &SaleEntry, stocks: &Stocks) -> Readings {
        let mut sales = self.sales.iter();
        let seen = sales.find(|sale| self.is_current && sale.sale == *entry.id());
        let products = entry.sale().products.iter().map(|product| &product.id);
        Readings {
            queue_depth: seen.map(SaleObservation::depth),
            remaining: stocks.sum(products),
            // For shoppers a sale is closed when every buy has its outcome.
            pending: Some(0),
        }
    }
}

/// A handle on the catalogue; clones share it.
#[derive(Debug, Clone)]
pub struct Catalogue {
    /// What is on sale; changes with the catalogue.
    pub(crate) snapshots: watch::Receiver<Arc<Snapshot>>,
    /// The last look at the lanes; changes with each look.
    pub(crate) observed: watch::Receiver<Observed>,
    /// When the last successful look into Redis began.
    pub(super) looked: watch::Receiver<Option<Instant>>,
    /// Wakes the refresher before its time.
    pub(super) wanted: Arc<Notify>,
    /// Redis's clock.
    pub(crate) clock: RedisClock,
}

/// The catalogue could not be read lately, so what it does not have may be there all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the catalogue could not be read; try again in a second")]
pub struct NotKnown;

impl From<NotKnown> for Problem {
    fn from(error: NotKnown) -> Self {
        unavailable(error.to_string())
    }
}

impl Catalogue {
    /// The catalogue as of now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshots.borrow())
    }

    /// The offer of a product, without holding the catalogue.
    pub fn offer(&self, product: &str) -> Option<Offer> {
        self.snapshots.borrow().offer(product).cloned()
    }

    /// Like [`Catalogue::offer`], but a miss looks into Redis, where the sale may have been
    /// announced an instant ago.
    pub async fn find_offer(&self, product: &str) -> Result<Option<Offer>, NotKnown> {
        if let Some(offer) = self.offer(product) {
            return Ok(Some(offer));
        }
        self.be_recent().await?;
        Ok(self.offer(product))
    }

    /// Returns once the catalogue is no older than [`MISS_AGE`], having it read anew if need be.
    /// So a miss is the truth, also in the moments after the start, and shoppers who ask for
    /// nonsense all day cause a few looks a second at most.
    pub async fn be_recent(&self) -> Result<(), NotKnown> {
        let Some(oldest) = Instant::now().checked_sub(MISS_AGE) else {
            return Err(NotKnown);
        };
        let mut looked = self.looked.clone();
        let is_recent = |at: &Option<Instant>| at.is_some_and(|at| at >= oldest);
        if !is_recent(&looked.borrow()) {
            self.refresh_soon();
        }
        match timeout(MISS_PATIENCE, looked.wait_for(is_recent)).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(NotKnown),
        }
    }

    /// Returns once the catalogue was read at least once: an empty list before that would be a lie.
    pub async fn be_known(&self) -> Result<(), NotKnown> {
        if self.looked.borrow().is_some() {
            return Ok(());
        }
        self.be_recent().await
    }

    /// Has the catalogue read anew at once.
    pub fn refresh_soon(&self) {
        self.wanted.notify_one();
    }
}
