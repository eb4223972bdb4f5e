//! Child processes: started, signalled, waited for, and dead when their parent is.
#![allow(
    clippy::unwrap_used,
    reason = "clippy.toml covers test functions, not what they call"
)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use flashsale_testbed::{
    data_dir::DataDir,
    launch::Launch,
    postgres::Postgres,
    process::{Process, ProcessError},
    redis::{AppendFsync, Redis},
};
use nix::sys::signal::Signal;

/// More than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Marks the lines of the sacrificed parent among those of the test harness.
const PID_LINE: &str = "holds process ";

/// Tells the sacrificed parent where to keep its data.
const DATA_DIR_VARIABLE: &str = "FLASHSALE_TEST_DATA_DIR";

fn shell(script: &str, directory: &Path) -> Launch {
    Launch::new("shell", "/bin/sh", directory.join("shell.log")).args(["-c", script])
}

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "gave up waiting until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether the process runs; a zombie does not.
fn runs(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

#[tokio::test]
async fn output_and_environment_reach_the_log() {
    let directory = tempfile::tempdir().unwrap();
    let launch = shell("echo out $WORD; echo err >&2; exit 3", directory.path());
    let process = Process::start(launch.env("WORD", "here")).await.unwrap();
    let status = process.wait(PATIENCE).await.unwrap();
    assert_eq!(status.code(), Some(3));
    assert_eq!(process.log_tail(), "out here\nerr");
    assert!(!process.is_running());
    process.terminate().unwrap();
    let error = process.resident_memory().unwrap_err();
    assert!(matches!(error, ProcessError::Ended { .. }), "{error}");
}

#[tokio::test]
async fn child_that_ignores_the_polite_signal_is_killed() {
    let directory = tempfile::tempdir().unwrap();
    let script = "trap '' TERM; echo ready; while true; do sleep 0.01; done";
    let process = Process::start(shell(script, directory.path()))
        .await
        .unwrap();
    wait_until("the trap is set", || process.log_tail().contains("ready"));
    assert!(process.resident_memory().unwrap() > 100_000);

    process.terminate().unwrap();
    let error = process.wait(Duration::from_millis(100)).await.unwrap_err();
    assert!(
        matches!(error, ProcessError::StillRunning { .. }),
        "{error}"
    );
    process.stop(Duration::from_millis(10)).await.unwrap();
    assert!(!runs(process.pid()));
}

#[tokio::test]
async fn child_is_asked_to_end_once_however_often_it_is_wanted_to() {
    let directory = tempfile::tempdir().unwrap();
    let script = "trap 'echo asked; asked=1' TERM; echo ready; \
                  until [ \"$asked\" ]; do sleep 0.01; done; sleep 0.2";
    let launch = shell(script, directory.path()).on_drop(Signal::SIGTERM);
    let process = Process::start(launch).await.unwrap();
    wait_until("the trap is set", || process.log_tail().contains("ready"));
    let log = process.log_file().to_owned();
    process.terminate().unwrap();
    wait_until("it was asked", || process.log_tail().contains("asked"));
    let error = process.wait(Duration::from_millis(20)).await.unwrap_err();
    assert!(
        matches!(error, ProcessError::StillRunning { .. }),
        "{error}"
    );
    process.terminate().unwrap();
    process.stop(PATIENCE).await.unwrap();
    drop(process);
    assert_eq!(fs::read_to_string(log).unwrap(), "ready\nasked\n");
}

#[tokio::test]
async fn dropped_child_takes_its_group_along() {
    let directory = tempfile::tempdir().unwrap();
    let script = "sleep 1000 & echo $!; wait";
    let process = Process::start(shell(script, directory.path()))
        .await
        .unwrap();
    wait_until("the grandchild is named", || !process.log_tail().is_empty());
    let grandchild: i32 = process.log_tail().parse().unwrap();
    let child = process.pid();
    drop(process);
    assert!(!runs(child));
    wait_until("the grandchild is gone", || !runs(grandchild));
}

#[tokio::test]
async fn child_has_its_own_process_group() {
    let directory = tempfile::tempdir().unwrap();
    let process = Process::start(shell("exec sleep 1000", directory.path()))
        .await
        .unwrap();
    let pid = nix::unistd::Pid::from_raw(process.pid());
    assert_eq!(nix::unistd::getpgid(Some(pid)).unwrap(), pid);
}

#[tokio::test]
async fn missing_program_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let launch = Launch::new(
        "worker",
        "/nonexistent/worker",
        directory.path().join("log"),
    );
    let error = Process::start(launch).await.unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("/nonexistent/worker"), "{cause}");
}

#[test]
fn child_outlives_the_runtime_that_started_it() {
    let directory = tempfile::tempdir().unwrap();
    let runtime = || tokio::runtime::Runtime::new().unwrap();
    let first = runtime();
    let process = first.block_on(async {
        let launch = shell("exec sleep 1000", directory.path());
        // A blocking thread, which ends with its runtime: the child must not be bound to it.
        let start = move || tokio::runtime::Handle::current().block_on(Process::start(launch));
        tokio::task::spawn_blocking(start).await.unwrap().unwrap()
    });
    drop(first);
    std::thread::sleep(Duration::from_millis(100));
    assert!(process.is_running());
    process.terminate().unwrap();
    runtime().block_on(process.wait(PATIENCE)).unwrap();
}

/// Not a test: the parent that the tests below kill. It starts one of everything, says which
/// processes it holds, and waits for its end.
#[tokio::test]
#[ignore = "plays the killed parent for the tests below"]
async fn parent_that_is_killed() {
    let data_dir = DataDir::kept(Path::new(&std::env::var(DATA_DIR_VARIABLE).unwrap())).unwrap();
    let postgres = Postgres::start(&data_dir).await.unwrap();
    let redis = Redis::start(&data_dir, AppendFsync::EverySecond)
        .await
        .unwrap();
    let script = "trap '' TERM INT HUP; while true; do sleep 0.01; done";
    let process = Process::start(shell(script, data_dir.path()))
        .await
        .unwrap();
    for pid in [postgres.pid().unwrap(), redis.pid().unwrap(), process.pid()] {
        println!("{PID_LINE}{pid}");
    }
    std::future::pending::<()>().await;
}

/// Starts the parent on `data_dir`, kills it by SIGKILL as soon as it holds everything, and gives
/// the processes it held.
fn kill_a_parent(data_dir: &Path) -> Vec<i32> {
    let mut parent = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "parent_that_is_killed",
            "--ignored",
            "--nocapture",
        ])
        .env(DATA_DIR_VARIABLE, data_dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(parent.stdout.take().unwrap()).lines();
    let children: Vec<i32> = lines
        .map_while(Result::ok)
        .filter_map(|line| line.strip_prefix(PID_LINE)?.parse().ok())
        .take(3)
        .collect();
    assert_eq!(children.len(), 3, "the parent did not start everything");
    parent.kill().unwrap();
    parent.wait().unwrap();
    children
}

#[test]
fn children_die_with_a_parent_that_is_killed() {
    let temporary = DataDir::temporary().unwrap();
    for child in kill_a_parent(&temporary.path().join("data")) {
        wait_until("the child is gone", || !runs(child));
    }
}

#[tokio::test]
async fn next_run_takes_over_from_a_killed_one_at_once() {
    let temporary = DataDir::temporary().unwrap();
    let path = temporary.path().join("data");
    kill_a_parent(&path);
    let data_dir = DataDir::kept(&path).unwrap();
    Redis::start(&data_dir, AppendFsync::EverySecond)
        .await
        .unwrap();
    Postgres::start(&data_dir).await.unwrap();
}
