//! `spec.worker.podTemplate`: what a sale may add to its workers' pods (pure).
//!
//! Permission to write a FlashSale must not amount to permission to create any pod. So only fields on a
//! list are taken, and none of them can lift Pod Security "restricted". The operator's configuration can
//! permit some more.

use std::collections::BTreeSet;

use flashsale_domain::sale::{spec::FlashSaleSpec, validation::Mistake};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use serde_json::{Map, Value};

use super::certificates;
use crate::config::PERMITTABLE;

/// Where it stands.
const ROOT: &str = "spec.worker.podTemplate";

const TEMPLATE: &[&str] = &["metadata", "spec"];
const METADATA: &[&str] = &["annotations", "labels"];
const POD: &[&str] = &[
    "affinity",
    "automountServiceAccountToken",
    "containers",
    "imagePullSecrets",
    "nodeSelector",
    "priorityClassName",
    "runtimeClassName",
    "schedulerName",
    "serviceAccountName",
    "tolerations",
    "topologySpreadConstraints",
    "volumes",
];
const CONTAINER: &[&str] = &["env", "envFrom", "name", "resources", "volumeMounts"];
const RESOURCES: &[&str] = &["limits", "requests"];
const VARIABLE: &[&str] = &["name", "value", "valueFrom"];

/// Volumes that Pod Security "restricted" allows.
const VOLUME: &[&str] = &[
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "name",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

/// Variables that say what a worker settles, and where. Logging is anybody's choice.
const OWN_VARIABLES: &str = "FLASHSALE_";
const FREE_VARIABLE: &str = "FLASHSALE_LOG";

/// Labels that pods are found by, and annotations that say when they are replaced.
const OWN_KEYS: [&str; 2] = ["flashsale.dev/", "app.kubernetes.io/"];

/// The pod template as Kubernetes reads it, if all of it may be written when `permitted` are.
///
/// # Errors
/// Every field that may not be there.
pub fn parse(
    written: &Value,
    permitted: &BTreeSet<String>,
) -> Result<PodTemplateSpec, Vec<Mistake>> {
    let mut judge = Judge {
        permitted,
        mistakes: Vec::new(),
    };
    judge.template(written);
    if !judge.mistakes.is_empty() {
        return Err(judge.mistakes);
    }
    let mut written = written.clone();
    write_amounts_as_text(&mut written);
    let invalid = |error| {
        let message = format!("is not a valid pod template: {error}");
        vec![mistake(ROOT, message)]
    };
    let template: PodTemplateSpec = serde_json::from_value(written.clone()).map_err(invalid)?;
    // Were nothing read back, nothing would be found to be lost.
    let read = serde_json::to_value(&template).map_err(invalid)?;
    judge.lost(ROOT, &written, &read);
    if judge.mistakes.is_empty() {
        Ok(template)
    } else {
        Err(judge.mistakes)
    }
}

/// What may not be in the pod template of `spec`.
pub fn mistakes(spec: &FlashSaleSpec, permitted: &BTreeSet<String>) -> Vec<Mistake> {
    let written = spec.worker.pod_template.as_ref();
    let mistakes = written.and_then(|written| parse(written, permitted).err());
    mistakes.unwrap_or_default()
}

/// Adds `more`, which went through [`parse`], to `template`.
pub fn merge(template: &mut PodTemplateSpec, more: PodTemplateSpec) {
    let metadata = template.metadata.get_or_insert_default();
    let of_more = more.metadata.unwrap_or_default();
    extend(&mut metadata.labels, of_more.labels);
    extend(&mut metadata.annotations, of_more.annotations);
    let (pod, more) = (
        template.spec.get_or_insert_default(),
        more.spec.unwrap_or_default(),
    );
    extend(&mut pod.node_selector, more.node_selector);
    extend(&mut pod.tolerations, more.tolerations);
    let secrets = more.image_pull_secrets.map(|mut secrets| {
        let there = pod.image_pull_secrets.as_deref().unwrap_or_default();
        secrets.retain(|secret| !there.contains(secret));
        secrets
    });
    extend(&mut pod.image_pull_secrets, secrets);
    extend(&mut pod.volumes, more.volumes);
    replace(&mut pod.affinity, more.affinity);
    replace(
        &mut pod.automount_service_account_token,
        more.automount_service_account_token,
    );
    replace(&mut pod.priority_class_name, more.priority_class_name);
    replace(&mut pod.runtime_class_name, more.runtime_class_name);
    replace(&mut pod.scheduler_name, more.scheduler_name);
    replace(&mut pod.service_account_name, more.service_account_name);
    replace(
        &mut pod.topology_spread_constraints,
        more.topology_spread_constraints,
    );
    let containers = pod.containers.iter_mut();
    for (container, more) in containers.zip(more.containers) {
        extend(&mut container.env, more.env);
        extend(&mut container.env_from, more.env_from);
        extend(&mut container.volume_mounts, more.volume_mounts);
        replace(&mut container.resources, more.resources);
    }
}

fn replace<T>(value: &mut Option<T>, more: Option<T>) {
    if more.is_some() {
        *value = more;
    }
}

fn extend<T: Extend<E> + IntoIterator<Item = E> + Default, E>(
    all: &mut Option<T>,
    more: Option<T>,
) {
    if let Some(more) = more {
        all.get_or_insert_default().extend(more);
    }
}

/// All fields that any configuration permits: for what was accepted before.
pub fn all_permitted() -> BTreeSet<String> {
    PERMITTABLE.into_iter().map(ToOwned::to_owned).collect()
}

fn mistake(path: impl Into<String>, message: impl Into<String>) -> Mistake {
    Mistake {
        path: path.into(),
        message: message.into(),
    }
}

struct Judge<'a> {
    permitted: &'a BTreeSet<String>,
    mistakes: Vec<Mistake>,
}

impl Judge<'_> {
    fn add(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.mistakes.push(mistake(path, message));
    }

    fn template(&mut self, written: &Value) {
        let Some(template) = self.object(ROOT, written, TEMPLATE) else {
            return;
        };
        if let Some(metadata) = template.get("metadata") {
            let path = format!("{ROOT}.metadata");
            let metadata = self.object(&path, metadata, METADATA);
            for kind in METADATA {
                let keys = metadata.and_then(|metadata| metadata.get(*kind)?.as_object());
                for key in keys.into_iter().flat_map(Map::keys) {
                    if OWN_KEYS.iter().any(|own| key.starts_with(own)) {
                        let path = format!("{path}.{kind}.{key}");
                        self.add(path, "is the operator's own; choose another key");
                    }
                }
            }
        }
        let path = format!("{ROOT}.spec");
        let pod = template.get("spec");
        let Some(pod) = pod.and_then(|pod| self.object(&path, pod, POD)) else {
            return;
        };
        let containers = pod.get("containers").and_then(Value::as_array);
        if containers.is_some_and(|all| all.len() > 1) {
            self.add(
                format!("{path}.containers"),
                "has more than one container; write one",
            );
        }
        for (index, container) in entries(pod.get("containers")) {
            self.container(&format!("{path}.containers[{index}]"), container);
        }
        for (index, volume) in entries(pod.get("volumes")) {
            let path = format!("{path}.volumes[{index}]");
            let volume = self.object(&path, volume, VOLUME);
            let name = volume.and_then(|volume| volume.get("name")?.as_str());
            if name.is_some_and(certificates::is_volume) {
                self.add(
                    format!("{path}.name"),
                    "is a volume of the operator's own; choose another name",
                );
            }
        }
    }

    fn container(&mut self, path: &str, written: &Value) {
        let Some(container) = self.object(path, written, CONTAINER) else {
            return;
        };
        if container.get("name").and_then(Value::as_str) != Some("worker") {
            self.add(
                format!("{path}.name"),
                "is not \"worker\", the only container that a worker's pod has; write that",
            );
        }
        if let Some(resources) = container.get("resources") {
            self.object(&format!("{path}.resources"), resources, RESOURCES);
        }
        for (index, variable) in entries(container.get("env")) {
            let path = format!("{path}.env[{index}]");
            let variable = self.object(&path, variable, VARIABLE);
            let name = variable.and_then(|variable| variable.get("name")?.as_str());
            let name = name.unwrap_or_default();
            if name.starts_with(OWN_VARIABLES) && name != FREE_VARIABLE {
                self.add(
                    format!("{path}.name"),
                    "is a variable of the operator's own; take it out",
                );
            }
        }
    }

    /// The object at `path` if it is one, after a look whether all of its fields are `known` and
    /// permitted.
    fn object<'v>(
        &mut self,
        path: &str,
        written: &'v Value,
        known: &[&str],
    ) -> Option<&'v Map<String, Value>> {
        let Some(object) = written.as_object() else {
            self.add(path, "is not a mapping; write one");
            return None;
        };
        for field in object.keys() {
            let place = format!("{path}.{field}");
            if !known.contains(&field.as_str()) {
                let possible = known.iter().filter(|field| {
                    !PERMITTABLE.contains(field) || self.permitted.contains(**field)
                });
                let possible: Vec<&str> = possible.copied().collect();
                self.add(
                    place,
                    format!(
                        "may not be written by a sale; take it out. Possible here: {}",
                        possible.join(", ")
                    ),
                );
            } else if PERMITTABLE.contains(&field.as_str()) && !self.permitted.contains(field) {
                self.add(
                    place,
                    format!(
                        "is not permitted by the operator's configuration; take it out, or have the \
                         operator run with --worker-pod-template-permit={field}"
                    ),
                );
            }
        }
        Some(object)
    }

    /// Tells what of `written` Kubernetes does not know, by what is left of it in `read`.
    fn lost(&mut self, path: &str, written: &Value, read: &Value) {
        match (written, read) {
            (Value::Object(written), Value::Object(read)) => {
                for (field, value) in written {
                    let path = format!("{path}.{field}");
                    match read.get(field) {
                        Some(read) => self.lost(&path, value, read),
                        None if value.is_null() => {}
                        None => {
                            self.add(
                                path,
                                "is not a field that Kubernetes knows; check the spelling",
                            );
                        }
                    }
                }
            }
            (Value::Array(written), Value::Array(read)) => {
                for (index, (written, read)) in written.iter().zip(read).enumerate() {
                    self.lost(&format!("{path}[{index}]"), written, read);
                }
            }
            _ => {}
        }
    }
}

/// The entries of a list, if it is one; Kubernetes' own types say if it is not.
fn entries(list: Option<&Value>) -> impl Iterator<Item = (usize, &Value)> {
    list.and_then(Value::as_array)
        .into_iter()
        .flatten()
        .enumerate()
}

/// Kubernetes takes `cpu: 2` for `cpu: "2"`.
fn write_amounts_as_text(template: &mut Value) {
    let containers = template.pointer_mut("/spec/containers");
    for container in containers
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        for kind in ["/resources/limits", "/resources/requests"] {
            let amounts = container.pointer_mut(kind).and_then(Value::as_object_mut);
            for amount in amounts.into_iter().flat_map(Map::values_mut) {
                if amount.is_number() {
                    *amount = Value::String(amount.to_string());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn mistakes(written: &Value, permitted: &[&str]) -> Vec<String> {
        let permitted = permitted.iter().map(ToString::to_string).collect();
        let mistakes = parse(written, &permitted).err().unwrap_or_default();
        mistakes.iter().map(ToString::to_string).collect()
    }

    fn container(fields: &Value) -> Value {
        let mut container = json!({"name": "worker"});
        for (name, value) in fields.as_object().unwrap() {
            container[name] = value.clone();
        }
        json!({"spec": {"containers": [container]}})
    }

    #[test]
    fn fields_of_the_list_are_read() {
        let written = json!({
            "metadata": {"labels": {"team": "shop"}, "annotations": {"note": "a"}},
            "spec": {
                "nodeSelector": {"disk": "fast"},
                "affinity": {"nodeAffinity": {}},
                "tolerations": [{"key": "gpu", "operator": "Exists"}],
                "imagePullSecrets": [{"name": "pull"}],
                "containers": [{
                    "name": "worker",
                    "resources": {"limits": {"cpu": 2}},
                    "env": [{"name": "FLASHSALE_LOG", "value": "debug"}],
                }],
            },
        });
        assert_eq!(mistakes(&written, &[]), [""; 0]);
        let template = parse(&written, &BTreeSet::new()).unwrap();
        let limits = template.spec.unwrap().containers.remove(0).resources;
        assert_eq!(limits.unwrap().limits.unwrap()["cpu"].0, "2");
    }

    #[test]
    fn what_could_lift_pod_security_is_refused_whatever_is_permitted() {
        for (written, field) in [
            (json!({"spec": {"hostNetwork": true}}), "spec.hostNetwork"),
            (json!({"spec": {"hostPID": true}}), "spec.hostPID"),
            (
                json!({"spec": {"securityContext": {}}}),
                "spec.securityContext",
            ),
            (
                json!({"spec": {"initContainers": []}}),
                "spec.initContainers",
            ),
            (
                container(&json!({"securityContext": {"privileged": true}})),
                "spec.containers[0].securityContext",
            ),
            (
                container(&json!({"command": ["sh"]})),
                "spec.containers[0].command",
            ),
            (
                container(&json!({"ports": [{"hostPort": 80}]})),
                "spec.containers[0].ports",
            ),
            (
                json!({"spec": {"containers": [{"name": "sidecar"}]}}),
                "spec.containers[0].name",
            ),
            (
                json!({"spec": {"volumes": [{"name": "root", "hostPath": {"path": "/"}}]}}),
                "spec.volumes[0].hostPath",
            ),
            (
                json!({"spec": {"volumes": [{"name": "redis-tls", "emptyDir": {}}]}}),
                "spec.volumes[0].name",
            ),
            (
                container(
                    &json!({"env": [{"name": "FLASHSALE_REDIS_URL", "value": "redis://me"}]}),
                ),
                "spec.containers[0].env[0].name",
            ),
            (
                json!({"metadata": {"labels": {"flashsale.dev/sale": "other"}}}),
                "metadata.labels.flashsale.dev/sale",
            ),
            (
                json!({"metadata": {"annotations": {"flashsale.dev/addresses": "x"}}}),
                "metadata.annotations.flashsale.dev/addresses",
            ),
            (
                json!({"spec": {"containers": [{"name": "worker"}, {"name": "worker"}]}}),
                "spec.containers",
            ),
            (
                json!({"metadata": {"finalizers": []}}),
                "metadata.finalizers",
            ),
            (json!([]), ""),
        ] {
            let told = mistakes(&written, &PERMITTABLE);
            let expected = format!("{ROOT}.{field}: ");
            let expected = expected.replace(".: ", ": ");
            assert_eq!(told.len(), 1, "{told:?}");
            assert!(told[0].starts_with(&expected), "{told:?} {expected}");
        }
    }

    #[test]
    fn some_fields_wait_for_the_operators_configuration() {
        let secret = json!({"secretKeyRef": {"name": "any", "key": "any"}});
        for (field, written) in [
            (
                "volumes",
                json!({"spec": {"volumes": [{"name": "ca", "configMap": {"name": "ca"}}]}}),
            ),
            (
                "serviceAccountName",
                json!({"spec": {"serviceAccountName": "admin"}}),
            ),
            (
                "automountServiceAccountToken",
                json!({"spec": {"automountServiceAccountToken": true}}),
            ),
            (
                "envFrom",
                container(&json!({"envFrom": [{"secretRef": {"name": "any"}}]})),
            ),
            (
                "volumeMounts",
                container(&json!({"volumeMounts": [{"name": "ca", "mountPath": "/ca"}]})),
            ),
            (
                "valueFrom",
                container(&json!({"env": [{"name": "A", "valueFrom": secret}]})),
            ),
        ] {
            let told = mistakes(&written, &[]);
            assert!(
                told.len() == 1 && told[0].contains(&format!("-permit={field}")),
                "{told:?}"
            );
            assert_eq!(mistakes(&written, &[field]), [""; 0]);
        }
    }

    #[test]
    fn what_kubernetes_does_not_know_is_told() {
        let misspelt = json!({"spec": {"affinity": {"nodeAfinity": {}}}});
        let told = mistakes(&misspelt, &[]);
        assert!(told[0].starts_with(&format!("{ROOT}.spec.affinity.nodeAfinity: is not a field")));
        let text = json!({"spec": {"tolerations": "all"}});
        assert!(mistakes(&text, &[])[0].contains("is not a valid pod template"));
    }
}
