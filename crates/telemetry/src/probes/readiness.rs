//! Named checks that together say whether the process can do its work.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::Serialize;

/// Why a check that has never been reported is not ready.
const STARTING: &str = "starting";

/// Why a check whose handle is gone is not ready.
const REPORTER_GONE: &str = "the part that reports this check has ended";

/// All checks by name, with why each does not hold; none for one that does.
#[derive(Debug, Default)]
pub(super) struct Checks(Mutex<BTreeMap<String, Option<String>>>);

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

impl Checks {
    pub(super) fn add(checks: &Arc<Self>, name: &str) -> ReadinessHandle {
        let handle = ReadinessHandle {
            name: name.to_owned(),
            checks: Arc::clone(checks),
        };
        handle.report(Some(STARTING.to_owned()));
        handle
    }

    pub(super) fn report(&self) -> Report {
        let checks = self.0.lock();
        let checks = checks.iter().map(|(name, reason)| Check {
            name: name.clone(),
            ready: reason.is_none(),
            reason: reason.clone(),
        });
        let checks: Vec<Check> = checks.collect();
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
        if !self.report(None) {
            tracing::info!(check = self.name, "ready");
        }
    }

    /// The check does not hold, for `reason`, which people read.
    pub fn not_ready(&self, reason: impl Into<String>) {
        let reason = reason.into();
        if self.report(Some(reason.clone())) {
            tracing::warn!(check = self.name, reason, "not ready any more");
        }
    }

    /// Reports why the check does not hold, if it does not. True when it was reported to hold before.
    fn report(&self, reason: Option<String>) -> bool {
        let mut checks = self.checks.0.lock();
        checks.insert(self.name.clone(), reason) == Some(None)
    }
}

impl Drop for ReadinessHandle {
    fn drop(&mut self) {
        self.report(Some(REPORTER_GONE.to_owned()));
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
