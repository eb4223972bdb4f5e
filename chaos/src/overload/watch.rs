//! What a gateway is like from outside while something happens to it: memory, open files, probes.

use std::{
    fs,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use flashsale_testbed::{http, program::Program};
use serde::{Deserialize, Serialize};
use tokio::{task::JoinHandle, time::timeout};

use super::processor;
use crate::error::ChaosError;

/// How often the gateway is looked at. The kubelet asks every few seconds.
const INTERVAL: Duration = Duration::from_millis(250);

/// How long a probe may take: as long as the kubelet waits by default.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// What was seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Watched {
    /// Probes of liveness and readiness.
    pub probes: u64,
    /// Those that were not answered 200 in time.
    pub failed_probes: u64,
    /// The longest that one took which was answered, in milliseconds.
    pub slowest_probe_ms: f64,
    /// The most memory that the gateway ever had, in bytes.
    pub peak_memory: u64,
    /// The most files that it had open.
    pub open_files: usize,
    /// Cores that it used on average.
    pub cores: f64,
}

/// Watches a gateway until it is told to stop.
#[derive(Debug)]
pub struct Watch {
    stop: Arc<AtomicBool>,
    task: JoinHandle<Watched>,
    pid: i32,
    began: Instant,
    used_before: Duration,
}

impl Watch {
    /// Begins.
    pub fn start(gateway: &Program) -> Result<Self, ChaosError> {
        let stop = Arc::new(AtomicBool::new(false));
        let pid = gateway.process().pid();
        Ok(Self {
            task: tokio::spawn(look(gateway.probes, pid, Arc::clone(&stop))),
            stop,
            pid,
            began: Instant::now(),
            used_before: processor::used(pid)?,
        })
    }

    /// Ends, and tells what was seen of `gateway`, the one it began with.
    pub async fn stop(self, gateway: &Program) -> Result<Watched, ChaosError> {
        let used = processor::used(self.pid)?.saturating_sub(self.used_before);
        let elapsed = self.began.elapsed();
        self.stop.store(true, Ordering::Relaxed);
        let mut watched = self
            .task
            .await
            .map_err(|error| ChaosError::Wrong(format!("watching the gateway failed: {error}")))?;
        watched.peak_memory = gateway.process().peak_memory()?;
        watched.cores = used.as_secs_f64() / elapsed.as_secs_f64();
        Ok(watched)
    }
}

async fn look(probes: SocketAddr, pid: i32, stop: Arc<AtomicBool>) -> Watched {
    let mut watched = Watched::default();
    while !stop.load(Ordering::Relaxed) {
        for path in ["/healthz", "/readyz"] {
            let began = Instant::now();
            let answer = timeout(PROBE_TIMEOUT, http::get(probes, path)).await;
            watched.probes += 1;
            if matches!(answer, Ok(Ok(answer)) if answer.status == 200) {
                let millis = began.elapsed().as_secs_f64() * 1e3;
                watched.slowest_probe_ms = watched.slowest_probe_ms.max(millis);
            } else {
                watched.failed_probes += 1;
            }
        }
        watched.open_files = watched.open_files.max(open_files(pid));
        tokio::time::sleep(INTERVAL).await;
    }
    watched
}

fn open_files(pid: i32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}
