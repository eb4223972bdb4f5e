//! Mistakes about the turnstile, about how many workers there are, and about their pods.

use serde_json::{Value, json};

use super::{Case, sale};

fn worker(changes: &Value) -> Value {
    sale(&json!({ "worker": changes }))
}

pub(super) fn turnstile() -> Vec<Case> {
    let rate =
        |field: &str, value: Value| sale(&json!({"turnstile": {"rateLimit": { field: value }}}));
    vec![
        (
            "no requests",
            rate("requests", json!(0)),
            "spec.turnstile.rateLimit.requests",
        ),
        (
            "a window of nothing",
            rate("windowSeconds", json!(0)),
            "spec.turnstile.rateLimit.windowSeconds",
        ),
        (
            "a window with a unit",
            rate("windowSeconds", json!("10s")),
            "spec.turnstile.rateLimit.windowSeconds",
        ),
        (
            "a burst of nothing",
            rate("burst", json!(0)),
            "spec.turnstile.rateLimit.burst",
        ),
        (
            "a lane without room",
            sale(&json!({"turnstile": {"maxQueueDepth": 0}})),
            "spec.turnstile.maxQueueDepth",
        ),
    ]
}

pub(super) fn scaling() -> Vec<Case> {
    let down = |rules: Value| worker(&json!({"behavior": {"scaleDown": rules}}));
    let policy = |policy: Value| down(json!({"policies": [policy]}));
    vec![
        (
            "more workers at least than at most",
            worker(&json!({"minReplicas": 5, "maxReplicas": 2})),
            "spec.worker.minReplicas",
        ),
        (
            "no worker at most",
            worker(&json!({"maxReplicas": 0})),
            "spec.worker.maxReplicas",
        ),
        (
            "a million workers",
            worker(&json!({"maxReplicas": 1_000_000})),
            "spec.worker.maxReplicas",
        ),
        (
            "a batch of nothing",
            worker(&json!({"batchSize": 0})),
            "spec.worker.batchSize",
        ),
        (
            "pre-warming after the opening",
            worker(&json!({"prewarmSeconds": -30})),
            "spec.worker.prewarmSeconds",
        ),
        (
            "a grace period of nothing",
            worker(&json!({"terminationGracePeriodSeconds": 0})),
            "spec.worker.terminationGracePeriodSeconds",
        ),
        (
            "a policy of a kind that is none",
            policy(json!({"type": "Nodes", "value": 1, "periodSeconds": 60})),
            "spec.worker.behavior.scaleDown.policies.type",
        ),
        (
            "a policy without a period",
            policy(json!({"type": "Pods", "value": 1})),
            "spec.worker.behavior.scaleDown.policies.periodSeconds",
        ),
        (
            "a policy of no pods",
            policy(json!({"type": "Pods", "value": 0, "periodSeconds": 60})),
            "spec.worker.behavior.scaleDown.policies.value",
        ),
        (
            "a choice that is none",
            down(json!({"selectPolicy": "Median"})),
            "spec.worker.behavior.scaleDown.selectPolicy",
        ),
        (
            "a tolerance of 150 %",
            down(json!({"tolerance": 1.5})),
            "spec.worker.behavior.scaleDown.tolerance",
        ),
        (
            "a fallback beyond the maximum",
            worker(&json!({"maxReplicas": 2, "fallback": {"failureThreshold": 3, "replicas": 9}})),
            "spec.worker.fallback.replicas",
        ),
        (
            "a fallback without a threshold",
            worker(&json!({"fallback": {"replicas": 1}})),
            "spec.worker.fallback.failureThreshold",
        ),
    ]
}

pub(super) fn pods() -> Vec<Case> {
    let tolerates = |toleration: Value| worker(&json!({"tolerations": [toleration]}));
    let requests =
        |name: &str, amount: &str| worker(&json!({"resources": {"requests": { name: amount }}}));
    vec![
        (
            "a label that the operator needs",
            worker(&json!({"podLabels": {"flashsale.dev/sale": "another"}})),
            "spec.worker.podLabels.flashsale.dev/sale",
        ),
        (
            "a label that no pod takes",
            worker(&json!({"podLabels": {"team": "the shop!"}})),
            "spec.worker.podLabels.team",
        ),
        (
            "an annotation without a key",
            worker(&json!({"podAnnotations": {"": "x"}})),
            "spec.worker.podAnnotations",
        ),
        (
            "annotations beyond what a pod carries",
            worker(&json!({"podAnnotations": {"long": "x".repeat(300_000)}})),
            "spec.worker.podAnnotations",
        ),
        (
            "an image with a space",
            worker(&json!({"image": "shop/worker :1"})),
            "spec.worker.image",
        ),
        (
            "an image with a space of another alphabet",
            worker(&json!({"image": "shop/worker\u{2003}:1"})),
            "spec.worker.image",
        ),
        (
            "an amount in words",
            requests("memory", "lots"),
            "spec.worker.resources.requests.memory",
        ),
        (
            "an amount below zero",
            requests("cpu", "-1"),
            "spec.worker.resources.requests.cpu",
        ),
        (
            "an amount as a fraction",
            worker(&json!({"resources": {"limits": {"cpu": 0.5}}})),
            "spec.worker.resources.limits.cpu",
        ),
        (
            "a request beyond the limit",
            worker(&json!({"resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}})),
            "spec.worker.resources.requests.cpu",
        ),
        (
            "a resource that is none",
            requests("memroy", "64Mi"),
            "spec.worker.resources.requests.memroy",
        ),
        (
            "a toleration of nothing",
            tolerates(json!({"operator": "Equal", "value": "x"})),
            "spec.worker.tolerations.key",
        ),
        (
            "a toleration that compares nothing with a value",
            tolerates(json!({"key": "k", "operator": "Exists", "value": "x"})),
            "spec.worker.tolerations.value",
        ),
        (
            "seconds that never count",
            tolerates(
                json!({"key": "k", "operator": "Exists", "effect": "NoSchedule", "tolerationSeconds": 5}),
            ),
            "spec.worker.tolerations.tolerationSeconds",
        ),
        (
            "a node label that is none",
            worker(&json!({"nodeSelector": {"disk": "a b"}})),
            "spec.worker.nodeSelector.disk",
        ),
        (
            "a priority class that is none",
            worker(&json!({"priorityClassName": "Very High"})),
            "spec.worker.priorityClassName",
        ),
    ]
}
