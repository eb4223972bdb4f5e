//! Waiting for the previous owner of a data directory.
//!
//! When a whole run is killed by SIGKILL, its servers get their own signal and take a moment to
//! write their last pages. A new run on the same directory has to let them finish.

use std::fs;
use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// A fast shutdown of a server of this size takes well under this.
const PATIENCE: Duration = Duration::from_secs(20);

/// How often the previous owner is looked at.
const INTERVAL: Duration = Duration::from_millis(50);

/// The previous owner is still there after all.
#[derive(Debug, thiserror::Error)]
#[error("process {pid} still uses this directory: stop it, or choose another data directory")]
pub struct StillOwned {
    /// Process id of the owner.
    pub pid: i32,
}

/// Waits until the process named in the first line of `pid_file` is gone, if it works in
/// `directory`. A process with that id that works elsewhere is a stranger who inherited the number.
pub(crate) async fn wait_for_previous_owner(
    pid_file: &Path,
    directory: &Path,
) -> Result<(), StillOwned> {
    wait_at_most(PATIENCE, pid_file, directory).await
}

async fn wait_at_most(
    patience: Duration,
    pid_file: &Path,
    directory: &Path,
) -> Result<(), StillOwned> {
    let Some(pid) = first_line_as_pid(pid_file) else {
        return Ok(());
    };
    let deadline = Instant::now() + patience;
    while works_in(pid, directory) {
        if Instant::now() >= deadline {
            return Err(StillOwned { pid });
        }
        sleep(INTERVAL).await;
    }
    Ok(())
}

fn first_line_as_pid(pid_file: &Path) -> Option<i32> {
    let text = fs::read_to_string(pid_file).ok()?;
    text.lines().next()?.trim().parse().ok()
}

fn works_in(pid: i32, directory: &Path) -> bool {
    match (
        fs::read_link(format!("/proc/{pid}/cwd")),
        directory.canonicalize(),
    ) {
        (Ok(works_in), Ok(directory)) => works_in == directory,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::process::{self, Command};

    use super::*;

    #[tokio::test]
    async fn owner_is_let_finish() {
        let directory = tempfile::tempdir().unwrap();
        let pid_file = directory.path().join("pid");
        let mut command = Command::new("sleep");
        let mut owner = command.arg("0.3").current_dir(&directory).spawn().unwrap();
        fs::write(&pid_file, format!("{}\n", owner.id())).unwrap();
        wait_for_previous_owner(&pid_file, directory.path())
            .await
            .unwrap();
        assert!(owner.try_wait().unwrap().is_some());
    }

    #[tokio::test]
    async fn owner_that_stays_is_named() {
        let directory = std::env::current_dir().unwrap();
        let root = tempfile::tempdir().unwrap();
        let pid_file = root.path().join("pid");
        fs::write(&pid_file, process::id().to_string()).unwrap();
        let error = wait_at_most(INTERVAL, &pid_file, &directory)
            .await
            .unwrap_err();
        assert_eq!(error.pid.cast_unsigned(), process::id());
    }

    #[tokio::test]
    async fn stranger_with_the_same_number_is_no_owner() {
        let root = tempfile::tempdir().unwrap();
        let pid_file = root.path().join("pid");
        fs::write(&pid_file, process::id().to_string()).unwrap();
        wait_for_previous_owner(&pid_file, root.path())
            .await
            .unwrap();
        wait_for_previous_owner(&root.path().join("none"), root.path())
            .await
            .unwrap();
    }
}
