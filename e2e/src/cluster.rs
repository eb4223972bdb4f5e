//! A real Kubernetes control plane: etcd, API server, controller manager.
//!
//! [`ControlPlane::shared`] is one for all tests of a test program, so each test works in a
//! [`namespace`](ControlPlane::namespace) of its own; [`ControlPlane::start`] is one for a test
//! that has to kill or to crowd it. Both end with the test program, however it ends, and leave no
//! files. There is no node: a Deployment gets its `ReplicaSet` and its pods, but no pod ever runs.
//!
//! # What is used
//! - `FLASHSALE_TEST_KUBECONFIG`, else `KUBECONFIG`: a throw-away cluster that runs already.
//!   Nothing is started, and nothing is deleted at the end. A cluster in which somebody else has
//!   sales is refused.
//! - `KUBEBUILDER_ASSETS`: a directory with `kube-apiserver` and `etcd`, and perhaps
//!   `kube-controller-manager`; without it [`has_controllers`](ControlPlane::has_controllers) says
//!   no and nothing reacts to what tests create.
//! - otherwise Kubernetes as `e2e/kubernetes/build` makes it, which is done first if need be and
//!   takes minutes once.
//!
//! # Warning
//! That one is 1.20. It takes a CRD with validation rules by create and replace, and drops the
//! rules; server-side apply of such a CRD fails. Server-side apply of a custom resource with an
//! unknown field fails with 500. There is no `policy/v1` and no `autoscaling/v2`. The garbage
//! collector learns of a new kind at most 30 s after its CRD: what a custom resource owns may
//! outlive it by that long.
//!
//! ```no_run
//! use flashsale_e2e::cluster::ControlPlane;
//! use k8s_openapi::api::core::v1::ConfigMap;
//! use kube::Api;
//!
//! # async fn example() {
//! let cluster = ControlPlane::shared().await;
//! cluster.install_crd().await;
//! let namespace = cluster.namespace("editing").await;
//! let maps: Api<ConfigMap> = Api::namespaced(cluster.client(), &namespace);
//! let listed = cluster.kubectl(&["get", "flashsales", "-n", &namespace]).await;
//! assert!(listed.status.success());
//! let alice: Api<ConfigMap> = Api::namespaced(cluster.client_as("alice", &["devs"]), &namespace);
//! assert!(alice.list(&Default::default()).await.is_err(), "nobody gave her a role");
//! # }
//! ```

mod access;
mod commands;
mod crd;
mod given;
mod start;

pub use commands::{Helm, told, tools};

use std::path::{Path, PathBuf};

use flashsale_testbed::{data_dir::DataDir, process::Process};
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Config,
    api::{ObjectMeta, PostParams},
    config::Kubeconfig,
};
use tokio::sync::OnceCell;
use uuid::Uuid;

/// Marks what tests made, so that a cluster with sales of somebody else is told from one of ours.
const TEST_LABEL: &str = "flashsale.dev/test";

/// A control plane to test on, with everybody's way into it.
pub struct ControlPlane {
    /// The running `e2e/kubernetes/up`; none in a cluster that was given. First, so that it is
    /// dropped before the directory that holds its state.
    process: Option<Process>,
    /// Whether a controller manager works.
    controllers: bool,
    /// Path of the administrator's kubeconfig.
    kubeconfig: PathBuf,
    /// The same, read.
    accounts: Kubeconfig,
    /// The same, as `kube` wants it.
    config: Config,
    /// Set once our CRD is there.
    crd: OnceCell<()>,
    /// Holds kubeconfigs and the caches of the command-line tools.
    files: DataDir,
}

impl ControlPlane {
    /// The control plane that all tests of this test program share, started by the first of them.
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<ControlPlane> = OnceCell::const_new();
        SHARED.get_or_init(Self::start).await
    }

    /// A control plane of one's own, ready when this returns; it ends when dropped. A cluster that
    /// was given by a variable is not started and is everybody's.
    pub async fn start() -> Self {
        match given::kubeconfig() {
            Some(path) => given::connect(path).await,
            None => start::launch().await,
        }
    }

    /// A server of one's own for definitions and custom resources of a current Kubernetes, which
    /// `e2e/kubernetes/build-apiextensions` builds if need be. It has CEL rules, as the Kubernetes
    /// 1.20 of [`start`](Self::start) has not, and nothing else: custom resources may be in any
    /// namespace, and [`namespace`](Self::namespace) can make none.
    pub async fn start_definitions() -> Self {
        start::launch_definitions().await
    }

    /// Whether Deployments get pods, owners' dependents are collected, and so on.
    pub fn has_controllers(&self) -> bool {
        self.controllers
    }

    /// Whether the cluster was given and so may hold what other test programs made.
    pub fn is_given(&self) -> bool {
        self.process.is_none()
    }

    /// The process ids of etcd, API server and controllers; empty in a cluster that was given.
    pub fn pids(&self) -> Vec<i32> {
        match &self.process {
            Some(_) => start::pids(self.files.path()),
            None => Vec::new(),
        }
    }

    /// Ends a control plane of one's own before it is dropped; one that was given stays.
    pub fn stop(&self) {
        if let Some(process) = &self.process {
            process.terminate().unwrap();
        }
    }

    /// The administrator's kubeconfig, for child processes.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// A fresh namespace whose name begins with `prefix`.
    pub async fn namespace(&self, prefix: &str) -> String {
        let unique = Uuid::new_v4().simple().to_string();
        let name = format!("{prefix}-{}", &unique[..8]);
        let namespace = Namespace {
            metadata: ObjectMeta {
                name: Some(name.clone()),
                labels: Some([(TEST_LABEL.to_owned(), "true".to_owned())].into()),
                ..ObjectMeta::default()
            },
            ..Namespace::default()
        };
        Api::all(self.client())
            .create(&PostParams::default(), &namespace)
            .await
            .unwrap();
        name
    }

    /// The minor version of the API server: 20 for 1.20.
    pub async fn minor_version(&self) -> u32 {
        let version = self.client().apiserver_version().await.unwrap();
        // Some providers append a plus sign.
        version.minor.trim_end_matches('+').parse().unwrap()
    }
}
