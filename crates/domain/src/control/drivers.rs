//! Which lanes stand still because no worker drives them: the one that did is gone, or its node is.

use std::{collections::HashMap, mem, time::Duration};

use super::Look;
use crate::id::ProductId;

/// Time between the first and the last of the looks that find a lane without a driver, before a
/// spare worker is asked for. With a look each second, the lane has had none for about ten seconds
/// then. A lease is taken over within four; what is over in less is a worker that restarts.
const LONGEST: Duration = Duration::from_secs(9);

/// Remembers since when lanes have had no driver although jobs wait in them.
#[derive(Debug, Default)]
pub(super) struct DriverWatch {
    idle: HashMap<ProductId, Idle>,
}

/// A lane without a driver.
#[derive(Debug, Clone, Copy)]
struct Idle {
    since: Duration,
    /// The job at its head. Where lanes take turns, one may have had a driver between two looks, and
    /// then this is another one.
    oldest_ms: Option<i64>,
}

impl DriverWatch {
    /// Whether a lane has had no driver for too long at `now`. While the ledger cannot be read, no
    /// worker could settle anything, so none is asked for; while Redis cannot be read, it is not known.
    pub(super) fn is_spare_needed(&mut self, look: &Look, now: Duration) -> bool {
        let before = mem::take(&mut self.idle);
        if look.ledger.is_none() {
            // Workers take their lanes again once it is back.
            return false;
        }
        let lanes = look.lanes.iter().flat_map(|seen| &seen.lanes);
        let without = lanes.filter(|lane| lane.depth > 0 && lane.driver.is_none());
        self.idle = without
            .map(|lane| {
                let oldest_ms = lane.oldest_ms;
                let known = before.get(&lane.product);
                let same = known.filter(|idle| idle.oldest_ms == oldest_ms);
                let since = same.map_or(now, |idle| idle.since);
                (lane.product.clone(), Idle { since, oldest_ms })
            })
            .collect();
        let is_long = |idle: &Idle| now.saturating_sub(idle.since) >= LONGEST;
        self.idle.values().any(is_long)
    }
}
