//! Named checks that together say whether the process can do its work.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::Serialize;

/// Why a check that has never been reported is not ready.
const STARTING: &str = "starting";

/// Why a check whose handle is gone is not ready.
const REPORTER_GONE: &str = "the part that reports this check has ended";

/// What was last reported of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Status {
    /// It holds.
    Ready,
    /// It does not, for this reason.
    NotReady(String),
}

/// All checks by name.
#[derive(Debug, Default)]
pub(super) struct Checks(Mutex<BTreeMap<String, Status>>);

/// What `/readyz` answers.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Report {
    /// Whether every check is ready.
    pub(super) ready: bool,
    /// The checks, sorted by name.
    checks: Vec<Check>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Check {
    name: String,
    ready: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl Check {
    fn new(name: &str, status: &Status) -> Self {
        let reason = match status {
            Status::Ready => None,
            Status::NotReady(reason) => Some(reason.clone()),
        };
        Self {
            name: name.to_owned(),
            ready: reason.is_none(),
            reason,
        }
    }
}

impl Checks {
    pub(super) fn add(checks: &Arc<Self>, name: &str) -> ReadinessHandle {
        let handle = ReadinessHandle {
            name: name.to_owned(),
            checks: Arc::clone(checks),
        };
        handle.report(Status::NotReady(STARTING.to_owned()));
        handle
    }

    pub(super) fn report(&self) -> Report {
        let checks: Vec<Check> = self
            .0
            .lock()
            .iter()
            .map(|(name, status)| Check::new(name, status))
            .collect();
        Report {
            ready: checks.iter().all(|check| check.ready),
            checks,
        }
    }
}

/// Reports one check. Belongs to the task that knows: when the handle is dropped, because that task
/// ended or panicked, the check is not ready any more.
#[derive(Debug)]
#[must_use = "a check is not ready once its handle is dropped"]
pub struct ReadinessHandle {
    /// Name of the check.
    name: String,
    /// Where it is reported to.
    checks: Arc<Checks>,
}

impl ReadinessHandle {
    /// The check holds.
    pub fn ready(&self) {
        if self.report(Status::Ready) != Some(Status::Ready) {
            tracing::info!(check = self.name, "ready");
        }
    }

    /// The check does not hold, for `reason`, which people read.
    pub fn not_ready(&self, reason: impl Into<String>) {
        let reason = reason.into();
        if self.report(Status::NotReady(reason.clone())) == Some(Status::Ready) {
            tracing::warn!(check = self.name, reason, "not ready any more");
        }
    }

    /// Gives what was reported before.
    fn report(&self, status: Status) -> Option<Status> {
        self.checks.0.lock().insert(self.name.clone(), status)
    }
}

impl Drop for ReadinessHandle {
    fn drop(&mut self) {
        self.report(Status::NotReady(REPORTER_GONE.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_only_when_every_check_is() {
        let checks = Arc::new(Checks::default());
        assert!(checks.report().ready);
        let redis = Checks::add(&checks, "redis");
        let postgres = Checks::add(&checks, "postgres");
        assert!(!checks.report().ready);
        redis.ready();
        assert!(!checks.report().ready);
        postgres.ready();
        assert!(checks.report().ready);
        redis.not_ready("connection refused");
        assert!(!checks.report().ready);
    }

    #[test]
    fn check_of_an_ended_task_is_not_ready() {
        let checks = Arc::new(Checks::default());
        let redis = Checks::add(&checks, "redis");
        redis.ready();
        drop(redis);
        let report = checks.report();
        assert!(!report.ready);
        assert_eq!(report.checks[0].reason.as_deref(), Some(REPORTER_GONE));
    }
}
