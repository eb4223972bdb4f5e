//! The end: in order, and in time.

use std::time::Duration;

use flashsale_telemetry::probes::ReadinessHandle;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{server::Open, sockets::Sockets};

/// Longest that sockets are closed for, a few at a time: their clients connect to other gateways at
/// once, which have a signature to check and a greeting to send for each.
const LONGEST_SPREAD: Duration = Duration::from_secs(5);

/// From `shutdown` on says that the gateway is not ready, and cancels `last_call` a delay later: load
/// balancers hear of the first only after a while, and send shoppers here until then.
pub(super) async fn say_goodbye(
    shutdown: CancellationToken,
    serving: &ReadinessHandle,
    delay: Duration,
    last_call: CancellationToken,
) {
    shutdown.cancelled().await;
    serving.not_ready("stopping");
    sleep(delay).await;
    last_call.cancel();
}

/// Tasks that end together.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    running: TaskTracker,
    stop: CancellationToken,
}

impl Tasks {
    pub(super) fn spawn<F: Future<Output = ()> + Send + 'static>(
        &self,
        task: impl FnOnce(CancellationToken) -> F,
    ) {
        self.running.spawn(task(self.stop.clone()));
    }

    async fn stop(self) {
        self.stop.cancel();
        self.running.close();
        self.running.wait().await;
    }
}

/// What has to end once nothing new is accepted.
#[derive(Debug)]
pub(super) struct Ending {
    pub(super) sockets: Sockets,
    /// Tasks that tell sockets something.
    pub(super) tellers: Tasks,
    /// All other tasks.
    pub(super) readers: Tasks,
    pub(super) open: Open,
}

impl Ending {
    /// Ends everything within `grace`; what has not ended by then is given up.
    pub(super) async fn within(self, grace: Duration) {
        let deadline = Instant::now() + grace;
        let spread = (grace / 2).min(LONGEST_SPREAD);
        self.sockets.close_gradually(spread).await;
        // Tasks that tell sockets something end before the sockets do: socketioxide panics when it is
        // asked to emit after it was closed.
        if in_time(deadline, "tasks", self.tellers.stop()).await {
            in_time(deadline, "sockets", self.sockets.close()).await;
        }
        self.open.finish(deadline).await;
        in_time(deadline, "tasks", self.readers.stop()).await;
    }
}

/// Whether `end` came before `deadline`.
async fn in_time(deadline: Instant, what: &str, end: impl Future<Output = ()>) -> bool {
    let is_ended = timeout_at(deadline, end).await.is_ok();
    if !is_ended {
        tracing::warn!("{what} did not end in time and are given up");
    }
    is_ended
}
