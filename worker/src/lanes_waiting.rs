//! Which lanes wait for the ledger, and why: the metric, and what was said of them already.

use std::{collections::HashMap, sync::Arc};

use flashsale_domain::id::{ProductId, SaleId};
use flashsale_ledger::WaitReason;
use flashsale_telemetry::Register;
use parking_lot::Mutex;
use prometheus::IntGaugeVec;

/// The reason of a lane whose single jobs do not pass within the time limit.
pub const TOO_SLOW: &str = "too_slow";

type LaneName = (SaleId, ProductId);

/// The lanes that wait; clones are one.
#[derive(Debug, Clone)]
pub struct LanesWaiting {
    gauge: IntGaugeVec,
    lanes: Arc<Mutex<HashMap<LaneName, &'static str>>>,
}

impl LanesWaiting {
    /// None waits yet.
    pub fn new(register: Register<'_>) -> Result<Self, prometheus::Error> {
        let gauge = register.gauges(
            "lanes_waiting",
            "Lanes whose jobs the ledger cannot settle at the moment, by sale and reason",
            &["sale", "reason"],
        )?;
        Ok(Self {
            gauge,
            lanes: Arc::default(),
        })
    }

    /// Shows zeros for `sale`.
    pub fn show(&self, sale: &SaleId) {
        let reasons = WaitReason::ALL.map(WaitReason::as_str);
        for reason in reasons.into_iter().chain([TOO_SLOW]) {
            self.gauge.with_label_values(&[sale.as_str(), reason]);
        }
    }

    /// How many lanes of `sale` wait because of `reason`.
    pub fn count(&self, sale: &SaleId, reason: &str) -> i64 {
        self.gauge.with_label_values(&[sale.as_str(), reason]).get()
    }

    /// `lane` waits because of `reason`. True when that is new.
    #[must_use = "what is not new need not be said again"]
    pub fn wait(&self, lane: &LaneName, reason: &'static str) -> bool {
        let before = self.lanes.lock().insert(lane.clone(), reason);
        if before == Some(reason) {
            return false;
        }
        if let Some(before) = before {
            self.gauge
                .with_label_values(&[lane.0.as_str(), before])
                .dec();
        }
        self.gauge
            .with_label_values(&[lane.0.as_str(), reason])
            .inc();
        true
    }

    /// `lane` does not wait, or no longer.
    pub fn flow(&self, lane: &LaneName) {
        let before = self.lanes.lock().remove(lane);
        if let Some(before) = before {
            self.gauge
                .with_label_values(&[lane.0.as_str(), before])
                .dec();
            tracing::info!(sale = %lane.0, product = %lane.1,
                "lane {} no longer waits for the ledger", lane.1);
        }
    }

    /// Only lanes that `may_wait` are still this worker's concern.
    pub fn retain(&self, may_wait: impl Fn(&LaneName) -> bool) {
        let gone: Vec<LaneName> = {
            let lanes = self.lanes.lock();
            lanes
                .keys()
                .filter(|lane| !may_wait(lane))
                .cloned()
                .collect()
        };
        for lane in gone {
            self.flow(&lane);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_waits_for_one_reason_at_a_time_and_is_told_of_once() {
        let waiting =
            LanesWaiting::new(Register::new(&prometheus::Registry::new(), "worker")).unwrap();
        let lane = (SaleId::new("drop").unwrap(), ProductId::new("p").unwrap());
        let count = |reason: &str| waiting.gauge.with_label_values(&["drop", reason]).get();
        assert!(waiting.wait(&lane, "locked"));
        assert!(!waiting.wait(&lane, "locked"));
        assert_eq!(count("locked"), 1);
        assert!(waiting.wait(&lane, TOO_SLOW));
        assert_eq!((count("locked"), count(TOO_SLOW)), (0, 1));
        waiting.retain(|_| false);
        waiting.flow(&lane);
        assert_eq!(count(TOO_SLOW), 0);
    }
}
