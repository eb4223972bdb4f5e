//! Where a worker's pods run, and what may take them away from there.
//!
//! Pods of workers exist from pre-warming until the sale is drained: before, nobody is asked for, and
//! afterwards the control loop takes all of them away. So what protects them while the sale is open
//! stands in the pod template from the beginning. Adding it at the opening would change the template
//! and thereby replace all pods at the worst moment.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{PodTemplateSpec, Toleration, TopologySpreadConstraint},
    apimachinery::pkg::apis::meta::v1::LabelSelector,
};

use super::map;

/// Taints of a node that fell silent.
const LOST: [&str; 2] = [
    "node.kubernetes.io/not-ready",
    "node.kubernetes.io/unreachable",
];

/// How long a worker stays on a node that fell silent, where Kubernetes' default is five minutes.
/// Another may be started as soon as that: two workers do not get in each other's way.
const LOST_SECONDS: i64 = 10;

/// What nodes are spread over, by their labels.
const SPREAD: [&str; 2] = ["kubernetes.io/hostname", "topology.kubernetes.io/zone"];

/// Keeps Karpenter and the cluster autoscaler from draining a node that has a worker on it.
const KEPT: [(&str, &str); 2] = [
    ("karpenter.sh/do-not-disrupt", "true"),
    ("cluster-autoscaler.kubernetes.io/safe-to-evict", "false"),
];

/// What the image is made for. Other nodes of a cluster with several systems could not run it.
const SYSTEM: (&str, &str) = ("kubernetes.io/os", "linux");

/// Adds what `template` does not say.
pub(super) fn complete(template: &mut PodTemplateSpec, selector: &BTreeMap<String, String>) {
    let Some(pod) = &mut template.spec else {
        return;
    };
    let all = tolerations(pod.tolerations.take().unwrap_or_default());
    pod.tolerations = (!all.is_empty()).then_some(all);
    let (label, value) = SYSTEM;
    let nodes = pod.node_selector.get_or_insert_default();
    nodes
        .entry(label.to_owned())
        .or_insert_with(|| value.to_owned());
    pod.topology_spread_constraints
        .get_or_insert_with(|| spread(selector));
}

/// Those of `written`, and short ones for lost nodes unless `written` says how long those are borne.
fn tolerations(mut written: Vec<Toleration>) -> Vec<Toleration> {
    let lost: Vec<Toleration> = LOST
        .into_iter()
        .filter(|taint| !written.iter().any(|written| bears(written, taint)))
        .map(|taint| Toleration {
            key: Some(taint.to_owned()),
            operator: Some("Exists".to_owned()),
            effect: Some("NoExecute".to_owned()),
            toleration_seconds: Some(LOST_SECONDS),
            value: None,
        })
        .collect();
    written.extend(lost);
    written
}

/// The rule of the API server, which adds its five minutes where nothing bears such a taint.
fn bears(toleration: &Toleration, taint: &str) -> bool {
    let is_of =
        |own: Option<&str>, taint: &str| own.is_none_or(|own| own.is_empty() || own == taint);
    is_of(toleration.key.as_deref(), taint) && is_of(toleration.effect.as_deref(), "NoExecute")
}

/// Over hosts and zones, as far as there is room.
fn spread(selector: &BTreeMap<String, String>) -> Vec<TopologySpreadConstraint> {
    let constraints = SPREAD.map(|topology_key| TopologySpreadConstraint {
        max_skew: 1,
        topology_key: topology_key.to_owned(),
        when_unsatisfiable: "ScheduleAnyway".to_owned(),
        label_selector: Some(LabelSelector {
            match_labels: Some(selector.clone()),
            ..LabelSelector::default()
        }),
        ..TopologySpreadConstraint::default()
    });
    constraints.to_vec()
}

/// Annotations of the pods, unless the sale gives them other values.
pub(super) fn annotations() -> BTreeMap<String, String> {
    map(KEPT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn toleration(key: Option<&str>, effect: Option<&str>) -> Toleration {
        Toleration {
            key: key.map(ToOwned::to_owned),
            operator: Some("Exists".to_owned()),
            effect: effect.map(ToOwned::to_owned),
            ..Toleration::default()
        }
    }

    #[test]
    fn lost_nodes_are_left_soon_unless_the_sale_says_otherwise() {
        let added = |written: &[Toleration]| {
            let all = tolerations(written.to_vec());
            assert_eq!(all[..written.len()], *written);
            let added = all[written.len()..].iter();
            added
                .map(|added| {
                    assert_eq!(added.toleration_seconds, Some(LOST_SECONDS));
                    added.key.clone().unwrap()
                })
                .collect::<Vec<_>>()
        };
        let [not_ready, unreachable] = LOST;
        assert_eq!(added(&[]), LOST);
        assert_eq!(added(&[toleration(Some("gpu"), None)]), LOST);
        assert_eq!(added(&[toleration(None, Some("NoSchedule"))]), LOST);
        assert_eq!(added(&[toleration(Some(not_ready), None)]), [unreachable]);
        let own = toleration(Some(unreachable), Some("NoExecute"));
        assert_eq!(added(&[own]), [not_ready]);
        assert_eq!(added(&[toleration(None, None)]), [""; 0]);
    }
}
