//! Killing a whole PostgreSQL the way a power cut would.
//!
//! PostgreSQL's backends leave the server's process group, so killing the group does not reach
//! them, and a new server refuses to start while one of them still holds the shared memory.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::{Instant, sleep};

use crate::{
    binaries,
    process::{self, Process, ProcessError},
};

/// A killed process is gone within milliseconds unless the disk holds it up.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often the killed backends are looked at.
const INTERVAL: Duration = Duration::from_millis(5);

/// Line of `postmaster.pid`, from 0, with the key and the id of the System V shared memory.
const SHARED_MEMORY_LINE: usize = 6;

/// Kills the server and all its backends by SIGKILL and waits until they are gone.
pub(super) async fn kill_all(server: &Process, pid_file: &Path) -> Result<(), ProcessError> {
    // A stopped server cannot start another backend between the look at its children and its end.
    server.signal(Signal::SIGSTOP)?;
    let backends = children_of(server.pid());
    server.kill()?;
    for backend in &backends {
        // One that ended by itself in the meantime is as dead as it should be.
        let _ = kill(*backend, Signal::SIGKILL);
    }
    server.wait(PATIENCE).await?;
    let deadline = Instant::now() + PATIENCE;
    while backends.iter().any(|backend| is_alive(*backend)) && Instant::now() < deadline {
        sleep(INTERVAL).await;
    }
    free_shared_memory(pid_file);
    Ok(())
}

/// Sends `signal` to the server and all its backends: SIGSTOP and SIGCONT, as if the machine
/// stood still for a while.
pub(super) fn signal_all(server: &Process, signal: Signal) -> Result<(), ProcessError> {
    server.signal(signal)?;
    for backend in children_of(server.pid()) {
        // One that has just ended needs no signal.
        let _ = kill(backend, signal);
    }
    Ok(())
}

/// Frees the segment by which PostgreSQL tells that backends of a dead server still live. A next
/// server on the same files would free it, but after the last kill of a test there is none, and
/// the kernel keeps such segments until it restarts.
fn free_shared_memory(pid_file: &Path) {
    let Ok(text) = fs::read_to_string(pid_file) else {
        return;
    };
    let segment = text.lines().nth(SHARED_MEMORY_LINE).and_then(segment_id);
    if let (Some(segment), Some(ipcrm)) = (segment, binaries::on_path("ipcrm")) {
        let removed = Command::new(ipcrm)
            .arg("--shmem-id")
            .arg(segment.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        tracing::debug!(segment, ?removed, "shared memory of a killed PostgreSQL");
    }
}

/// The second number of e.g. ` 83890126         3`.
fn segment_id(line: &str) -> Option<u32> {
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Empty where `/proc` cannot be read.
fn children_of(parent: i32) -> Vec<Pid> {
    let children = process::children(parent).into_iter().flatten();
    children.map(|(pid, _)| Pid::from_raw(pid)).collect()
}

/// A zombie, which only waits for the init process to take note of it, holds nothing any more.
fn is_alive(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
    let state = stat
        .ok()
        .and_then(|stat| process::field::<char>(&stat, process::STATE));
    state.is_some_and(|state| state != 'Z')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segment_is_the_second_number() {
        assert_eq!(segment_id(" 83890126         3"), Some(3));
        assert_eq!(segment_id(""), None);
    }
}
