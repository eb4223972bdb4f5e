//! Judges how many workers a sale gets and how fast their number may change.

use std::{ops::RangeInclusive, time::Duration};

use super::Findings;
use crate::sale::{
    WorkerPolicy,
    behavior::{Behavior, Fallback, Policy, Rules, Tolerance},
    spec::{BehaviorSpec, FallbackSpec, PolicySpec, RulesSpec, WorkerSpec},
};

/// Most policies of one direction; nobody can foresee what more of them do together.
const MOST_POLICIES: usize = 16;

pub(super) fn check(spec: &WorkerSpec, findings: &mut Findings) -> WorkerPolicy {
    if spec.min_replicas > spec.max_replicas {
        findings.add(
            "spec.worker.minReplicas",
            format!(
                "is {}, more than maxReplicas ({}); write at most that",
                spec.min_replicas, spec.max_replicas
            ),
        );
    }
    let behavior = check_behavior(spec.behavior.as_ref(), findings);
    let fallback = spec
        .fallback
        .as_ref()
        .map(|fallback| check_fallback(fallback, spec.max_replicas, findings));
    WorkerPolicy {
        min_replicas: range(findings, "minReplicas", spec.min_replicas, 0..=1000),
        max_replicas: range(findings, "maxReplicas", spec.max_replicas, 1..=1000),
        target_queue_depth: range(
            findings,
            "targetQueueDepth",
            spec.target_queue_depth,
            1..=10_000_000,
        ),
        batch_size: range(findings, "batchSize", spec.batch_size, 1..=10_000),
        lanes_per_worker: range(findings, "lanesPerWorker", spec.lanes_per_worker, 1..=256),
        prewarm: Duration::from_secs(range(
            findings,
            "prewarmSeconds",
            spec.prewarm_seconds,
            0..=86_400,
        )),
        scale_down_stabilization: Duration::from_secs(range(
            findings,
            "scaleDownStabilizationSeconds",
            spec.scale_down_stabilization_seconds,
            0..=3_600,
        )),
        behavior,
        fallback,
    }
}

fn range<T: TryFrom<i64> + Default>(
    findings: &mut Findings,
    field: &str,
    value: impl Into<i64>,
    range: RangeInclusive<i64>,
) -> T {
    findings.in_range(&format!("spec.worker.{field}"), value, range)
}

fn check_behavior(spec: Option<&BehaviorSpec>, findings: &mut Findings) -> Behavior {
    let mut rules = |direction: &str, rules: Option<&RulesSpec>| {
        let path = format!("spec.worker.behavior.{direction}");
        rules.map_or_else(Rules::default, |rules| check_rules(&path, rules, findings))
    };
    spec.map_or_else(Behavior::default, |spec| Behavior {
        scale_up: rules("scaleUp", spec.scale_up.as_ref()),
        scale_down: rules("scaleDown", spec.scale_down.as_ref()),
    })
}

fn check_rules(path: &str, spec: &RulesSpec, findings: &mut Findings) -> Rules {
    let window = spec.stabilization_window_seconds.map(|seconds| {
        let path = format!("{path}.stabilizationWindowSeconds");
        Duration::from_secs(findings.in_range(&path, seconds, 0..=3_600))
    });
    if spec.policies.len() > MOST_POLICIES {
        findings.add(
            format!("{path}.policies"),
            format!(
                "has {} entries; write at most {MOST_POLICIES}",
                spec.policies.len()
            ),
        );
    }
    let policies = spec.policies.iter().enumerate().map(|(index, policy)| {
        check_policy(&format!("{path}.policies[{index}]"), policy, findings)
    });
    Rules {
        stabilization_window: window,
        select_policy: spec.select_policy,
        policies: policies.collect(),
        tolerance: check_tolerance(path, spec.tolerance, findings),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to 0..=1 before, so at most a million"
)]
fn check_tolerance(path: &str, tolerance: Option<f64>, findings: &mut Findings) -> Tolerance {
    let part = tolerance.unwrap_or_default();
    // Written so that "not a number" is refused too.
    if !(0.0..=1.0).contains(&part) {
        findings.add(
            format!("{path}.tolerance"),
            format!("is {part}; write a part of the workers from 0 to 1, e.g. 0.1 for 10 %"),
        );
    }
    Tolerance {
        millionths: (part.clamp(0.0, 1.0) * 1_000_000.0).round() as u32,
    }
}

fn check_policy(path: &str, spec: &PolicySpec, findings: &mut Findings) -> Policy {
    let value = findings.in_range(&format!("{path}.value"), spec.value, 1..=i32::MAX.into());
    let period = format!("{path}.periodSeconds");
    Policy {
        kind: spec.kind,
        value,
        period: Duration::from_secs(findings.in_range(&period, spec.period_seconds, 1..=1_800)),
    }
}

fn check_fallback(spec: &FallbackSpec, most: i32, findings: &mut Findings) -> Fallback {
    // What is beyond every range is told below.
    if spec.replicas > most && spec.replicas <= 1000 {
        findings.add(
            "spec.worker.fallback.replicas",
            format!(
                "is {}, more than maxReplicas ({most}); write at most that",
                spec.replicas
            ),
        );
    }
    let threshold = spec.failure_threshold;
    Fallback {
        failure_threshold: range(findings, "fallback.failureThreshold", threshold, 1..=3_600),
        replicas: range(findings, "fallback.replicas", spec.replicas, 0..=1000),
        behavior: spec.behavior,
    }
}
