//! Signals. Each case is a process of its own, because a signal hits a whole process: the test
//! starts this program again, once for each part to play.
#![allow(
    clippy::unwrap_used,
    reason = "clippy.toml covers test functions, not what they call"
)]

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use flashsale_telemetry::shutdown;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

struct Part {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Part {
    fn play(name: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--ignored", "--nocapture"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, output }
    }

    fn wait_for_line(&mut self, wanted: &str) {
        let mut line = String::new();
        while line.trim() != wanted {
            line.clear();
            assert_ne!(
                self.output.read_line(&mut line).unwrap(),
                0,
                "no `{wanted}`"
            );
        }
    }

    fn send(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }
}

#[tokio::test]
#[ignore = "a part for the tests below"]
async fn part_that_stops_when_asked() {
    let token = shutdown::on_signals().unwrap();
    println!("\nlistening");
    token.cancelled().await;
    println!("stopping");
}

#[tokio::test]
#[ignore = "a part for the tests below"]
async fn part_that_hangs_when_asked() {
    let token = shutdown::on_signals().unwrap();
    println!("\nlistening");
    token.cancelled().await;
    println!("hanging");
    std::future::pending::<()>().await;
}

#[tokio::test]
#[ignore = "a part for the tests below"]
async fn part_that_blocks_its_runtime_when_asked() {
    let token = shutdown::on_signals().unwrap();
    shutdown::end_within(Duration::from_millis(200), token.clone());
    println!("\nlistening");
    token.cancelled().await;
    println!("blocking");
    loop {
        std::thread::park();
    }
}

#[test]
fn either_signal_cancels_the_token() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut part = Part::play("part_that_stops_when_asked");
        part.wait_for_line("listening");
        part.send(signal);
        part.wait_for_line("stopping");
        assert_eq!(part.child.wait().unwrap().code(), Some(0), "{signal}");
    }
}

#[test]
fn second_signal_ends_the_process_at_once() {
    let mut part = Part::play("part_that_hangs_when_asked");
    part.wait_for_line("listening");
    part.send(Signal::SIGTERM);
    part.wait_for_line("hanging");
    part.send(Signal::SIGINT);
    let status = part.child.wait().unwrap();
    assert_eq!((status.code(), status.signal()), (Some(128 + 2), None));
}

#[test]
fn a_process_that_hangs_ends_when_its_time_is_over() {
    let mut part = Part::play("part_that_blocks_its_runtime_when_asked");
    part.wait_for_line("listening");
    part.send(Signal::SIGTERM);
    part.wait_for_line("blocking");
    let began = Instant::now();
    assert_eq!(part.child.wait().unwrap().code(), Some(1));
    assert!(began.elapsed() < Duration::from_secs(10));
}
