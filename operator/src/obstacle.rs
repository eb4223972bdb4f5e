//! What keeps workers from running (pure), by what Kubernetes says of their Deployment and pods.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ContainerState, ContainerStatus, Pod, PodCondition},
};
use strum::{EnumString, IntoStaticStr, VariantArray};

/// A container that has been running for this long does not end again and again: the kubelet has
/// forgotten its restarts by then.
const STABLE: SignedDuration = SignedDuration::from_mins(10);

/// Why workers do not run. The first is told where several pods say different things.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, EnumString, IntoStaticStr, VariantArray,
)]
pub enum Cause {
    /// A quota leaves no room for their pods.
    QuotaExceeded,
    /// An admission check (Pod Security, a limit range, a policy, a webhook) refuses their pods.
    AdmissionRefused,
    /// Their pods cannot be created for another reason.
    PodsNotCreated,
    /// The image cannot be pulled.
    ImageUnavailable,
    /// The container cannot be created or started as it is configured.
    ContainerNotStarted,
    /// The worker ends again and again.
    CrashLoop,
    /// No node has room, or none is allowed.
    Unschedulable,
    /// The worker runs and does not get ready.
    NotReady,
    /// The pods cannot be listed, so nobody knows.
    PodsUnread,
}

impl Cause {
    /// The word in `reason` of a condition.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Whether somebody has to see to it. A node may still be added for a pod that no node has room for,
    /// and pods that cannot be listed may well run.
    pub fn needs_people(self) -> bool {
        !matches!(self, Self::Unschedulable | Self::PodsUnread)
    }
}

/// What keeps workers from running.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obstacle {
    /// Why, in one word.
    pub cause: Cause,
    /// Why, as Kubernetes says it.
    pub message: String,
}

impl Obstacle {
    /// Makes one.
    pub fn new(cause: Cause, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { cause, message }
    }

    /// What keeps the pods of `deployment` from being created. Its `ReplicaSets` tell, so no pod has to
    /// be read.
    pub fn to_creation(deployment: &Deployment) -> Option<Self> {
        let message = condition(deployment, "ReplicaFailure", "True", "FailedCreate")?;
        let cause = if message.contains("exceeded quota") {
            Cause::QuotaExceeded
        } else if ["forbidden", "denied the request"]
            .iter()
            .any(|word| message.contains(word))
        {
            Cause::AdmissionRefused
        } else {
            Cause::PodsNotCreated
        };
        Some(Self::new(cause, message))
    }

    /// What keeps `pods`, which are those of `deployment`, from being available. None while they are
    /// only starting.
    pub fn to_pods(deployment: &Deployment, pods: &[Pod], now: Timestamp) -> Option<Self> {
        let found = pods.iter().filter_map(|pod| of_pod(pod, now));
        found.min_by_key(|obstacle| obstacle.cause).or_else(|| {
            let late = condition(
                deployment,
                "Progressing",
                "False",
                "ProgressDeadlineExceeded",
            )?;
            Some(Self::new(Cause::NotReady, late))
        })
    }
}

/// The message of this condition of `deployment`, if it is there.
fn condition(deployment: &Deployment, about: &str, is: &str, reason: &str) -> Option<String> {
    let conditions = deployment.status.as_ref()?.conditions.as_ref()?;
    let found = conditions.iter().find(|condition| {
        condition.type_ == about
            && condition.status == is
            && condition.reason.as_deref() == Some(reason)
    })?;
    Some(found.message.clone().unwrap_or_default())
}

fn of_pod(pod: &Pod, now: Timestamp) -> Option<Obstacle> {
    let status = pod.status.as_ref()?;
    let conditions = status.conditions.as_deref().unwrap_or_default();
    let says = |condition: &&PodCondition, about: &str, is: &str| {
        condition.type_ == about && condition.status == is
    };
    let is_over = matches!(status.phase.as_deref(), Some("Failed" | "Succeeded"));
    let is_ready = conditions.iter().any(|found| says(&found, "Ready", "True"));
    // Another pod takes the place of one that is over.
    if is_over || is_ready || pod.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let unscheduled = conditions
        .iter()
        .find(|found| says(found, "PodScheduled", "False"));
    if let Some(unscheduled) = unscheduled {
        let message = unscheduled.message.clone().unwrap_or_default();
        return Some(Obstacle::new(Cause::Unschedulable, message));
    }
    let containers = [&status.init_container_statuses, &status.container_statuses];
    let mut containers = containers.into_iter().flatten().flatten();
    containers.find_map(|container| of_container(container, now))
}

fn of_container(container: &ContainerStatus, now: Timestamp) -> Option<Obstacle> {
    let state = container.state.as_ref();
    let waiting = state.and_then(|state| state.waiting.as_ref());
    let reason = waiting.and_then(|waiting| waiting.reason.as_deref());
    let (cause, reason) = match reason {
        Some("ErrImagePull" | "ImagePullBackOff") => {
            // The kubelet says in turn why it failed and that it waits; the message stays the same.
            let message = format!("ImagePullBackOff: cannot pull image {}", container.image);
            return Some(Obstacle::new(Cause::ImageUnavailable, message));
        }
        Some(
            reason @ ("InvalidImageName"
            | "ErrImageNeverPull"
            | "ImageInspectError"
            | "RegistryUnavailable"),
        ) => (Cause::ImageUnavailable, reason),
        Some(
            reason @ ("CreateContainerConfigError" | "CreateContainerError" | "RunContainerError"),
        ) => (Cause::ContainerNotStarted, reason),
        _ => return crash_loop(container, now),
    };
    let message = match waiting.and_then(|waiting| waiting.message.as_deref()) {
        Some(said) => format!("{reason}: {said}"),
        None => reason.to_owned(),
    };
    Some(Obstacle::new(cause, message))
}

/// A container that has failed and is not ready again. Between two restarts it runs for a moment, and
/// counts all the same; one that has been running for longer is not ready for another reason. The
/// message names nothing that changes with each restart.
fn crash_loop(container: &ContainerStatus, now: Timestamp) -> Option<Obstacle> {
    let ended = |state: &Option<ContainerState>| state.as_ref()?.terminated.clone();
    let running = container
        .state
        .as_ref()
        .and_then(|state| state.running.as_ref());
    let started = running.and_then(|running| running.started_at.as_ref());
    let is_stable = started.is_some_and(|started| now.duration_since(started.0) > STABLE);
    let failed = ended(&container.state)
        .or_else(|| ended(&container.last_state).filter(|_| !is_stable))
        .filter(|ended| ended.exit_code != 0)?;
    let reason = failed.reason.unwrap_or_else(|| "Error".to_owned());
    let message = format!(
        "container {} ends with exit code {} ({reason}); see kubectl logs --previous",
        container.name, failed.exit_code
    );
    Some(Obstacle::new(Cause::CrashLoop, message))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn deployment(conditions: &Value) -> Deployment {
        serde_json::from_value(json!({"status": {"conditions": conditions}})).unwrap()
    }

    fn failure(message: &str) -> Deployment {
        deployment(&json!([
            {"type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated"},
            {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message},
        ]))
    }

    fn pod(status: &Value) -> Pod {
        serde_json::from_value(json!({"status": status})).unwrap()
    }

    fn container(state: &Value, last: &Value) -> Pod {
        pod(&json!({"phase": "Pending", "containerStatuses": [{
            "name": "worker", "image": "i", "imageID": "", "ready": false, "restartCount": 0,
            "state": state, "lastState": last,
        }]}))
    }

    fn waiting(reason: &str) -> Pod {
        container(
            &json!({"waiting": {"reason": reason, "message": "as the kubelet says"}}),
            &json!({}),
        )
    }

    fn unschedulable() -> Pod {
        pod(
            &json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False",
            "reason": "Unschedulable", "message": "0/3 nodes are available"}]}),
        )
    }

    fn now() -> Timestamp {
        "2026-11-27T09:00:00Z".parse().unwrap()
    }

    fn cause(pods: &[Pod]) -> Option<Cause> {
        Obstacle::to_pods(&deployment(&json!([])), pods, now()).map(|found| found.cause)
    }

    #[test]
    fn pods_that_cannot_be_created_are_told_by_what_refuses_them() {
        let cases = [
            (
                r#"pods "a" is forbidden: exceeded quota: none, requested: pods=1"#,
                Cause::QuotaExceeded,
            ),
            (
                r#"pods "a" is forbidden: violates PodSecurity "restricted:latest""#,
                Cause::AdmissionRefused,
            ),
            (
                r#"admission webhook "w" denied the request: no"#,
                Cause::AdmissionRefused,
            ),
            (
                r#"Internal error occurred: failed calling webhook "w""#,
                Cause::PodsNotCreated,
            ),
        ];
        for (message, expected) in cases {
            let found = Obstacle::to_creation(&failure(message)).unwrap();
            assert_eq!((found.cause, found.message.as_str()), (expected, message));
        }
        assert_eq!(Obstacle::to_creation(&deployment(&json!([]))), None);
    }

    #[test]
    fn each_state_of_a_pod_has_its_cause() {
        for reason in ["ErrImagePull", "ImagePullBackOff", "InvalidImageName"] {
            assert_eq!(cause(&[waiting(reason)]), Some(Cause::ImageUnavailable));
        }
        let found = cause(&[waiting("CreateContainerConfigError")]);
        assert_eq!(found, Some(Cause::ContainerNotStarted));
        assert_eq!(cause(&[unschedulable()]), Some(Cause::Unschedulable));
        assert_eq!(cause(&[waiting("ContainerCreating")]), None, "starting");
        assert_eq!(cause(&[]), None);
    }

    #[test]
    fn a_crash_loop_is_one_also_while_the_container_runs_again() {
        let ended = json!({"terminated": {"exitCode": 1, "reason": "Error"}});
        let states = [
            json!({"waiting": {"reason": "CrashLoopBackOff"}}),
            json!({"running": {}}),
            ended.clone(),
        ];
        let messages = states.map(|state| {
            let pods = [container(&state, &ended)];
            let found = Obstacle::to_pods(&deployment(&json!([])), &pods, now()).unwrap();
            assert_eq!(found.cause, Cause::CrashLoop);
            found.message
        });
        assert!(messages[0].contains("exit code 1"), "{}", messages[0]);
        assert!(messages.iter().all(|message| *message == messages[0]));
    }

    #[test]
    fn a_worker_that_failed_long_ago_is_not_ready_for_another_reason() {
        let failed = json!({"terminated": {"exitCode": 137, "reason": "OOMKilled"}});
        let since = |started: &str| json!({"running": {"startedAt": started}});
        let long_ago = container(&since("2026-11-27T08:49:00Z"), &failed);
        assert_eq!(cause(&[long_ago]), None);
        let just_now = container(&since("2026-11-27T08:59:50Z"), &failed);
        assert_eq!(cause(&[just_now]), Some(Cause::CrashLoop));
    }

    #[test]
    fn pods_that_are_ready_over_or_going_keep_nobody_waiting() {
        let mut leaving = unschedulable();
        leaving.metadata.deletion_timestamp =
            serde_json::from_value(json!("2026-11-27T09:00:00Z")).unwrap();
        let evicted = pod(&json!({"phase": "Failed", "reason": "Evicted"}));
        let ready = pod(&json!({"phase": "Running",
            "conditions": [{"type": "Ready", "status": "True"}]}));
        assert_eq!(cause(&[leaving, evicted, ready]), None);
    }

    #[test]
    fn the_gravest_cause_is_told_and_the_deadline_only_where_no_pod_says_more() {
        let late = deployment(&json!([{"type": "Progressing", "status": "False",
            "reason": "ProgressDeadlineExceeded", "message": "has timed out progressing"}]));
        let pods = [unschedulable(), waiting("ImagePullBackOff")];
        let found = Obstacle::to_pods(&late, &pods, now()).unwrap();
        assert_eq!(found.cause, Cause::ImageUnavailable);
        assert_eq!(found.message, "ImagePullBackOff: cannot pull image i");
        let found = Obstacle::to_pods(&late, &[], now()).unwrap();
        assert_eq!(found.cause, Cause::NotReady);
    }

    #[test]
    fn every_cause_is_found_by_its_word() {
        for cause in Cause::VARIANTS {
            assert_eq!(cause.as_str().parse(), Ok(*cause));
        }
        assert!("Starting".parse::<Cause>().is_err());
    }
}
