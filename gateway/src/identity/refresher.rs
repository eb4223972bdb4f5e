//! The task that renews the keys of all issuers.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use flashsale_telemetry::probes::ReadinessHandle;
use futures_util::future::join_all;
use tokio::time::sleep;

use super::jwks::KeyRing;

/// How long until the keys are tried again while there are none.
const FIRST_KEYS_INTERVAL: Duration = Duration::from_secs(2);

/// The task that renews the keys.
#[derive(Debug)]
pub struct JwksRefresher {
    rings: Vec<Arc<KeyRing>>,
    interval: Duration,
    readiness: ReadinessHandle,
    /// Whether there were keys of every issuer once: that keeps the gateway ready.
    was_ready: AtomicBool,
}

impl JwksRefresher {
    pub(super) fn new(
        rings: Vec<Arc<KeyRing>>,
        interval: Duration,
        readiness: ReadinessHandle,
    ) -> Self {
        Self {
            rings,
            interval,
            readiness,
            was_ready: AtomicBool::new(false),
        }
    }

    /// Renews the keys again and again.
    pub async fn run(self) {
        self.show_readiness("");
        join_all(self.rings.iter().map(|ring| self.keep_renewing(ring))).await;
    }

    async fn keep_renewing(&self, ring: &Arc<KeyRing>) {
        loop {
            let mut wait = self.interval;
            if let Err(error) = ring.renew().await {
                let stale_in = ring.drop_stale().unwrap_or(FIRST_KEYS_INTERVAL);
                wait = wait.min(stale_in);
                self.show_readiness(&error);
            } else {
                self.show_readiness("");
            }
            sleep(wait).await;
        }
    }

    fn show_readiness(&self, error: &str) {
        let is_complete = self.rings.iter().all(|ring| ring.has_keys());
        if is_complete {
            self.was_ready.store(true, Ordering::Relaxed);
            self.readiness.ready();
        } else if !error.is_empty() && !self.was_ready.load(Ordering::Relaxed) {
            self.readiness
                .not_ready(format!("the signing keys could not be read: {error}"));
        }
    }
}
