//! Whether the API server knows every field that is rendered.
//!
//! Each object is read into the type of its kind and written again: a field that the type does not
//! have is missing then, and one of a wrong type cannot be read.

use k8s_openapi::{
    api::{
        apps::v1::{Deployment, StatefulSet},
        autoscaling::v2::HorizontalPodAutoscaler,
        batch::v1::Job,
        core::v1::{ConfigMap, Pod, Secret, Service, ServiceAccount},
        networking::v1::{Ingress, NetworkPolicy},
        policy::v1::PodDisruptionBudget,
        rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding},
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
    serde::{Serialize, de::DeserializeOwned},
};
use serde_json::Value;

use crate::manifests::{Manifests, title};

/// Fails at the first field that is unknown.
pub(crate) fn known(manifests: &Manifests) {
    for object in &manifests.0 {
        let version = object["apiVersion"].as_str().unwrap();
        match (version, object["kind"].as_str().unwrap()) {
            ("v1", "ConfigMap") => check::<ConfigMap>(object),
            ("v1", "Pod") => check::<Pod>(object),
            ("v1", "Secret") => check::<Secret>(object),
            ("v1", "Service") => check::<Service>(object),
            ("v1", "ServiceAccount") => check::<ServiceAccount>(object),
            ("apps/v1", "Deployment") => check::<Deployment>(object),
            ("apps/v1", "StatefulSet") => check::<StatefulSet>(object),
            ("batch/v1", "Job") => check::<Job>(object),
            ("networking.k8s.io/v1", "Ingress") => check::<Ingress>(object),
            ("networking.k8s.io/v1", "NetworkPolicy") => check::<NetworkPolicy>(object),
            ("rbac.authorization.k8s.io/v1", "Role") => check::<Role>(object),
            ("rbac.authorization.k8s.io/v1", "RoleBinding") => check::<RoleBinding>(object),
            ("rbac.authorization.k8s.io/v1", "ClusterRole") => check::<ClusterRole>(object),
            ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding") => {
                check::<ClusterRoleBinding>(object);
            }
            ("apiextensions.k8s.io/v1", "CustomResourceDefinition") => {
                check::<CustomResourceDefinition>(object);
            }
            // The betas of old clusters have every field that is rendered in common with these.
            ("policy/v1" | "policy/v1beta1", "PodDisruptionBudget") => {
                check::<PodDisruptionBudget>(&as_version(object, "policy/v1"));
            }
            ("autoscaling/v2" | "autoscaling/v2beta2", "HorizontalPodAutoscaler") => {
                check::<HorizontalPodAutoscaler>(&as_version(object, "autoscaling/v2"));
            }
            // Of the Prometheus operator; `monitoring.rs` looks at them.
            ("monitoring.coreos.com/v1", "PodMonitor" | "PrometheusRule") => {}
            other => panic!("the chart renders {other:?}, which no test knows"),
        }
    }
}

fn as_version(object: &Value, version: &str) -> Value {
    let mut object = object.clone();
    object["apiVersion"] = version.into();
    object
}

fn check<T: Serialize + DeserializeOwned>(object: &Value) {
    let title = title(object);
    let read: T = serde_json::from_value(object.clone())
        .unwrap_or_else(|error| panic!("{title} cannot be read: {error}"));
    let written = serde_json::to_value(read).unwrap();
    same(object, &written, &title);
}

/// Fails unless everything in `rendered` is in `written`, alike.
pub(crate) fn same(rendered: &Value, written: &Value, path: &str) {
    match (rendered, written) {
        (Value::Object(fields), Value::Object(_)) => {
            for (name, value) in fields {
                same(value, &written[name], &format!("{path}.{name}"));
            }
        }
        (Value::Array(items), Value::Array(others)) if items.len() == others.len() => {
            for (index, (item, other)) in items.iter().zip(others).enumerate() {
                same(item, other, &format!("{path}[{index}]"));
            }
        }
        // `emptyDir: {}` and the like say by being there.
        (Value::Object(fields), Value::Null) if fields.is_empty() => {
            panic!("{path} is not kept");
        }
        // A quantity may be written as a number; its type holds text.
        (Value::Number(one), Value::String(other)) => {
            assert_eq!(&one.to_string(), other, "{path}");
        }
        // 1 and 1.0 are one number.
        (Value::Number(one), Value::Number(other)) => {
            assert!(
                (one.as_f64().unwrap() - other.as_f64().unwrap()).abs() < 1e-9,
                "{path}"
            );
        }
        _ => assert_eq!(rendered, written, "{path} is not kept"),
    }
}
