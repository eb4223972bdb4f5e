//! The end: in order, and in time.

use std::{sync::Arc, time::Duration};

use flashsale_telemetry::probes::{Heartbeat, Probes, ReadinessHandle};
use tokio::{
    runtime::Handle,
    time::{Instant, interval, sleep, timeout_at},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{operations::AnswerLog, server::Open, sockets::Sockets};

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

/// How long a task that beats may take for one round. The longest takes a few seconds.
const LONGEST_ROUND: Duration = Duration::from_mins(1);

/// Time between two heartbeats of a task that does nothing else.
const BEAT_INTERVAL: Duration = Duration::from_secs(1);

/// Beats as long as its runtime gives tasks their turn.
pub(super) async fn beat(heartbeat: Arc<Heartbeat>) {
    let mut ticks = interval(BEAT_INTERVAL);
    loop {
        ticks.tick().await;
        heartbeat.beat();
    }
}

/// Tasks that end together, each where it waits. The process counts as dead when one of them
/// panics.
#[derive(Debug)]
pub(super) struct Tasks {
    running: TaskTracker,
    stop: CancellationToken,
    probes: Probes,
    runtime: Handle,
}

impl Tasks {
    /// No tasks yet; they will run on `runtime`.
    pub(super) fn new(probes: &Probes, runtime: Handle) -> Self {
        Self {
            running: TaskTracker::new(),
            stop: CancellationToken::new(),
            probes: probes.clone(),
            runtime,
        }
    }

    /// Starts a task that goes on until it is stopped, and may wait for any time meanwhile.
    pub(super) fn spawn(&self, name: &str, task: impl Future<Output = ()> + Send + 'static) {
        self.start(name, Duration::MAX, |_| task);
    }

    /// The same for one that tells by its heartbeat that it goes on.
    pub(super) fn spawn_beating<F: Future<Output = ()> + Send + 'static>(
        &self,
        name: &str,
        task: impl FnOnce(Arc<Heartbeat>) -> F,
    ) {
        self.start(name, LONGEST_ROUND, task);
    }

    /// Starts a task that ends by itself.
    pub(super) fn spawn_once(&self, task: impl Future<Output = ()> + Send + 'static) {
        let running = self.stop.clone().run_until_cancelled_owned(task);
        self.running.spawn_on(running, &self.runtime);
    }

    fn start<F: Future<Output = ()> + Send + 'static>(
        &self,
        name: &str,
        patience: Duration,
        task: impl FnOnce(Arc<Heartbeat>) -> F,
    ) {
        let heartbeat = Arc::new(self.probes.heartbeat(name, patience));
        let stop = self.stop.clone();
        let task = task(Arc::clone(&heartbeat));
        let running = async move {
            tokio::select! {
                biased;
                () = task => {}
                () = stop.cancelled() => {}
            }
            // The task has dropped its own; a panic does not get here.
            if stop.is_cancelled()
                && let Some(heartbeat) = Arc::into_inner(heartbeat)
            {
                heartbeat.retire();
            }
        };
        self.running.spawn_on(running, &self.runtime);
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
    /// What was answered since the task that tells of it told last.
    pub(super) answers: AnswerLog,
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
        in_time(deadline, "counts of answers", self.answers.finish()).await;
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

#[cfg(test)]
mod tests {
    use flashsale_telemetry::probes;
    use prometheus::Registry;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::{TcpListener, TcpStream},
    };

    use super::*;

    /// What `/healthz` answers.
    async fn health(probes: &Probes) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let serving = tokio::spawn(probes::serve(listener, probes.clone(), stop.clone()));
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = b"GET /healthz HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        stop.cancel();
        serving.await.unwrap();
        answer
    }

    #[tokio::test]
    async fn a_task_that_panics_is_missed_and_one_that_is_stopped_is_not() {
        let probes = Probes::new(Registry::new());
        let tasks = Tasks::new(&probes, Handle::current());
        tasks.spawn("steady", std::future::pending());
        tasks.spawn_once(std::future::ready(()));
        assert!(health(&probes).await.starts_with("HTTP/1.1 200"));
        let other = Tasks::new(&probes, Handle::current());
        other.spawn("broken", async { panic!("on purpose") });
        other.stop().await;
        let told = health(&probes).await;
        assert!(told.starts_with("HTTP/1.1 503"), "{told}");
        assert!(told.contains("broken: has ended"), "{told}");
        tasks.stop().await;
        assert!(!health(&probes).await.contains("steady"));
    }
}
