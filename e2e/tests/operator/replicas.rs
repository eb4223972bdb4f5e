//! Watches the replicas that a worker Deployment asks for, as they change.

use std::time::{Duration, Instant};

use flashsale_e2e::operator::Stage;
use futures_util::TryStreamExt;
use kube::runtime::{WatchStreamExt, watcher};
use tokio::{sync::watch, task::JoinHandle, time::timeout};

/// Every number of replicas of one Deployment, and when it was seen.
///
/// The figures are late by what a watch event takes, some milliseconds; never early.
pub(crate) struct Replicas {
    seen: watch::Receiver<Vec<(Instant, i32)>>,
    watching: JoinHandle<()>,
}

impl Replicas {
    /// Watches from now on. As long as there is no Deployment, there are 0.
    pub(crate) fn watch(stage: &Stage, name: &str) -> Self {
        let (sender, seen) = watch::channel(vec![(Instant::now(), 0)]);
        let about = watcher::Config::default().fields(&format!("metadata.name={name}-worker"));
        let changes = watcher(stage.deployments.clone(), about)
            .default_backoff()
            .applied_objects();
        let watching = tokio::spawn(async move {
            let noted = changes.try_for_each(|deployment| {
                let replicas = deployment.spec.and_then(|spec| spec.replicas).unwrap_or(0);
                sender.send_if_modified(|seen| {
                    let is_new = seen.last().unwrap().1 != replicas;
                    if is_new {
                        seen.push((Instant::now(), replicas));
                    }
                    is_new
                });
                std::future::ready(Ok(()))
            });
            noted.await.unwrap();
        });
        Self { seen, watching }
    }

    /// Waits until there are `replicas`; answers when that was seen.
    pub(crate) async fn until(&mut self, replicas: i32, longest: Duration) -> Instant {
        let reached = self
            .seen
            .wait_for(|seen| seen.last().unwrap().1 == replicas);
        let reached = timeout(longest, reached).await.ok();
        let reached = reached.map(|seen| seen.unwrap().last().unwrap().0);
        reached.unwrap_or_else(|| panic!("not {replicas} within {longest:?}: {:?}", self.numbers()))
    }

    /// The number now.
    pub(crate) fn now(&self) -> i32 {
        self.seen.borrow().last().unwrap().1
    }

    /// All so far.
    pub(crate) fn seen(&self) -> Vec<(Instant, i32)> {
        self.seen.borrow().clone()
    }

    /// All so far, without their times.
    pub(crate) fn numbers(&self) -> Vec<i32> {
        let seen = self.seen.borrow();
        seen.iter().map(|(_, replicas)| *replicas).collect()
    }
}

impl Drop for Replicas {
    fn drop(&mut self) {
        self.watching.abort();
    }
}
