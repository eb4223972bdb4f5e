//! Several real operators, of which one works: who leads, who follows, and how fast.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed, and says where"
)]

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use flashsale_e2e::{cluster::ControlPlane, patience::until, processes::get};
use flashsale_testbed::{binaries, launch::Launch, ports::free_port, process::Process};
use k8s_openapi::api::{
    coordination::v1::{Lease, LeaseSpec},
    rbac::v1::{Role, RoleBinding},
};
use kube::{Api, api::PostParams};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::json;
use tempfile::TempDir;

const LEASE: &str = "flashsale-operator";

/// How long an operator may take to start on a machine busy with other tests.
const STARTED: Duration = Duration::from_mins(1);

/// Lease duration and retry period.
const TAKE_OVER: Duration = Duration::from_secs(17);

/// From SIGTERM to the next leader.
const HAND_OVER: Duration = Duration::from_secs(3);

/// Renew deadline.
const DEADLINE: Duration = Duration::from_secs(10);

/// A namespace with operators, and the cluster's only if it was started for it.
struct Office<'a> {
    cluster: &'a ControlPlane,
    kubeconfig: PathBuf,
    namespace: String,
    logs: TempDir,
}

struct Operator {
    process: Process,
    probes: String,
}

impl<'a> Office<'a> {
    async fn new(cluster: &'a ControlPlane) -> Self {
        Self {
            kubeconfig: cluster.kubeconfig().to_owned(),
            namespace: cluster.namespace("leases").await,
            logs: tempfile::tempdir().unwrap(),
            cluster,
        }
    }

    async fn start(&self, identity: &str) -> Operator {
        let listen = format!("127.0.0.1:{}", free_port().unwrap());
        let log = self.logs.path().join(format!("{identity}.log"));
        let launch = Launch::new(identity, binaries::find("flashsale-operator").unwrap(), log)
            .env("KUBECONFIG", &self.kubeconfig)
            .args(["--namespace", &self.namespace])
            .args(["--lease-namespace", &self.namespace])
            .args(["--worker-image", "flashsale:test", "--identity", identity])
            .args(["--probes-listen", &listen]);
        Operator {
            process: Process::start(launch).await.unwrap(),
            probes: format!("http://{listen}"),
        }
    }

    /// The first to lead and one that stands by.
    async fn pair(&self) -> [Operator; 2] {
        let first = self.start("first").await;
        self.until_leads(&first, STARTED).await;
        let second = self.start("second").await;
        until("the second is ready", STARTED, async || {
            second.status("/readyz").await == Some(200)
                && fs::read_to_string(second.process.log_file())
                    .unwrap()
                    .contains("standing by")
        })
        .await;
        [first, second]
    }

    async fn lease(&self) -> LeaseSpec {
        let leases: Api<Lease> = Api::namespaced(self.cluster.client(), &self.namespace);
        let lease = leases.get_opt(LEASE).await.unwrap().unwrap_or_default();
        lease.spec.unwrap_or_default()
    }

    /// Waits until `operator` says itself that it leads.
    async fn until_leads(&self, operator: &Operator, longest: Duration) -> Duration {
        let name = operator.process.name();
        let took = until(&format!("{name} leads"), longest, async || {
            assert!(
                operator.process.is_running(),
                "{}",
                operator.process.log_tail()
            );
            operator.leads().await
        })
        .await;
        assert_eq!(self.lease().await.holder_identity.as_deref(), Some(name));
        took
    }
}

impl Operator {
    async fn leads(&self) -> bool {
        let answer = get(&format!("{}/metrics", self.probes)).await;
        answer.is_some_and(|(_, text)| text.contains("\nflashsale_operator_leader 1"))
    }

    async fn status(&self, path: &str) -> Option<u16> {
        Some(get(&format!("{}{path}", self.probes)).await?.0)
    }
}

async fn shared() -> &'static ControlPlane {
    let cluster = ControlPlane::shared().await;
    cluster.install_crd().await;
    cluster
}

#[tokio::test]
async fn killed_leader_is_succeeded_when_its_lease_has_expired() {
    let office = Office::new(shared().await).await;
    let [first, second] = office.pair().await;
    let before = office.lease().await;
    assert_eq!(before.lease_duration_seconds, Some(15));
    assert_eq!(before.lease_transitions, Some(0));
    assert!(before.renew_time >= before.acquire_time);
    until("the lease is renewed", TAKE_OVER, async || {
        office.lease().await.renew_time > before.renew_time
    })
    .await;
    assert_eq!(office.lease().await.acquire_time, before.acquire_time);

    first.process.kill().unwrap();
    let took = office.until_leads(&second, TAKE_OVER).await;
    println!("the standby led {took:.1?} after SIGKILL");
    // Renewed at most a retry period before it died.
    assert!(
        took > Duration::from_secs(12),
        "{took:?}: too early to be sure"
    );
    let after = office.lease().await;
    assert_eq!(after.lease_transitions, Some(1));
    assert!(after.acquire_time > before.acquire_time);
    second.process.kill().unwrap();
}

#[tokio::test]
async fn terminated_leader_hands_over() {
    let office = Office::new(shared().await).await;
    let [first, second] = office.pair().await;
    first.process.terminate().unwrap();
    let asked = Instant::now();
    office.until_leads(&second, HAND_OVER).await;
    println!("the standby led {:.1?} after SIGTERM", asked.elapsed());
    let status = first.process.wait(HAND_OVER).await.unwrap();
    assert!(status.success(), "{}", first.process.log_tail());
    assert_eq!(office.lease().await.lease_transitions, Some(1));

    // The last one leaves a lease that nobody holds.
    second.process.terminate().unwrap();
    assert!(second.process.wait(HAND_OVER).await.unwrap().success());
    let released = office.lease().await;
    assert_eq!(released.holder_identity.as_deref(), Some(""));
    assert_eq!(released.lease_duration_seconds, Some(1));
    let third = office.start("third").await;
    office.until_leads(&third, STARTED).await;
}

/// A paused process must not work on when it wakes up: another leads by then.
#[tokio::test]
async fn paused_leader_leaves_when_it_wakes_up() {
    let office = Office::new(shared().await).await;
    let [first, second] = office.pair().await;
    first.process.signal(Signal::SIGSTOP).unwrap();
    office.until_leads(&second, TAKE_OVER).await;
    first.process.signal(Signal::SIGCONT).unwrap();
    let status = first.process.wait(HAND_OVER).await.unwrap();
    assert!(!status.success(), "{}", first.process.log_tail());
    assert!(second.leads().await, "{}", second.process.log_tail());
}

/// Nobody may read definitions of custom resources with the rights of one namespace.
#[tokio::test]
async fn rights_in_one_namespace_are_enough_to_lead() {
    let mut office = Office::new(shared().await).await;
    let client = office.cluster.client();
    let role: Role = serde_json::from_value(json!({
        "metadata": {"name": "operator"},
        "rules": [
            {"apiGroups": ["flashsale.dev"], "resources": ["flashsales"],
                "verbs": ["get", "list", "watch"]},
            {"apiGroups": ["apps"], "resources": ["deployments"],
                "verbs": ["get", "list", "watch"]},
            {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"],
                "verbs": ["get", "create", "update"]},
        ],
    }))
    .unwrap();
    let binding: RoleBinding = serde_json::from_value(json!({
        "metadata": {"name": "operator"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "operator"},
        "subjects": [{"kind": "User", "name": "carol", "apiGroup": "rbac.authorization.k8s.io"}],
    }))
    .unwrap();
    let parameters = PostParams::default();
    Api::namespaced(client.clone(), &office.namespace)
        .create(&parameters, &role)
        .await
        .unwrap();
    Api::namespaced(client, &office.namespace)
        .create(&parameters, &binding)
        .await
        .unwrap();
    office.kubeconfig = office.cluster.kubeconfig_as("carol", &[]);
    let operator = office.start("carol").await;
    office.until_leads(&operator, STARTED).await;
    assert_eq!(operator.status("/readyz").await, Some(200));
}

/// On a control plane of its own, whose API server it stops.
#[tokio::test]
async fn operator_waits_for_the_definition_and_leaves_an_api_server_that_is_away() {
    let cluster = ControlPlane::start().await;
    if cluster.is_given() {
        return;
    }
    let office = Office::new(&cluster).await;
    let leader = office.start("leader").await;
    until("it says what it waits for", STARTED, async || {
        let log = fs::read_to_string(leader.process.log_file()).unwrap();
        log.contains("flashsale crd | kubectl create -f -")
    })
    .await;
    assert_eq!(leader.status("/readyz").await, Some(503));
    assert_eq!(leader.status("/healthz").await, Some(200));
    cluster.install_crd().await;
    office.until_leads(&leader, STARTED).await;
    let standby = office.start("standby").await;
    until("the standby is ready", STARTED, async || {
        standby.status("/readyz").await == Some(200)
    })
    .await;

    let server = cluster
        .pids()
        .into_iter()
        .find(|pid| is_api_server(*pid))
        .unwrap();
    let server = Pid::from_raw(server);
    kill(server, Signal::SIGSTOP).unwrap();
    let stopped = Instant::now();
    let status = leader.process.wait(DEADLINE + HAND_OVER).await;
    let gave_up = stopped.elapsed();
    until("the standby is not ready", DEADLINE, async || {
        standby.status("/readyz").await == Some(503)
    })
    .await;
    assert_eq!(standby.status("/healthz").await, Some(200));
    kill(server, Signal::SIGCONT).unwrap();
    assert!(!status.unwrap().success(), "{}", leader.process.log_tail());
    println!("the leader gave up {gave_up:.1?} after the API server fell silent");
    // The last renewal was sent at most a retry period before.
    let least = DEADLINE.saturating_sub(Duration::from_secs(3));
    assert!(gave_up > least, "{gave_up:?}");
    office.until_leads(&standby, STARTED).await;
}

fn is_api_server(pid: i32) -> bool {
    let name = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("comm"));
    name.is_ok_and(|name| name.starts_with("kube-apiserver"))
}
