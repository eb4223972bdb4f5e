//! Releases of the chart in a real control plane. There is no node: what is to run, a test runs.

use flashsale_e2e::cluster::{ControlPlane, Helm, told};
use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;

use crate::helm::chart;

/// Values of a release that makes nothing outside of its namespace, and has no Jobs.
const NAMESPACED: [&str; 7] = [
    "database.existingSecret=ledger",
    "redis.existingSecret=cache",
    "auth.mode=off",
    "operator.namespaced=true",
    "rbac.aggregateRoles=false",
    "crds.install=false",
    "migrations.enabled=false",
];

/// A release, by one generation of Helm, in a namespace of its own.
pub(crate) struct Release<'a> {
    pub(crate) cluster: &'a ControlPlane,
    pub(crate) helm: Helm,
    pub(crate) namespace: String,
}

impl<'a> Release<'a> {
    /// Nothing is installed yet.
    pub(crate) async fn new(cluster: &'a ControlPlane, helm: Helm) -> Self {
        let namespace = cluster.namespace("chart").await;
        Self {
            cluster,
            helm,
            namespace,
        }
    }

    /// Runs `helm COMMAND flashsale ARGUMENTS...` in the namespace; answers what it said, as an error
    /// where it failed.
    pub(crate) async fn run(&self, command: &str, arguments: &[&str]) -> Result<String, String> {
        let mut all: Vec<&str> = command.split(' ').collect();
        all.extend([crate::helm::RELEASE, "--namespace", &self.namespace]);
        all.extend(arguments);
        let output = self.cluster.helm(self.helm, &all).await;
        let said = told(&output);
        println!("{:?} {all:?}: {said}", self.helm);
        if output.status.success() {
            Ok(said)
        } else {
            Err(said)
        }
    }

    /// Installs or upgrades to the chart with the values of `NAMESPACED` and `set`.
    pub(crate) async fn put(&self, set: &[&str], arguments: &[&str]) -> Result<String, String> {
        let chart = chart();
        let mut all = vec![chart.to_str().unwrap(), "--install"];
        for value in NAMESPACED.iter().chain(set) {
            all.extend(["--set", value]);
        }
        all.extend(arguments);
        self.run("upgrade", &all).await
    }

    pub(crate) fn deployments(&self) -> Api<Deployment> {
        Api::namespaced(self.cluster.client(), &self.namespace)
    }
}
