//! Whether the workers that a sale wants are available.

use kube::ResourceExt;

use super::{Found, build, found};
use crate::{
    crd::condition::State,
    obstacle::Cause,
    reconcile::view::{Verdict, View},
};

/// Reason of `WorkersAvailable`: there is no Deployment.
const WORKERS_MISSING: &str = "NoDeployment";

/// Reason of `WorkersAvailable`: pods start, and nothing was found to be wrong with them.
const WORKERS_STARTING: &str = "Starting";

/// The message names no figure, so that it stays the same while they start.
pub(super) fn workers_available(view: &View<'_>) -> Found {
    let workers = view.workers.unwrap_or_default();
    // Somebody else decides how many there are.
    let is_left_alone = view.verdict == Verdict::Paused || view.autoscaler.is_some();
    let wanted = if is_left_alone {
        Some(workers.asked)
    } else {
        view.sight.decision.map(|decision| decision.workers)
    };
    match (wanted, &view.sight.obstacle) {
        (None, _) => found(
            State::Unknown,
            "NotSeenYet",
            "how many workers are needed is not known yet",
        ),
        (Some(0), _) => found(true, "NoneNeeded", "no worker is needed"),
        (Some(_), _) if view.workers.is_none() => found(
            false,
            WORKERS_MISSING,
            "there is no worker Deployment yet, so buys wait",
        ),
        (Some(wanted), _) if workers.are_available(wanted) => found(
            true,
            "Available",
            "the workers that are needed are available",
        ),
        (Some(_), Some(obstacle)) => {
            let state = match obstacle.cause {
                Cause::PodsUnread => State::Unknown,
                _ => State::False,
            };
            let message = format!("{}; {}", obstacle.message, advice(view, obstacle.cause));
            found(state, obstacle.cause.as_str(), message)
        }
        (Some(_), None) => found(
            false,
            WORKERS_STARTING,
            "workers are starting; if this lasts, the reason is shown here",
        ),
    }
}

/// What to do about workers that do not run.
fn advice(view: &View<'_>, cause: Cause) -> String {
    match cause {
        Cause::QuotaExceeded => "raise the quota of the namespace, or lower what workers ask for",
        Cause::AdmissionRefused => "allow the workers' pods, or change spec.worker",
        Cause::PodsNotCreated => "fix what the message names; creation is retried",
        Cause::ImageUnavailable => {
            "correct spec.worker.image, or check the registry and the pull Secret"
        }
        Cause::ContainerNotStarted => "correct what the message names",
        Cause::PodsUnread => "the operator has to be allowed to list pods; it tries again",
        Cause::CrashLoop | Cause::NotReady | Cause::Unschedulable => {
            return format!(
                "see kubectl -n {} describe pods -l {}",
                view.object.namespace().unwrap_or_default(),
                build::selector_text(&view.object.name_any())
            );
        }
    }
    .to_owned()
}
