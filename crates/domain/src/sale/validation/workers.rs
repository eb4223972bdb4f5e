//! Judges how many workers a sale gets and how fast their number may change.

use std::time::Duration;

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
    let mut range = |field: &str, value: i64, min: i64, max: i64| -> u64 {
        findings.in_range(&format!("spec.worker.{field}"), value, min, max)
    };
    let small = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
    WorkerPolicy {
        min_replicas: small(range("minReplicas", spec.min_replicas.into(), 0, 1000)),
        max_replicas: small(range("maxReplicas", spec.max_replicas.into(), 1, 1000)),
        target_queue_depth: range("targetQueueDepth", spec.target_queue_depth, 1, 10_000_000),
        batch_size: usize::try_from(range("batchSize", spec.batch_size.into(), 1, 10_000))
            .unwrap_or(usize::MAX),
        lanes_per_worker: small(range(
            "lanesPerWorker",
            spec.lanes_per_worker.into(),
            1,
            256,
        )),
        prewarm: Duration::from_secs(range(
            "prewarmSeconds",
            spec.prewarm_seconds.into(),
            0,
            86_400,
        )),
        scale_down_stabilization: Duration::from_secs(range(
            "scaleDownStabilizationSeconds",
            spec.scale_down_stabilization_seconds.into(),
            0,
            3_600,
        )),
        behavior,
        fallback,
    }
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
        Duration::from_secs(findings.in_range(&path, seconds.into(), 0, 3_600))
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
    Policy {
        kind: spec.kind,
        value: findings.in_range(
            &format!("{path}.value"),
            spec.value.into(),
            1,
            i32::MAX.into(),
        ),
        period: Duration::from_secs(findings.in_range(
            &format!("{path}.periodSeconds"),
            spec.period_seconds.into(),
            1,
            1_800,
        )),
    }
}

fn check_fallback(spec: &FallbackSpec, most: i32, findings: &mut Findings) -> Fallback {
    let path = "spec.worker.fallback";
    // What is beyond every range is told below.
    if spec.replicas > most && spec.replicas <= 1000 {
        findings.add(
            format!("{path}.replicas"),
            format!(
                "is {}, more than maxReplicas ({most}); write at most that",
                spec.replicas
            ),
        );
    }
    Fallback {
        failure_threshold: findings.in_range(
            &format!("{path}.failureThreshold"),
            spec.failure_threshold.into(),
            1,
            3_600,
        ),
        replicas: findings.in_range(&format!("{path}.replicas"), spec.replicas.into(), 0, 1000),
        behavior: spec.behavior,
    }
}
