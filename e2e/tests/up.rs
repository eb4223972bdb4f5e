//! `flashsale up`: a whole sale with one command, as a newcomer runs it.
#![allow(
    clippy::unwrap_used,
    reason = "tests say by unwrapping what they take for granted"
)]

use std::{path::PathBuf, process::Output, time::Duration};

use flashsale_cli::local::binaries;
use flashsale_e2e::{patience::until, processes::get};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::process::{Child, Command};

const LONGEST: Duration = Duration::from_mins(2);

fn up(example: &str, arguments: &[&str]) -> Command {
    let examples = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let mut command = Command::new(binaries::find("flashsale").unwrap());
    command
        .arg("up")
        .arg(examples.join(example))
        .args(arguments)
        .kill_on_drop(true);
    command
}

async fn run(example: &str, arguments: &[&str]) -> (String, Output) {
    let output = tokio::time::timeout(LONGEST, up(example, arguments).output())
        .await
        .unwrap();
    let output = output.unwrap();
    let told = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    (told, output)
}

/// The number in the line of the table that begins with `name`.
fn figure(told: &str, name: &str) -> u64 {
    let line = told
        .lines()
        .find_map(|line| line.trim_start().strip_prefix(name))
        .unwrap();
    let number: String = line
        .trim_start()
        .chars()
        .take_while(|c| !c.is_whitespace())
        .collect();
    number.replace(',', "").parse().unwrap()
}

#[tokio::test]
async fn five_hundred_pairs_are_sold_to_a_crowd_and_the_audit_holds() {
    let (told, output) = run(
        "sneaker-drop.yaml",
        &["--crowd", "3000", "--exit-when-done", "--opens-in", "1s"],
    )
    .await;
    assert!(output.status.success(), "{told}");
    assert_eq!(figure(&told, "confirmed "), 500, "{told}");
    assert!(
        told.contains("0 oversold · 0 lost · 0 duplicated"),
        "{told}"
    );
}

#[tokio::test]
async fn a_market_of_several_products_sells_each_shopper_one() {
    let (told, output) = run(
        "winter-market.yaml",
        &["--crowd", "3000", "--exit-when-done", "--opens-in", "1s"],
    )
    .await;
    assert!(output.status.success(), "{told}");
    assert!(figure(&told, "confirmed ") > 0, "{told}");
    assert!(
        told.contains("0 oversold · 0 lost · 0 duplicated"),
        "{told}"
    );
}

/// Law 7 on one machine: intake closes, what waits is settled, and everything started is gone.
#[tokio::test]
async fn a_signal_closes_drains_and_stops_everything() {
    let log = tempfile::NamedTempFile::new().unwrap();
    let told = || std::fs::read_to_string(log.path()).unwrap();
    let mut child: Child = up("sneaker-drop.yaml", &[])
        .stdout(log.reopen().unwrap())
        .stderr(log.reopen().unwrap())
        .spawn()
        .unwrap();
    until("it says where it sells", LONGEST, || async {
        told().contains("curl")
    })
    .await;
    let address = told()
        .split_whitespace()
        .find(|word| word.starts_with("http://127.0.0.1:"))
        .map(|word| word.trim_end_matches('/').to_owned())
        .unwrap();
    assert_eq!(get(&format!("{address}/sales")).await.unwrap().0, 200);
    kill(
        Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap()),
        Signal::SIGTERM,
    )
    .unwrap();
    let ended = tokio::time::timeout(LONGEST, child.wait()).await;
    let status = ended
        .unwrap_or_else(|_| panic!("it has not ended: {}", told()))
        .unwrap();
    assert!(status.success(), "{status}: {}", told());
    for part in ["drained", "workers", "gateways", "Redis", "PostgreSQL"] {
        assert!(told().contains(part), "{part} in {}", told());
    }
    assert!(
        get(&format!("{address}/sales")).await.is_none(),
        "nobody answers any more"
    );
}
