//! Pods that run to an end: placed like others, without sidecars, and let through before the release is
//! there.

use serde_json::{Value, json};

use crate::{
    helm::render,
    laws::matches,
    manifests::{Manifests, Pod},
    values::{ADDRESSES, DEV, PLAIN, parse, with},
};

/// The pods of Jobs and of `helm test`.
fn pods(manifests: &Manifests) -> Vec<Pod<'_>> {
    let mut pods = manifests.pods();
    pods.retain(|pod| ["Job", "Pod"].contains(&pod.owner["kind"].as_str().unwrap()));
    pods
}

/// The release with `jobs` set, and with each kind of Job.
fn with_jobs(jobs: &Value) -> Manifests {
    let values = with(parse(PLAIN), "crds.keep", &json!(false));
    let manifests = render(&with(values, "jobs", jobs), &[]);
    let found: Vec<_> = pods(&manifests).iter().map(Pod::name).collect();
    assert_eq!(found.len(), 6, "{found:?}");
    manifests
}

#[test]
fn all_take_labels_annotations_and_placement() {
    let placement = json!({
        "nodeSelector": {"pool": "jobs"},
        "tolerations": [{"key": "pool", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
        "priorityClassName": "high",
    });
    let mut jobs = placement.clone();
    jobs["podLabels"] = json!({"team": "shop"});
    jobs["podAnnotations"] = json!({"note": "a"});
    let manifests = with_jobs(&jobs);
    for pod in pods(&manifests) {
        let name = pod.name();
        assert_eq!(pod.metadata["labels"]["team"], "shop", "{name}");
        assert_eq!(pod.metadata["annotations"]["note"], "a", "{name}");
        for (field, value) in placement.as_object().unwrap() {
            assert_eq!(&pod.spec[field], value, "{name}: {field}");
        }
    }
}

#[test]
fn none_gets_a_sidecar_unless_it_is_wanted() {
    let manifests = with_jobs(&json!({}));
    for pod in pods(&manifests) {
        let (labels, annotations) = (&pod.metadata["labels"], &pod.metadata["annotations"]);
        assert_eq!(labels["sidecar.istio.io/inject"], "false", "{}", pod.name());
        assert_eq!(
            annotations["linkerd.io/inject"],
            "disabled",
            "{}",
            pod.name()
        );
    }
    let wanted = json!({"podLabels": {"sidecar.istio.io/inject": "true"}});
    for pod in pods(&with_jobs(&wanted)) {
        assert_eq!(pod.metadata["labels"]["sidecar.istio.io/inject"], "true");
    }
}

/// When a hook runs, and its place among those of the same time.
fn events(object: &Value) -> (Vec<&str>, i32) {
    let annotations = &object["metadata"]["annotations"];
    let events = annotations["helm.sh/hook"].as_str().unwrap_or_default();
    let weight = annotations["helm.sh/hook-weight"].as_str().unwrap_or("0");
    (events.split(',').collect(), weight.parse().unwrap())
}

#[test]
fn what_a_job_needs_is_made_before_it_and_goes_with_it() {
    for values in [ADDRESSES, DEV] {
        let values = with(parse(values), "crds.keep", &json!(false));
        let manifests = render(&values, &[]);
        let mut jobs = 0;
        for pod in manifests
            .pods()
            .iter()
            .filter(|pod| pod.owner["kind"] == "Job")
        {
            jobs += 1;
            let (when, place) = events(pod.owner);
            let needs_before = |object: &Value| {
                let (others, before) = events(object);
                assert!(when.iter().all(|event| others.contains(event)), "{object}");
                assert!(before < place, "{object}");
                let policy = &object["metadata"]["annotations"]["helm.sh/hook-delete-policy"];
                assert_eq!(policy, "before-hook-creation,hook-succeeded");
            };
            // The policy that denies everything is of the former release, and of namespaces of others.
            let lets_through = |policy: &&Value| {
                let selector = &policy["spec"]["podSelector"]["matchLabels"];
                matches(selector, &pod.metadata["labels"]) && !policy["spec"]["egress"].is_null()
            };
            let mut policies = manifests.of("NetworkPolicy").filter(lets_through);
            needs_before(policies.next().unwrap());
            assert!(policies.next().is_none());
            if let Some(account) = pod.spec["serviceAccountName"].as_str() {
                needs_before(manifests.named("ServiceAccount", account));
                let is_for = |binding: &&Value| binding["subjects"][0]["name"] == account;
                let binding = manifests.of("ClusterRoleBinding").find(is_for).unwrap();
                needs_before(binding);
                let role = binding["roleRef"]["name"].as_str().unwrap();
                needs_before(manifests.named("ClusterRole", role));
            }
        }
        assert_eq!(jobs, 3);
    }
}

#[test]
fn the_definition_is_written_by_a_job_alone() {
    for keep in [true, false] {
        let manifests = render(&with(parse(PLAIN), "crds.keep", &json!(keep)), &[]);
        assert!(manifests.of("CustomResourceDefinition").next().is_none());
        let removes = |job: &&Value| job["metadata"]["annotations"]["helm.sh/hook"] == "pre-delete";
        assert_eq!(manifests.of("Job").any(|job| removes(&job)), !keep);
        // Rights on the definition, and that one alone.
        let role = manifests.named("ClusterRole", "flashsale-definition-shop");
        let mut verbs = vec!["get", "create", "patch"];
        if !keep {
            verbs.push("delete");
        }
        assert_eq!(role["rules"][0]["verbs"], json!(verbs));
        assert_eq!(
            role["rules"][0]["resourceNames"],
            json!(["flashsales.flashsale.dev"])
        );
        assert_eq!(
            role["rules"].as_array().unwrap().len(),
            if keep { 1 } else { 3 }
        );
    }
}
