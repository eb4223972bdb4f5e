//! Releases of the chart in a real control plane. There is no node: pods of Jobs are run here, each as a
//! process with the rights of its service account.

use std::{path::Path, time::Duration};

use flashsale_e2e::cluster::{ControlPlane, Helm, told};
use flashsale_testbed::binaries;
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Pod};
use kube::{
    Api, ResourceExt as _,
    api::{ListParams, Patch, PatchParams},
};
use serde_json::json;
use tokio::{process::Command, time::sleep};

use crate::helm::{RELEASE, chart, root};

/// Values of a release that makes nothing outside of its namespace but, perhaps, the definition.
const VALUES: [&str; 6] = [
    "database.existingSecret=ledger",
    "redis.existingSecret=cache",
    "auth.mode=off",
    "operator.namespaced=true",
    "rbac.aggregateRoles=false",
    "migrations.enabled=false",
];

/// Of every Job of the chart.
const JOBS: &str = "app.kubernetes.io/part-of=flashsale,job-name";

/// A release, by one generation of Helm, in a namespace of its own.
pub(crate) struct Release<'a> {
    pub(crate) cluster: &'a ControlPlane,
    pub(crate) helm: Helm,
    pub(crate) name: &'static str,
    pub(crate) namespace: String,
}

impl<'a> Release<'a> {
    /// Nothing is installed yet.
    pub(crate) async fn new(cluster: &'a ControlPlane, helm: Helm) -> Self {
        Self::named(cluster, helm, RELEASE).await
    }

    /// The same, of another name.
    pub(crate) async fn named(cluster: &'a ControlPlane, helm: Helm, name: &'static str) -> Self {
        let namespace = cluster.namespace("chart").await;
        Self {
            cluster,
            helm,
            name,
            namespace,
        }
    }

    /// Runs `helm COMMAND NAME ARGUMENTS...` in the namespace, and the Jobs that this makes; answers
    /// what was said, as an error where helm failed.
    pub(crate) async fn run(&self, command: &str, arguments: &[&str]) -> Result<String, String> {
        let mut all: Vec<&str> = command.split(' ').collect();
        all.extend([self.name, "--namespace", &self.namespace]);
        all.extend(arguments);
        let mut logs = String::new();
        let output = tokio::select! {
            output = self.cluster.helm(self.helm, &all) => output,
            () = self.run_jobs(&mut logs) => unreachable!("it goes on for ever"),
        };
        let said = told(&output) + &logs;
        println!("{:?} {all:?}: {said}", self.helm);
        if output.status.success() {
            Ok(said)
        } else {
            Err(said)
        }
    }

    /// Installs or upgrades to the chart, without the definition, with `set` besides.
    pub(crate) async fn put(&self, set: &[&str], arguments: &[&str]) -> Result<String, String> {
        let set = [&["crds.install=false"], set].concat();
        self.put_chart(&chart(), &set, arguments).await
    }

    /// Installs or upgrades to `chart` with `set` besides.
    pub(crate) async fn put_chart(
        &self,
        chart: &Path,
        set: &[&str],
        arguments: &[&str],
    ) -> Result<String, String> {
        let mut all = vec![chart.to_str().unwrap(), "--install"];
        for value in VALUES.iter().chain(set) {
            all.extend(["--set", value]);
        }
        all.extend(arguments);
        self.run("upgrade", &all).await
    }

    pub(crate) fn deployments(&self) -> Api<Deployment> {
        Api::namespaced(self.cluster.client(), &self.namespace)
    }

    async fn run_jobs(&self, logs: &mut String) {
        let pods: Api<Pod> = Api::namespaced(self.cluster.client(), &self.namespace);
        loop {
            let listed = pods
                .list(&ListParams::default().labels(JOBS))
                .await
                .unwrap();
            for pod in listed {
                let phase = pod
                    .status
                    .as_ref()
                    .and_then(|status| status.phase.as_deref());
                if phase == Some("Pending") {
                    let (said, ended) = self.run_pod(&pod).await;
                    logs.push_str(&said);
                    let patch = Patch::Merge(json!({"status": {"phase": ended}}));
                    let parameters = PatchParams::default();
                    // It may be gone again.
                    let _ = pods
                        .patch_status(&pod.name_any(), &parameters, &patch)
                        .await;
                }
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// What the pod's one container says, and the phase that it ends in.
    async fn run_pod(&self, pod: &Pod) -> (String, &'static str) {
        let spec = pod.spec.as_ref().unwrap();
        let account = spec.service_account_name.as_deref().unwrap();
        let user = format!("system:serviceaccount:{}:{account}", self.namespace);
        let groups = ["system:serviceaccounts", "system:authenticated"];
        let container = &spec.containers[0];
        let path = &container.command.as_ref().unwrap()[0];
        let output = Command::new(binaries::find(path.trim_start_matches('/')).unwrap())
            .args(container.args.as_deref().unwrap_or_default())
            .env("KUBECONFIG", self.cluster.kubeconfig_as(&user, &groups))
            .kill_on_drop(true)
            .output()
            .await
            .unwrap();
        let phase = if output.status.success() {
            "Succeeded"
        } else {
            "Failed"
        };
        (told(&output), phase)
    }
}

/// The chart as releases had it that kept the definition among their objects, in `directory`.
pub(crate) fn chart_with_the_definition(directory: &Path, definition: &str) {
    let copied = std::process::Command::new("cp")
        .args(["-r", "."])
        .arg(directory)
        .current_dir(root().join("charts/flashsale"))
        .status()
        .unwrap();
    assert!(copied.success());
    let templates = directory.join("templates");
    std::fs::remove_file(templates.join("definition.yaml")).unwrap();
    // Braces in descriptions are no template.
    std::fs::write(directory.join("definition.json"), definition).unwrap();
    std::fs::write(
        templates.join("crd.yaml"),
        "{{ .Files.Get \"definition.json\" }}\n",
    )
    .unwrap();
}
