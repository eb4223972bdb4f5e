//! When a change of the workers' pods replaces those that run.
//!
//! What people change, in the spec or in a Secret, they want at once. A new release of the operator,
//! or another default image, changes the pods of every sale as well, and nobody wants all workers of
//! open sales replaced by that. So it waits until none runs: pods of workers exist from pre-warming
//! until the sale is drained.
//!
//! Two annotations of the Deployment tell the one from the other. Both are hashes that every later
//! release has to come to as well where nothing has changed.

use flashsale_domain::sale::spec::UpdatePolicySpec;
use k8s_openapi::api::{apps::v1::Deployment, core::v1::PodTemplateSpec};
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use super::parts::Parts;
use crate::workers::Workers;

/// Hash of what the sale and its Secrets say of the pods.
pub(super) const ASKED: &str = "flashsale.dev/asked";

/// Hash of the pod template as the operator made it.
pub(super) const TEMPLATE: &str = "flashsale.dev/template";

/// Fields of `spec.worker` that pods are not made of.
const NOT_OF_PODS: [&str; 8] = [
    "minReplicas",
    "maxReplicas",
    "targetQueueDepth",
    "batchSize",
    "lanesPerWorker",
    "prewarmSeconds",
    "scaleDownStabilizationSeconds",
    "updatePolicy",
];

/// The value of [`ASKED`]. Fields that a later release adds to the spec must be left out of what is
/// hashed where nobody has written them, as `skip_serializing_if` does.
pub(super) fn asked(parts: Parts<'_>) -> String {
    let Parts {
        sale,
        deployable,
        located,
        mark,
    } = parts;
    let mut worker = json!(deployable.worker);
    if let Some(fields) = worker.as_object_mut() {
        fields.retain(|field, _| !NOT_OF_PODS.contains(&field.as_str()));
    }
    hash(json!({
        "addresses": mark,
        "database": located.worker_database,
        "lanes": sale.workers.lanes_per_worker,
        "pooler": deployable.database_transaction_pooler,
        "redis": located.redis,
        "worker": worker,
    }))
}

/// A hash of JSON, the same in every release.
pub(super) fn hash(mut value: Value) -> String {
    value.sort_all_objects();
    let digest = digest(&SHA256, value.to_string().as_bytes());
    let mut half = [0; 16];
    half.iter_mut()
        .zip(digest.as_ref())
        .for_each(|(to, from)| *to = *from);
    format!("{:032x}", u128::from_be_bytes(half))
}

/// `built` with the pods that run, if a change that nobody asked for would replace pods of `there`
/// that work; they are like `kept`, where that is known. None when `built` is to be applied as it is.
/// While the stores do not answer, pods that are not ready may be well: they wait for the stores.
pub fn held(
    built: &Deployment,
    there: &Deployment,
    kept: Option<PodTemplateSpec>,
    policy: UpdatePolicySpec,
    stores_answer: bool,
) -> Option<Deployment> {
    let workers = Workers::of(there);
    let says = |deployment: &Deployment, annotation: &str| {
        let annotations = deployment.metadata.annotations.as_ref();
        annotations.and_then(|all| all.get(annotation)).cloned()
    };
    let template = says(there, TEMPLATE);
    // Those of the release before do not say what was asked for.
    let asked = says(there, ASKED).is_some_and(|asked| Some(asked) != says(built, ASKED));
    let is_idle = workers.asked == 0 || (workers.ready == 0 && stores_answer);
    if policy == UpdatePolicySpec::Immediately
        || asked
        || is_idle
        || template == says(built, TEMPLATE)
    {
        return None;
    }
    let mut held = built.clone();
    held.spec.as_mut()?.template = kept.or_else(|| Some(there.spec.as_ref()?.template.clone()))?;
    let annotations = held.metadata.annotations.get_or_insert_default();
    match template {
        Some(template) => annotations.insert(TEMPLATE.to_owned(), template),
        None => annotations.remove(TEMPLATE),
    };
    Some(held)
}

#[cfg(test)]
mod tests {
    use flashsale_domain::sale::spec::{FlashSaleSpec, WorkerSpec};

    use super::*;
    use crate::reconcile::deployable::Deployable;

    /// A Deployment with pods of `image` that were asked for by `asked`; ones without are of the
    /// release before. Workers: those asked for, and those ready.
    fn deployment(image: &str, asked: Option<&str>, workers: [i32; 2]) -> Deployment {
        let mut deployment = json!({
            "metadata": {},
            "spec": {"replicas": workers[0], "selector": {}, "template": {
                "spec": {"containers": [{"name": "worker", "image": image}]},
            }},
            "status": {"readyReplicas": workers[1]},
        });
        if let Some(asked) = asked {
            deployment["metadata"] = json!({"annotations": {ASKED: asked, TEMPLATE: image}});
        }
        serde_json::from_value(deployment).unwrap()
    }

    fn image(deployment: &Deployment) -> String {
        let template = &deployment.spec.as_ref().unwrap().template;
        let container = &template.spec.as_ref().unwrap().containers[0];
        container.image.clone().unwrap()
    }

    #[test]
    fn only_what_nobody_asked_for_waits_and_only_for_workers_that_work() {
        let (when_closed, immediately) =
            (UpdatePolicySpec::WhenClosed, UpdatePolicySpec::Immediately);
        let built = deployment("new", Some("spec"), [0, 0]);
        for (image_there, asked, workers, policy, waits) in [
            ("old", Some("spec"), [2, 1], when_closed, true),
            ("old", None, [2, 1], when_closed, true),
            ("old", Some("other"), [2, 1], when_closed, false),
            ("old", Some("spec"), [0, 1], when_closed, false),
            ("old", Some("spec"), [2, 0], when_closed, false),
            ("old", Some("spec"), [2, 1], immediately, false),
            ("new", Some("spec"), [2, 1], when_closed, false),
        ] {
            let there = deployment(image_there, asked, workers);
            let held = held(&built, &there, None, policy, true);
            assert_eq!(held.as_ref().map(image), waits.then(|| "old".to_owned()));
            if let Some(held) = held {
                let annotations = held.metadata.annotations.unwrap();
                let of_template = there.metadata.annotations.as_ref();
                let of_template = of_template.and_then(|all| all.get(TEMPLATE));
                assert_eq!(annotations.get(TEMPLATE), of_template);
                assert_eq!(annotations[ASKED], "spec");
            }
        }
    }

    #[test]
    fn workers_that_wait_for_their_stores_are_not_replaced() {
        let built = deployment("new", Some("spec"), [0, 0]);
        let there = deployment("old", Some("spec"), [2, 0]);
        let held = |answer| held(&built, &there, None, UpdatePolicySpec::WhenClosed, answer);
        assert!(held(false).is_some());
        assert!(held(true).is_none());
    }

    #[test]
    fn what_was_changed_by_hand_while_a_change_waits_is_put_back() {
        let built = deployment("new", Some("spec"), [0, 0]);
        let mut there = deployment("by-hand", Some("spec"), [1, 1]);
        let annotations = there.metadata.annotations.as_mut().unwrap();
        annotations.insert(TEMPLATE.to_owned(), "old".to_owned());
        let kept = deployment("old", None, [1, 1]).spec.unwrap().template;
        let held = held(
            &built,
            &there,
            Some(kept),
            UpdatePolicySpec::WhenClosed,
            true,
        );
        assert_eq!(held.as_ref().map(image).as_deref(), Some("old"));
    }

    #[test]
    fn fields_of_the_spec_are_those_of_pods_or_are_listed() {
        // A new field that no pod is made of belongs into the list: editing it must not bring
        // along a change that waits.
        let spec: FlashSaleSpec = serde_json::from_value(json!({"products": []})).unwrap();
        let mut written = json!(Deployable::of(&spec).worker);
        let fields = written.as_object_mut().unwrap();
        for field in NOT_OF_PODS {
            fields.remove(field);
        }
        let of_pods: Vec<_> = fields.keys().collect();
        assert_eq!(of_pods, ["terminationGracePeriodSeconds"]);
        assert_eq!(Deployable::of(&spec).worker, WorkerSpec::default());
    }

    #[test]
    fn hashes_stay_the_same_from_release_to_release() {
        let value = json!({"b": [1, "x"], "a": {"d": null, "c": true}});
        assert_eq!(hash(value), "582165beb9dc97d37ab12d65c9d5ff78");
    }
}
