//! Keeps a lane's lease alive beside its driver, as long as the driver gets on.

use std::time::{Duration, Instant};

use flashsale_fault_point::FaultPoint;
use flashsale_queue::{connect::SharedConnection, lease};
use tokio_util::sync::CancellationToken;

use crate::{metrics::Metrics, progress::Progress};

/// How long a driver may be without a step before its lease is given back. Every call it makes has
/// a shorter time limit, so one that makes no step is stuck.
const STALLED: Duration = lease::TERM;

/// How long before the end of the last known term a lease counts as lost: the driver is to have
/// stopped by the time at which another may take the lane.
const MARGIN: Duration = Duration::from_millis(500);

/// The wait before a renewal that failed is tried again.
const AGAIN: Duration = Duration::from_millis(200);

/// A lease and what depends on it.
#[derive(Debug)]
pub struct Lease {
    /// The connection to Redis.
    pub queue: SharedConnection,
    /// Its key.
    pub key: String,
    /// Names the takeover that holds it.
    pub owner: String,
    /// When the call that took it was sent: its term cannot end sooner than a term after that.
    pub held_since: Instant,
}

/// How a lease ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It was given back, or another has it.
    Settled,
    /// Nobody knows whether Redis still has it.
    Unknown,
}

impl Lease {
    /// Renews the lease until `done`, then gives it back. Cancels `lost` when another has it, when
    /// nothing was heard for a term, or when the driver has made no `progress` for as long.
    pub async fn keep(
        mut self,
        progress: Progress,
        lost: CancellationToken,
        done: CancellationToken,
        metrics: Metrics,
    ) -> End {
        let mut wait = lease::RENEWAL;
        let mut unanswered = None;
        loop {
            tokio::select! {
                () = done.cancelled() => return self.release().await,
                () = until_renewal(wait) => {}
            }
            if progress.since_last_step() > STALLED {
                self.lose(&lost, &metrics, "its driver makes no progress");
                return self.release().await;
            }
            let renewal = tokio::select! {
                renewal = self.renew(&mut unanswered) => renewal,
                () = done.cancelled() => return self.release().await,
            };
            wait = match renewal {
                Renewal::Held => lease::RENEWAL.saturating_sub(self.held_since.elapsed()),
                Renewal::Again => AGAIN,
                Renewal::Lost(why) => {
                    self.lose(&lost, &metrics, &why);
                    done.cancelled().await;
                    return self.release().await;
                }
            };
        }
    }

    fn lose(&self, lost: &CancellationToken, metrics: &Metrics, why: &str) {
        metrics.leases_lost.inc();
        tracing::warn!(lease = self.key, "lost the lease {}: {why}", self.key);
        lost.cancel();
    }

    /// Repeats of a renewal that was not answered end at the same time as that one: Redis may have
    /// made them all, and only the answers are lost. Then another worker gets the lane a term after
    /// the first of them, not after the last.
    async fn renew(&mut self, unanswered: &mut Option<Instant>) -> Renewal {
        let end = self.held_since + lease::TERM.saturating_sub(MARGIN);
        let sent = *unanswered.get_or_insert_with(Instant::now);
        let term = lease::TERM.saturating_sub(sent.elapsed());
        let held = lease::renew(&mut self.queue, &self.key, &self.owner, term);
        match tokio::time::timeout_at(end.into(), held).await {
            // A process that was paused finds the answer of another time.
            Ok(Ok(true)) if Instant::now() < end => {
                self.held_since = sent;
                *unanswered = None;
                Renewal::Held
            }
            Ok(Ok(false)) => Renewal::Lost("another has it, or nobody".to_owned()),
            Ok(Err(error)) if Instant::now() < end => {
                tracing::debug!(lease = self.key, %error, "could not renew the lease {} yet: {error}", self.key);
                Renewal::Again
            }
            Ok(Err(error)) => Renewal::Lost(error.to_string()),
            Ok(Ok(true)) | Err(_) => Renewal::Lost("it was not renewed in time".to_owned()),
        }
    }

    async fn release(&mut self) -> End {
        match lease::release(&mut self.queue, &self.key, &self.owner).await {
            Ok(_) => End::Settled,
            Err(error) => {
                tracing::warn!(lease = self.key, %error, "could not give the lease {} back yet: {error}", self.key);
                End::Unknown
            }
        }
    }
}

async fn until_renewal(wait: Duration) {
    tokio::time::sleep(wait).await;
    flashsale_fault_point::reach(FaultPoint::BetweenRenewals).await;
}

/// What came of a renewal.
enum Renewal {
    Held,
    Again,
    Lost(String),
}
