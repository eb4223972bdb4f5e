//! Whether the workers that a sale wants are available.

use kube::ResourceExt;

use super::{Found, build, found, no, unknown, yes};
use crate::{
    crd::condition::{Reason, State},
    obstacle::Cause,
    reconcile::view::{Verdict, View},
};

/// The message names no figure, so that it stays the same while they start.
pub(super) fn workers_available(view: &View<'_>) -> Found {
    let workers = view.workers.unwrap_or_default();
    // Somebody else decides how many there are.
    let is_left_alone = view.verdict == Verdict::Paused || view.autoscaler.is_some();
    let wanted = if is_left_alone {
        Some(workers.asked)
    } else {
        view.observed.decision.map(|decision| decision.workers)
    };
    match (wanted, &view.observed.obstacle) {
        (None, _) => unknown(
            Reason::NotSeenYet,
            "how many workers are needed is not known yet",
        ),
        (Some(0), _) => yes(Reason::NoneNeeded, "no worker is needed"),
        (Some(_), _) if view.workers.is_none() => no(
            Reason::NoDeployment,
            "there is no worker Deployment yet, so buys wait",
        ),
        (Some(wanted), _) if workers.are_available(wanted) => yes(
            Reason::Available,
            "the workers that are needed are available",
        ),
        (Some(_), Some(obstacle)) => {
            let state = match obstacle.cause {
                Cause::PodsUnread => State::Unknown,
                _ => State::False,
            };
            let message = format!("{}; {}", obstacle.message, advice(view, obstacle.cause));
            found(state, obstacle.cause, message)
        }
        (Some(_), None) => no(
            Reason::Starting,
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
