//! A FlashSale in a real control plane, with a real operator process, PostgreSQL and Redis.
//!
//! There is no node, so no worker pod ever runs; a test that needs buys settled starts worker
//! processes beside it.

use std::{
    fs,
    net::Ipv4Addr,
    path::Path,
    time::{Duration, Instant},
};

use flashsale_domain::id::SaleId;
use flashsale_operator::{
    crd::{FlashSale, status::FlashSaleStatus},
    reconcile::allowed::ALLOWED,
};
use flashsale_testbed::{binaries, launch::Launch, ports::free_port, process::Process};
use k8s_openapi::{
    ByteString,
    api::{
        apps::v1::Deployment,
        core::v1::{Event, Secret},
    },
};
use kube::{
    Api,
    api::{ListParams, ObjectMeta, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use crate::{cluster::ControlPlane, patience::until, processes::get, services::Services};

/// How long an operator may take to be ready, on a machine busy with other tests.
const READY: Duration = Duration::from_mins(1);

/// How long the control plane and the operator may take for what they do at once.
pub const SOON: Duration = Duration::from_secs(40);

/// Image of the workers, unless a test says otherwise.
pub const WORKER_IMAGE: &str = "docker.io/local/flashsale:test";

/// How long an operator may take to end once asked.
const END: Duration = Duration::from_secs(10);

/// One namespace of a control plane, with stores whose addresses stand in its Secrets.
pub struct Stage {
    /// The control plane.
    pub cluster: &'static ControlPlane,
    /// The namespace.
    pub namespace: String,
    /// The stores.
    pub services: Services,
    /// The FlashSales of the namespace.
    pub sales: Api<FlashSale>,
    /// The Deployments of the namespace.
    pub deployments: Api<Deployment>,
}

impl Stage {
    /// A fresh namespace with `services`.
    pub async fn set(services: Services) -> Self {
        Self::set_on(ControlPlane::shared().await, services).await
    }

    /// The same on a control plane of the test's own.
    pub async fn set_on(cluster: &'static ControlPlane, services: Services) -> Self {
        cluster.install_crd().await;
        let namespace = cluster.namespace("stage").await;
        let client = cluster.client();
        let stage = Self {
            cluster,
            sales: Api::namespaced(client.clone(), &namespace),
            deployments: Api::namespaced(client, &namespace),
            namespace,
            services,
        };
        let (database, redis) = (
            stage.services.database_url.clone(),
            stage.services.redis.url(),
        );
        stage.write_secret("flashsale-database", &database).await;
        stage.write_secret("flashsale-redis", &redis).await;
        stage
    }

    /// Writes `address` into the Secret `name`.
    pub async fn write_secret(&self, name: &str, address: &str) {
        self.write_secret_key(name, "url", address.into()).await;
    }

    /// Writes `value`, text or not, into the Secret `name` under `key`.
    pub async fn write_secret_key(&self, name: &str, key: &str, value: Vec<u8>) {
        self.write_secret_keys(name, vec![(key.to_owned(), value)])
            .await;
    }

    /// Writes these values under these keys of the Secret `name`, which has no others then and which sales
    /// may name.
    pub async fn write_secret_keys(&self, name: &str, values: Vec<(String, Vec<u8>)>) {
        let values = values.into_iter();
        let data = values.map(|(key, value)| (key, ByteString(value)));
        let secrets: Api<Secret> = Api::namespaced(self.cluster.client(), &self.namespace);
        let secret = Secret {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                labels: Some([(ALLOWED.0.to_owned(), ALLOWED.1.to_owned())].into()),
                ..ObjectMeta::default()
            },
            data: Some(data.collect()),
            ..Secret::default()
        };
        let parameters = PatchParams::apply("test").force();
        secrets
            .patch(name, &parameters, &Patch::Apply(&secret))
            .await
            .unwrap();
    }

    /// Starts an operator for the namespace, and waits until it is ready.
    pub async fn operator(&self, name: &str) -> Operator {
        self.operator_with(name, &[]).await
    }

    /// The same with these further arguments.
    pub async fn operator_with(&self, name: &str, arguments: &[&str]) -> Operator {
        let arguments = [&["--namespace", &self.namespace], arguments].concat();
        Operator::start(self, name, self.cluster.kubeconfig(), &arguments).await
    }

    /// The same for all namespaces.
    pub async fn operator_of_all_namespaces(&self, name: &str) -> Operator {
        Operator::start(self, name, self.cluster.kubeconfig(), &[]).await
    }

    /// The same with another way to the API server than the administrator's, and without an
    /// election.
    pub async fn operator_through(&self, name: &str, kubeconfig: &Path) -> Operator {
        let arguments = ["--namespace", &self.namespace, "--leader-elect", "false"];
        Operator::start(self, name, kubeconfig, &arguments).await
    }

    /// The same, by the program `binary`: the one of another release, say.
    pub async fn operator_of(&self, binary: &Path, name: &str) -> Operator {
        let arguments = ["--namespace", &self.namespace];
        let kubeconfig = self.cluster.kubeconfig();
        Operator::start_program(self, binary, name, kubeconfig, &arguments).await
    }

    /// The same without an election: it works at once, also after one that was killed.
    pub async fn lone_operator(&self, name: &str) -> Operator {
        self.operator_with(name, &["--leader-elect", "false"]).await
    }

    /// Creates a FlashSale.
    ///
    /// # Panics
    /// When the API server refuses it.
    pub async fn create(&self, name: &str, spec: Value) -> FlashSale {
        self.try_create(name, spec).await.unwrap()
    }

    /// Creates a FlashSale, or answers why the API server refuses it.
    pub async fn try_create(&self, name: &str, spec: Value) -> Result<FlashSale, kube::Error> {
        // Sent as it is: what our types would not write is to be judged too.
        let sales: Api<kube::core::DynamicObject> = Api::namespaced_with(
            self.cluster.client(),
            &self.namespace,
            &kube::core::ApiResource::erase::<FlashSale>(&()),
        );
        let object = serde_json::from_value(json!({
            "apiVersion": "flashsale.dev/v1alpha1", "kind": "FlashSale",
            "metadata": {"name": name}, "spec": spec,
        }))
        .unwrap();
        sales.create(&PostParams::default(), &object).await?;
        self.sales.get(name).await
    }

    /// Merges `spec` into the spec of a FlashSale.
    pub async fn edit(&self, name: &str, spec: Value) {
        self.patch(name, json!({ "spec": spec })).await;
    }

    /// Sets or removes (by null) an annotation of a FlashSale.
    pub async fn annotate(&self, name: &str, annotation: &str, value: Value) {
        let patch = json!({ "metadata": { "annotations": { annotation: value } } });
        self.patch(name, patch).await;
    }

    /// Merges `spec` into the spec of a FlashSale, or answers why the API server refuses it.
    pub async fn try_edit(&self, name: &str, spec: Value) -> Result<FlashSale, kube::Error> {
        self.try_patch(name, json!({ "spec": spec })).await
    }

    async fn patch(&self, name: &str, patch: Value) {
        self.try_patch(name, patch).await.unwrap();
    }

    async fn try_patch(&self, name: &str, patch: Value) -> Result<FlashSale, kube::Error> {
        let parameters = PatchParams::default();
        let patch = Patch::Merge(patch);
        self.sales.patch(name, &parameters, &patch).await
    }

    /// Waits until `holds` of the FlashSale's status; answers that status.
    pub async fn until(
        &self,
        name: &str,
        what: &str,
        holds: impl Fn(&FlashSaleStatus) -> bool,
    ) -> FlashSaleStatus {
        let deadline = Instant::now() + SOON;
        loop {
            let status = self.status(name).await;
            if holds(&status) {
                return status;
            }
            assert!(
                Instant::now() < deadline,
                "{name}: not within {SOON:?}: {what}; {status:#?}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until the FlashSale is in `phase`.
    pub async fn until_phase(&self, name: &str, phase: &str) -> FlashSaleStatus {
        self.until(name, phase, |status| status.phase.as_deref() == Some(phase))
            .await
    }

    /// Waits until a condition has this status and, unless empty, this reason; answers its message.
    pub async fn until_condition(&self, name: &str, about: &str, is: &str, reason: &str) -> String {
        let find = |status: &FlashSaleStatus| {
            let mut conditions = status.conditions.iter();
            conditions
                .find(|condition| {
                    condition.type_ == about
                        && condition.status == is
                        && (reason.is_empty() || condition.reason == reason)
                })
                .map(|condition| condition.message.clone())
        };
        let what = format!("{about} is {is} {reason}");
        let status = self
            .until(name, &what, |status| find(status).is_some())
            .await;
        find(&status).unwrap()
    }

    /// The status now; empty before the first visit.
    pub async fn status(&self, name: &str) -> FlashSaleStatus {
        self.sales
            .get(name)
            .await
            .unwrap()
            .status
            .unwrap_or_default()
    }

    /// The worker Deployment of a FlashSale, if there is one.
    pub async fn workers(&self, name: &str) -> Option<Deployment> {
        self.deployments
            .get_opt(&format!("{name}-worker"))
            .await
            .unwrap()
    }

    /// Replicas that the worker Deployment asks for; 0 when there is none.
    pub async fn replicas(&self, name: &str) -> i32 {
        let deployment = self.workers(name).await;
        deployment
            .and_then(|found| found.spec?.replicas)
            .unwrap_or(0)
    }

    /// Waits until the worker Deployment asks for `replicas`.
    pub async fn until_replicas(&self, name: &str, replicas: i32) {
        until(&format!("{name} has {replicas} workers"), SOON, || async {
            self.replicas(name).await == replicas
        })
        .await;
    }

    /// Reasons of the events that were told of a FlashSale, each with its sentence.
    pub async fn events(&self, name: &str) -> Vec<(String, String)> {
        let events: Api<Event> = Api::namespaced(self.cluster.client(), &self.namespace);
        let about = ListParams::default().fields(&format!("involvedObject.name={name}"));
        let list = events.list(&about).await.unwrap();
        let told = list.into_iter();
        told.map(|event| {
            (
                event.reason.unwrap_or_default(),
                event.message.unwrap_or_default(),
            )
        })
        .collect()
    }

    /// Waits until an event with `reason` was told; answers its sentence.
    pub async fn until_event(&self, name: &str, reason: &str) -> String {
        let deadline = Instant::now() + SOON;
        loop {
            let events = self.events(name).await;
            if let Some((_, note)) = events.iter().find(|(told, _)| told == reason) {
                return note.clone();
            }
            assert!(
                Instant::now() < deadline,
                "{name}: no event {reason} in {events:#?}"
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Id of the FlashSale `name` in Redis and PostgreSQL.
    pub fn id(&self, name: &str) -> SaleId {
        SaleId::new(format!("{}.{name}", self.namespace)).unwrap()
    }
}

/// A spec of one product.
pub fn one_product(id: &str, stock: i32) -> Value {
    json!({"products": [{"id": id, "name": format!("Product {id}"), "price": 100, "stock": stock}]})
}

/// `spec` with `changes` merged into its first level.
pub fn with(mut spec: Value, changes: &Value) -> Value {
    for (field, value) in changes.as_object().unwrap() {
        spec[field] = value.clone();
    }
    spec
}

/// A running `flashsale-operator`.
pub struct Operator {
    /// The process.
    pub process: Process,
    /// Port of health and metrics.
    pub probes_port: u16,
}

impl Operator {
    async fn start(stage: &Stage, name: &str, kubeconfig: &Path, arguments: &[&str]) -> Self {
        let binary = binaries::find("flashsale-operator").unwrap();
        Self::start_program(stage, &binary, name, kubeconfig, arguments).await
    }

    async fn start_program(
        stage: &Stage,
        binary: &Path,
        name: &str,
        kubeconfig: &Path,
        arguments: &[&str],
    ) -> Self {
        let probes_port = free_port().unwrap();
        let log = stage.services.data_dir.path().join(format!("{name}.log"));
        let launch = Launch::new(name, binary, log)
            .env("KUBECONFIG", kubeconfig)
            .env("FLASHSALE_LOG", "info,flashsale=debug")
            .args(["--lease-namespace", &stage.namespace])
            .args(["--identity", name])
            // The previous release has no such argument, and passes over variables that it does not know.
            .env("FLASHSALE_ALLOW_WORKER_IMAGE", "docker.io/local/*")
            .args(["--probes-listen", &format!("127.0.0.1:{probes_port}")])
            .args(arguments);
        let launch = if arguments.contains(&"--worker-image") {
            launch
        } else {
            launch.args(["--worker-image", WORKER_IMAGE])
        };
        let process = Process::start(launch).await.unwrap();
        let operator = Self {
            process,
            probes_port,
        };
        until(&format!("{name} is ready"), READY, || async {
            assert!(
                operator.process.is_running(),
                "{}",
                operator.process.log_tail()
            );
            let answer = get(&operator.url("/readyz")).await;
            answer.is_some_and(|(status, _)| status == 200)
        })
        .await;
        operator
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}:{}{path}", Ipv4Addr::LOCALHOST, self.probes_port)
    }

    /// What Prometheus would scrape.
    pub async fn metrics(&self) -> String {
        get(&self.url("/metrics")).await.unwrap().1
    }

    /// Kills it by SIGKILL.
    pub async fn kill(&self) {
        self.process.kill().unwrap();
        self.process.wait(END).await.unwrap();
    }

    /// SIGTERM; must end by itself with status 0.
    ///
    /// # Panics
    /// When it does not.
    pub async fn terminate(&self) {
        self.process.terminate().unwrap();
        let status = self.process.wait(END).await.unwrap();
        assert!(status.success(), "{status}: {}", self.process.log_tail());
        assert!(!self.log().contains("panicked"), "{}", self.log());
    }

    /// Everything it said.
    pub fn log(&self) -> String {
        fs::read_to_string(self.process.log_file()).unwrap()
    }
}

impl Drop for Operator {
    /// Its log goes with the test, which has failed here.
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.process.log_tail());
        }
    }
}
