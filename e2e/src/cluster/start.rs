//! A control plane of one's own, by `e2e/kubernetes/up`.

use std::{
    env, fs,
    path::{Path, PathBuf},
    time::Duration,
};

use flashsale_testbed::{data_dir::DataDir, launch::Launch, ports::free_port, process::Process};
use kube::{
    Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use nix::sys::signal::Signal;
use tokio::sync::OnceCell;

use super::{
    ControlPlane,
    commands::{directory_from, scripts},
};
use crate::patience::until;

/// Names a directory with `kube-apiserver` and `etcd`.
const ASSETS: &str = "KUBEBUILDER_ASSETS";

/// About 7 s on two idle cores; other tests may keep them busy.
const READY: Duration = Duration::from_mins(2);

/// The script that starts the parts, which die with it, and then removes their files.
const SCRIPT: &str = "up";

pub(super) async fn launch() -> ControlPlane {
    let binaries = match env::var_os(ASSETS).filter(|value| !value.is_empty()) {
        Some(directory) => PathBuf::from(directory),
        None => built().await.clone(),
    };
    let controllers = binaries.join("kube-controller-manager").exists();
    run(&["--without-scheduler"], Some(&binaries), controllers).await
}

/// The server of definitions and custom resources alone.
pub(super) async fn launch_definitions() -> ControlPlane {
    // Before the time until it is ready begins.
    directory_from("build-apiextensions").await;
    run(&["--definitions"], None, false).await
}

async fn run(switches: &[&str], binaries: Option<&Path>, controllers: bool) -> ControlPlane {
    let files = DataDir::temporary().unwrap();
    // The script removes it all if this process has no occasion to.
    let state = files.path();
    let ports: Vec<String> = (0..5).map(|_| free_port().unwrap().to_string()).collect();
    // SIGTERM, so that the script also tidies up when this process is killed.
    let mut launch = Launch::new(
        "control plane",
        scripts().join(SCRIPT),
        state.join("control-plane.log"),
    )
    .args(["--attached", "--state"])
    .arg(state)
    .args(["--ports", &ports.join(",")])
    .args(switches)
    .on_parent_death(Signal::SIGTERM)
    .on_drop(Signal::SIGTERM);
    if let Some(directory) = binaries {
        launch = launch.env(ASSETS, directory);
    }
    let process = Process::start(launch).await.unwrap();
    let ready = state.join("ready");
    until("the control plane is ready", READY, || async {
        assert!(process.is_running(), "{}", process.log_tail());
        ready.exists()
    })
    .await;
    let kubeconfig = state.join("kubeconfig");
    assemble(Some(process), controllers, kubeconfig, files).await
}

pub(super) async fn assemble(
    process: Option<Process>,
    controllers: bool,
    kubeconfig: PathBuf,
    files: DataDir,
) -> ControlPlane {
    let accounts = Kubeconfig::read_from(&kubeconfig).unwrap();
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(accounts.clone(), &options)
        .await
        .unwrap();
    ControlPlane {
        process,
        controllers,
        kubeconfig,
        accounts,
        config,
        crd: OnceCell::new(),
        files,
    }
}

/// The directory with our own build.
async fn built() -> &'static PathBuf {
    static BUILT: OnceCell<PathBuf> = OnceCell::const_new();
    BUILT.get_or_init(|| directory_from("build")).await
}

/// The parts that the script started, by the files that it keeps of them. Its children would also be
/// the short-lived commands that it runs itself.
pub(super) fn pids(state: &Path) -> Vec<i32> {
    let Ok(files) = fs::read_dir(state.join("pids")) else {
        return Vec::new();
    };
    files
        .map(|file| fs::read_to_string(file.unwrap().path()).unwrap())
        .map(|pid| pid.trim().parse().unwrap())
        .collect()
}
