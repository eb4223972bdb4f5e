//! Step 3 (pure): the worker Deployment of a sale, as server-side apply takes it.
//!
//! It says nothing of replicas: those are written through `/scale` alone, so that an apply never
//! undoes what the queue asked for.

mod placement;

use std::{collections::BTreeMap, net::SocketAddr};

use flashsale_domain::sale::{
    spec::{Amount, ResourcesSpec, SecretKeyRef, TolerationSpec},
    validation::exceeds,
};
use k8s_openapi::{
    api::{
        apps::v1::{Deployment, DeploymentSpec},
        core::v1::{
            Capabilities, Container, ContainerPort, EnvVar, EnvVarSource, HTTPGetAction,
            LocalObjectReference, PodSecurityContext, PodSpec, PodTemplateSpec, Probe,
            ResourceRequirements, SeccompProfile, SecretKeySelector, SecurityContext, Toleration,
        },
    },
    apimachinery::pkg::{
        api::resource::Quantity,
        apis::meta::v1::{LabelSelector, ObjectMeta},
        util::intstr::IntOrString,
    },
};
use kube::{Resource, ResourceExt};
use serde::Serialize;
use serde_json::json;

use super::{addresses, certificates, parts::Parts, pod_template, refusal::sentence, rollout};
use crate::{config::WorkerDefaults, crd::FlashSale, workers::worker_name};

/// Label whose value is the name of the FlashSale.
pub const SALE_LABEL: &str = "flashsale.dev/sale";

/// Label and value by which the operator finds its Deployments again.
pub const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "flashsale-operator");

const APP: &str = "flashsale-worker";
const PROBES_PORT: u16 = 9091;

/// The default of a worker's container: settling needs a third of a core at 10,000 orders a second.
const DEFAULT_REQUESTS: [(&str, &str); 2] = [("cpu", "100m"), ("memory", "64Mi")];
const DEFAULT_LIMITS: [(&str, &str); 1] = [("memory", "512Mi")];

/// Why this step failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The object has no uid, so it did not come from an API server.
    #[error("the FlashSale has no uid, so nothing can belong to it; create it in the cluster")]
    NoUid,
    /// The pod template says what no sale may say.
    #[error("{0}")]
    PodTemplate(String),
}

/// The Deployment of `parts`.
pub fn deployment(
    object: &FlashSale,
    parts: Parts<'_>,
    defaults: &WorkerDefaults,
) -> Result<Deployment, Error> {
    let mut owner = object.controller_owner_ref(&()).ok_or(Error::NoUid)?;
    if object.metadata.deletion_timestamp.is_some() {
        // A foreground deletion removes the dependents that block it again and again. This one goes
        // with its owner all the same.
        owner.block_owner_deletion = Some(false);
    }
    let name = object.name_any();
    let mut template = template(&name, parts, defaults);
    if let Some(written) = &parts.deployable.worker.pod_template {
        // What was accepted stays in force, even if the configuration permits less by now.
        let more = pod_template::parse(written, &pod_template::all_permitted());
        let more = more.map_err(|mistakes| Error::PodTemplate(sentence(&mistakes)))?;
        pod_template::merge(&mut template, more);
    }
    placement::complete(&mut template, &selector(&name));
    let asked = rollout::asked(parts);
    let annotations = [
        (rollout::ASKED, asked.as_str()),
        (rollout::TEMPLATE, &rollout::hash(json!(template))),
    ];
    Ok(Deployment {
        metadata: ObjectMeta {
            name: Some(worker_name(&name)),
            namespace: object.namespace(),
            labels: Some(labels(&name)),
            annotations: Some(map(annotations)),
            owner_references: Some(vec![owner]),
            ..ObjectMeta::default()
        },
        spec: Some(DeploymentSpec {
            selector: LabelSelector {
                match_labels: Some(selector(&name)),
                ..LabelSelector::default()
            },
            template,
            revision_history_limit: Some(2),
            ..DeploymentSpec::default()
        }),
        status: None,
    })
}

/// What selects the pods of a sale's workers.
pub fn selector(sale: &str) -> BTreeMap<String, String> {
    map([("app.kubernetes.io/name", APP), (SALE_LABEL, sale)])
}

/// The same as text, for the `scale` subresource.
pub fn selector_text(sale: &str) -> String {
    let pairs = selector(sale).into_iter();
    let pairs: Vec<String> = pairs
        .map(|(label, value)| format!("{label}={value}"))
        .collect();
    pairs.join(",")
}

pub(super) fn labels(sale: &str) -> BTreeMap<String, String> {
    let mut labels = selector(sale);
    labels.extend(map([
        ("app.kubernetes.io/instance", sale),
        ("app.kubernetes.io/component", "worker"),
        ("app.kubernetes.io/part-of", "flashsale"),
        MANAGED_BY,
    ]));
    labels
}

fn map<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> BTreeMap<String, String> {
    let pairs = pairs.into_iter();
    pairs
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

fn template(name: &str, parts: Parts<'_>, defaults: &WorkerDefaults) -> PodTemplateSpec {
    let Parts {
        deployable,
        located,
        mark,
        ..
    } = parts;
    let worker = &deployable.worker;
    // What people add may not take the place of what the system finds its pods by.
    let mut pod_labels = worker.pod_labels.clone();
    pod_labels.extend(labels(name));
    let mut annotations = placement::annotations();
    annotations.extend(worker.pod_annotations.clone());
    annotations.insert(addresses::MARK.to_owned(), mark.to_owned());
    let pull_secrets = defaults
        .pull_secrets
        .iter()
        .map(|name| LocalObjectReference { name: name.clone() });
    PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(pod_labels),
            annotations: Some(annotations),
            ..ObjectMeta::default()
        }),
        spec: Some(PodSpec {
            containers: vec![container(parts, defaults)],
            volumes: Some(certificates::volumes(
                &located.redis,
                &located.worker_database,
            )),
            automount_service_account_token: Some(false),
            enable_service_links: Some(false),
            security_context: Some(pod_security(defaults)),
            termination_grace_period_seconds: Some(worker.termination_grace_period_seconds.into()),
            node_selector: Some(worker.node_selector.clone()).filter(|all| !all.is_empty()),
            priority_class_name: worker.priority_class_name.clone(),
            tolerations: Some(worker.tolerations.iter().map(toleration).collect()),
            image_pull_secrets: Some(pull_secrets.collect::<Vec<_>>())
                .filter(|all| !all.is_empty()),
            ..PodSpec::default()
        }),
    }
}

fn toleration(spec: &TolerationSpec) -> Toleration {
    Toleration {
        key: spec.key.clone(),
        operator: word(&spec.operator),
        value: spec.value.clone(),
        effect: spec.effect.as_ref().and_then(word),
        toleration_seconds: spec.toleration_seconds,
    }
}

/// A choice as the word that is written for it.
fn word(choice: &impl Serialize) -> Option<String> {
    let value = serde_json::to_value(choice).ok()?;
    value.as_str().map(ToOwned::to_owned)
}

fn container(parts: Parts<'_>, defaults: &WorkerDefaults) -> Container {
    let worker = &parts.deployable.worker;
    let image = worker.image.as_ref().unwrap_or(&defaults.image);
    Container {
        name: "worker".to_owned(),
        image: Some(image.clone()),
        image_pull_policy: Some(defaults.pull_policy.clone()),
        command: Some(vec!["/flashsale-worker".to_owned()]),
        env: Some(environment(parts, defaults)),
        ports: Some(vec![ContainerPort {
            name: Some("probes".to_owned()),
            container_port: PROBES_PORT.into(),
            protocol: Some("TCP".to_owned()),
            ..ContainerPort::default()
        }]),
        liveness_probe: Some(probe("/healthz", 10, 6)),
        readiness_probe: Some(probe("/readyz", 1, 3)),
        resources: Some(resources(worker.resources.as_ref())),
        security_context: Some(container_security()),
        volume_mounts: Some(certificates::mounts()),
        ..Container::default()
    }
}

fn environment(parts: Parts<'_>, defaults: &WorkerDefaults) -> Vec<EnvVar> {
    let Parts {
        sale,
        deployable,
        located,
        ..
    } = parts;
    let plain = |name: &str, value: String| EnvVar {
        name: name.to_owned(),
        value: Some(value),
        ..EnvVar::default()
    };
    let secret = |name: &str, reference: &SecretKeyRef| EnvVar {
        name: name.to_owned(),
        value_from: Some(EnvVarSource {
            secret_key_ref: Some(SecretKeySelector {
                name: reference.name.clone(),
                key: reference.key.clone(),
                optional: None,
            }),
            ..EnvVarSource::default()
        }),
        ..EnvVar::default()
    };
    let probes = SocketAddr::new(defaults.listen_address, PROBES_PORT);
    let mut variables = vec![
        secret("FLASHSALE_REDIS_URL", &located.redis),
        secret("FLASHSALE_DATABASE_URL", &located.worker_database),
        plain(
            "FLASHSALE_DATABASE_TRANSACTION_POOLER",
            deployable.database_transaction_pooler.to_string(),
        ),
        plain("FLASHSALE_SALE", sale.id.to_string()),
        plain("FLASHSALE_LANES", sale.workers.lanes_per_worker.to_string()),
        plain("FLASHSALE_PROBES_LISTEN", probes.to_string()),
        plain("FLASHSALE_LOG_FORMAT", "json".to_owned()),
    ];
    let directories = certificates::DIRECTORIES.iter();
    variables.extend(directories.map(|place| plain(place.variable, place.path.to_owned())));
    variables
}

fn probe(path: &str, period: i32, failures: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::String("probes".to_owned()),
            ..HTTPGetAction::default()
        }),
        period_seconds: Some(period),
        failure_threshold: Some(failures),
        timeout_seconds: Some(2),
        ..Probe::default()
    }
}

/// Those that are written. Where no request is, the default ones, as far as the limits have room.
fn resources(written: Option<&ResourcesSpec>) -> ResourceRequirements {
    let amounts = |defaults: &[(&str, &str)]| -> BTreeMap<String, Amount> {
        let pairs = map(defaults.iter().copied()).into_iter();
        pairs.map(|(name, text)| (name, Amount(text))).collect()
    };
    let mut requests = amounts(&DEFAULT_REQUESTS);
    let mut limits = amounts(&DEFAULT_LIMITS);
    if let Some(written) = written {
        limits.clone_from(&written.limits);
        let is_above = |name: &String, request: &Amount| {
            let limit = limits.get(name);
            limit.is_some_and(|limit| exceeds(request, limit))
        };
        requests.retain(|name, request| !is_above(name, request));
        if !written.requests.is_empty() {
            requests.clone_from(&written.requests);
        }
    }
    let quantities = |amounts: BTreeMap<String, Amount>| {
        let pairs = amounts.into_iter();
        pairs
            .map(|(name, amount)| (name, Quantity(amount.0)))
            .collect()
    };
    ResourceRequirements {
        requests: Some(quantities(requests)),
        limits: Some(quantities(limits)),
        ..ResourceRequirements::default()
    }
}

/// Pod Security "restricted". Who the pod runs as is left to a platform that sees to that itself.
fn pod_security(defaults: &WorkerDefaults) -> PodSecurityContext {
    PodSecurityContext {
        run_as_non_root: Some(true),
        run_as_user: defaults.run_as_user,
        run_as_group: defaults.run_as_group,
        // Whoever is in this group may read the keys of certificates.
        fs_group: defaults.run_as_group,
        seccomp_profile: Some(SeccompProfile {
            type_: "RuntimeDefault".to_owned(),
            localhost_profile: None,
        }),
        ..PodSecurityContext::default()
    }
}

fn container_security() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        read_only_root_filesystem: Some(true),
        capabilities: Some(Capabilities {
            drop: Some(vec!["ALL".to_owned()]),
            add: None,
        }),
        ..SecurityContext::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_alone_keep_the_default_requests_that_they_have_room_for() {
        let written = |spec: serde_json::Value| {
            let spec: ResourcesSpec = serde_json::from_value(spec).unwrap();
            json!(resources(Some(&spec)))
        };
        let default =
            json!({"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "512Mi"}});
        assert_eq!(json!(resources(None)), default);
        assert_eq!(
            written(json!({"limits": {"cpu": 2, "memory": "32Mi"}})),
            json!({"requests": {"cpu": "100m"}, "limits": {"cpu": "2", "memory": "32Mi"}})
        );
        assert_eq!(
            written(json!({"requests": {"cpu": 1}})),
            json!({"requests": {"cpu": "1"}, "limits": {}})
        );
    }
}
