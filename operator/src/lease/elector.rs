//! Carries an election out: asks the API server, keeps the time, opens and closes the fence.

use std::time::Duration;

use flashsale_telemetry::probes::Heartbeat;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::Client;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::{
    election::{Answer, Election, Loss, Pace, Request, Standing, Step},
    fence::Fence,
    leadership::Leadership,
    store::Store,
};
use crate::config::LeaseSettings;

/// Who is asked to stop while its request is on the way waits this long for the answer, which may
/// be that it has the lease.
const LAST_ANSWER: Duration = Duration::from_secs(1);

/// One operator among several.
#[derive(Debug)]
pub struct Elector {
    store: Store,
    election: Election<Lease>,
    identity: String,
    /// A request that takes longer has failed: there is time for another before the deadline.
    patience: Duration,
    fence: Fence,
    heartbeat: Option<Heartbeat>,
    /// Who led when it was said last.
    told: Option<String>,
}

impl Elector {
    /// A candidate `identity`, which no other process may have. `settings.namespace`, or else the
    /// client's own, is where the Lease is.
    pub fn new(client: Client, settings: LeaseSettings, identity: impl Into<String>) -> Self {
        let identity = identity.into();
        let own = client.default_namespace().to_owned();
        let namespace = settings.namespace.unwrap_or(own);
        Self {
            store: Store::new(client, &namespace, settings.name),
            election: Election::new(identity.clone(), settings.timings),
            identity,
            patience: settings.timings.renew_deadline / 2,
            fence: Fence::closed(),
            heartbeat: None,
            told: None,
        }
    }

    /// Opens and closes `fence` with leadership.
    #[must_use]
    pub fn with_fence(self, fence: Fence) -> Self {
        Self { fence, ..self }
    }

    /// Shows on `heartbeat` that the election goes on, as standby and as leader.
    #[must_use]
    pub fn with_heartbeat(self, heartbeat: Heartbeat) -> Self {
        Self {
            heartbeat: Some(heartbeat),
            ..self
        }
    }

    /// Waits until this operator leads; `None` when `stop` was cancelled before.
    pub async fn elect(mut self, stop: &CancellationToken) -> Option<Leadership> {
        loop {
            let next = self.step_unless(stop).await?;
            match next.standing {
                Standing::Leading(_) => {
                    tracing::info!(identity = self.identity, "{} leads", self.identity);
                    return Some(Leadership::start(|release| async move {
                        self.keep(&release).await
                    }));
                }
                Standing::Waiting(holder) => self.tell(holder),
                // Only who leads can lose.
                Standing::Lost(_) => {}
            }
            tokio::select! {
                () = sleep_until(self.next_look(next.pace)) => {}
                () = stop.cancelled() => return None,
            }
        }
    }

    /// One step. `None` when `stop` is cancelled meanwhile: then the answer that is on its way is
    /// waited for, but not for long, and a lease that is held is given up.
    async fn step_unless(&mut self, stop: &CancellationToken) -> Option<Step> {
        {
            let mut asking = std::pin::pin!(self.step());
            tokio::select! {
                next = &mut asking => return Some(next),
                () = stop.cancelled() => {}
            }
            // Whatever it is, the election knows it.
            let _ = timeout(LAST_ANSWER, asking).await;
        }
        self.release().await;
        None
    }

    /// Keeps the lease; returns when it is lost, or with `None` when it was released because `stop`
    /// was cancelled.
    pub(super) async fn keep(&mut self, stop: &CancellationToken) -> Option<Loss> {
        let mut pace = Pace::Later;
        loop {
            tokio::select! {
                () = sleep_until(self.next_look(pace)) => {}
                () = stop.cancelled() => {
                    self.release().await;
                    return None;
                }
            }
            let next = self.step_unless(stop).await?;
            if let Standing::Lost(loss) = next.standing {
                return Some(loss);
            }
            pace = next.pace;
        }
    }

    /// Gives the lease up, if it may be held; the fence is closed first. If that fails, the lease
    /// expires.
    async fn release(&mut self) {
        self.fence.close();
        let mut request = self.election.release(Timestamp::now());
        if request.is_none() {
            return;
        }
        // A conflict or a read makes one more request: the release with the version of now.
        for _ in 0..3 {
            let Some(next) = request.take() else { break };
            let is_write = !matches!(next, Request::Read);
            match self.store.perform(next, LAST_ANSWER).await {
                Answer::Found(_) if is_write => {
                    tracing::info!(identity = self.identity, "the lease is released");
                    return;
                }
                Answer::Found(found) if found.record.is_held_by(&self.identity) => {
                    let released = found.record.released(Timestamp::now());
                    request = Some(Request::Replace(released, found.version));
                }
                Answer::Conflict => request = Some(Request::Read),
                Answer::Found(_) | Answer::Absent => return,
                Answer::Failed => break,
            }
        }
        tracing::warn!(
            identity = self.identity,
            "the lease could not be released; another takes it when it has expired"
        );
    }

    async fn step(&mut self) -> Step {
        if let Some(heartbeat) = &self.heartbeat {
            heartbeat.beat();
        }
        let sent = Instant::now();
        let left = self
            .election
            .until()
            .map_or(self.patience, |until| until.saturating_duration_since(sent));
        let answer = if left.is_zero() {
            Answer::Failed
        } else {
            let request = self.election.request(Timestamp::now());
            self.store.perform(request, left.min(self.patience)).await
        };
        let step = self.election.answered(answer, sent, Instant::now());
        match step.standing {
            Standing::Leading(until) => self.fence.open_until(until),
            Standing::Waiting(_) | Standing::Lost(_) => self.fence.close(),
        }
        step
    }

    fn next_look(&self, pace: Pace) -> Instant {
        let now = Instant::now();
        match pace {
            Pace::AtOnce => now,
            Pace::Later => self.election.next_look(now, rand::random()),
        }
    }

    /// Says who leads, once.
    fn tell(&mut self, holder: Option<String>) {
        if let Some(holder) = holder.filter(|holder| self.told.as_ref() != Some(holder)) {
            tracing::info!(
                identity = self.identity,
                leader = holder,
                "standing by, {holder} leads"
            );
            self.told = Some(holder);
        }
    }
}
