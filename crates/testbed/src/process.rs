//! One child process: started, watched and stopped.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;
use tokio::sync::{oneshot, watch};

use super::launch::{Launch, LaunchError};
use super::log_tail;

/// How long a dropped child may take over its parting signal before it is killed. PostgreSQL gives
/// its own children 5 s of an immediate shutdown; this is a little more.
const DROP_PATIENCE: Duration = Duration::from_secs(8);

/// How often a blocking drop looks whether the child has ended.
const DROP_INTERVAL: Duration = Duration::from_millis(5);

/// `/proc` gives memory in KiB.
const BYTES_PER_KIB: u64 = 1024;

/// What can go wrong with a child process. Each begins with its name.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The description of the child does not hold.
    #[error("could not prepare {0}")]
    Launch(String, #[source] LaunchError),
    /// The system did not start it.
    #[error("could not start {0}; check the limits on processes (ulimit -u)")]
    Start(String, #[source] io::Error),
    /// It has not ended within the time given.
    #[error("{name} still runs after {} ms; its log is `{log_file}`", waited.as_millis())]
    StillRunning {
        /// Name of the child.
        name: String,
        /// How long was waited.
        waited: Duration,
        /// Where its output goes.
        log_file: String,
    },
    /// It has ended, so there is nothing to signal or measure.
    #[error("{name} has already ended; its log is `{log_file}`")]
    Ended {
        /// Name of the child.
        name: String,
        /// Where its output went.
        log_file: String,
    },
    /// It has ended, but somebody else collected its exit status.
    #[error("the exit status of {0} is unknown; do not ignore SIGCHLD in this process")]
    StatusLost(String),
    /// The kernel refused the signal.
    #[error("could not send {1} to {0}; check that it runs as the same user")]
    Signal(String, Signal, #[source] Errno),
    /// Its memory could not be read.
    #[error("could not read the memory of {0} from /proc; is it mounted?")]
    Memory(String),
}

/// How a child ended: `None` where somebody else collected its status.
type Exit = Option<ExitStatus>;

/// A running or ended child process.
///
/// Independent of any Tokio runtime: it may be started in one and waited for in another. Dropping
/// it ends the child, and blocks until it has ended.
#[derive(Debug)]
pub struct Process {
    /// What it was started with.
    launch: Launch,
    /// Its process id, which is also the id of its process group.
    pid: Pid,
    /// Whether it was asked to end. To our own programs a second SIGTERM means "at once", so it is
    /// sent once, however many callers want the child to end.
    asked_to_end: AtomicBool,
    /// How it ended, `None` while it runs. The guard thread collects the exit status while it
    /// holds this value for writing, and signals are sent while it is held for reading, so that no
    /// signal can hit a stranger who was given the same process id.
    exit: watch::Receiver<Option<Exit>>,
}

impl Process {
    /// Starts the child. It is tied to this process by a parent-death signal where `setpriv` is
    /// installed (see [`launch`](super::launch)).
    pub async fn start(launch: Launch) -> Result<Self, ProcessError> {
        let name = launch.name().to_owned();
        let start_error = |source| ProcessError::Start(name.clone(), source);
        let command = launch
            .command()
            .map_err(|source| ProcessError::Launch(name.clone(), source))?;
        let (started, start) = oneshot::channel();
        let (ended, exit) = watch::channel(None);
        thread::Builder::new()
            .name(name.clone())
            .spawn(move || guard(command, started, &ended))
            .map_err(start_error)?;
        let pid = start
            .await
            .unwrap_or_else(|_| Err(io::Error::other("its guard thread ended")))
            .map_err(start_error)?;
        tracing::debug!(child.name = name, child.pid = pid.as_raw(), "started");
        Ok(Self {
            launch,
            pid,
            asked_to_end: AtomicBool::new(false),
            exit,
        })
    }

    /// What messages call it.
    pub fn name(&self) -> &str {
        self.launch.name()
    }

    /// Its process id, which is also the id of its process group. Of no use once it has ended.
    pub fn pid(&self) -> i32 {
        self.pid.as_raw()
    }

    /// Where its output goes.
    pub fn log_file(&self) -> &Path {
        self.launch.log_file()
    }

    /// The last lines of its output, for messages; empty when the file cannot be read.
    pub fn log_tail(&self) -> String {
        log_tail::read(self.log_file())
    }

    /// Whether it runs.
    pub fn is_running(&self) -> bool {
        self.exit.borrow().is_none()
    }

    /// Asks it to end (SIGTERM). Does nothing when it was asked before or has ended already.
    pub fn terminate(&self) -> Result<(), ProcessError> {
        if self.asked_to_end.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        self.if_running(Signal::SIGTERM, kill)
    }

    /// Sends it any signal, as often as it is called. Does nothing when it has ended already.
    pub fn signal(&self, signal: Signal) -> Result<(), ProcessError> {
        self.if_running(signal, kill)
    }

    /// Ends it and whatever it started in its process group at once (SIGKILL).
    pub fn kill(&self) -> Result<(), ProcessError> {
        self.if_running(Signal::SIGKILL, killpg)
    }

    /// Waits until it has ended, for at most `timeout`.
    pub async fn wait(&self, timeout: Duration) -> Result<ExitStatus, ProcessError> {
        let mut exit = self.exit.clone();
        let ended = tokio::time::timeout(timeout, exit.wait_for(Option::is_some)).await;
        let status = match ended {
            Ok(Ok(exit)) => exit.flatten(),
            Ok(Err(_)) => None,
            Err(_) => {
                return Err(ProcessError::StillRunning {
                    name: self.name().to_owned(),
                    waited: timeout,
                    log_file: self.log_file().display().to_string(),
                });
            }
        };
        status.ok_or_else(|| ProcessError::StatusLost(self.name().to_owned()))
    }

    /// Asks it to end, unless that was done before, and kills it if it has not ended within `grace`.
    pub async fn stop(&self, grace: Duration) -> Result<ExitStatus, ProcessError> {
        self.terminate()?;
        match self.wait(grace).await {
            Err(ProcessError::StillRunning { .. }) => {
                tracing::warn!(child.name = self.name(), "did not end in time, killing it");
                self.kill()?;
                self.wait(DROP_PATIENCE).await
            }
            ended => ended,
        }
    }

    /// Its resident memory in bytes, shared pages included.
    pub fn resident_memory(&self) -> Result<u64, ProcessError> {
        self.memory("VmRSS:")
    }

    /// The most that it ever had resident, in bytes.
    pub fn peak_memory(&self) -> Result<u64, ProcessError> {
        self.memory("VmHWM:")
    }

    fn memory(&self, name: &str) -> Result<u64, ProcessError> {
        if !self.is_running() {
            return Err(ProcessError::Ended {
                name: self.name().to_owned(),
                log_file: self.log_file().display().to_string(),
            });
        }
        fs::read_to_string(format!("/proc/{}/status", self.pid))
            .ok()
            .as_deref()
            .and_then(|status| bytes(status, name))
            .ok_or_else(|| ProcessError::Memory(self.name().to_owned()))
    }

    fn if_running(
        &self,
        signal: Signal,
        send: fn(Pid, Option<Signal>) -> nix::Result<()>,
    ) -> Result<(), ProcessError> {
        let exit = self.exit.borrow();
        if exit.is_some() {
            return Ok(());
        }
        send(self.pid, Some(signal))
            .map_err(|source| ProcessError::Signal(self.name().to_owned(), signal, source))
    }

    fn ends_within(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        while self.is_running() {
            if Instant::now() >= deadline {
                return false;
            }
            thread::sleep(DROP_INTERVAL);
        }
        true
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.is_running() {
            return;
        }
        let farewell = self.launch.drop_signal();
        let asked = match farewell {
            Signal::SIGKILL => true,
            Signal::SIGTERM => self.terminate().is_ok(),
            other => self.signal(other).is_ok(),
        };
        if farewell != Signal::SIGKILL && asked && self.ends_within(DROP_PATIENCE) {
            return;
        }
        let killed = self.kill();
        if killed.is_err() || !self.ends_within(DROP_PATIENCE) {
            tracing::error!(
                child.name = self.name(),
                child.pid = self.pid(),
                "could not be ended; end it by hand"
            );
        }
    }
}

/// Starts the child and stays with it until it ends. The parent-death signal is bound to this
/// thread, so it must not end before the child does.
fn guard(
    mut command: Command,
    started: oneshot::Sender<io::Result<Pid>>,
    ended: &watch::Sender<Option<Exit>>,
) {
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            // A receiver that is gone wanted no child, and there is none.
            let _ = started.send(Err(error));
            return;
        }
    };
    let pid = Pid::from_raw(child.id().cast_signed());
    if started.send(Ok(pid)).is_err() {
        // The caller stopped waiting, so nobody holds a handle that would end the child.
        let _ = killpg(pid, Signal::SIGKILL);
    }
    // The child stays a zombie, and its id its own, until the status is collected below.
    while waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) == Err(Errno::EINTR) {}
    ended.send_modify(|exit| *exit = Some(child.wait().ok()));
}

/// Processor time that the process `pid` has used since it started, all its threads together: by
/// its own clock, not in ticks, which say nothing of a process that sleeps most of the time.
pub fn processor_time(pid: i32) -> io::Result<Duration> {
    let used = clock_getcpuclockid(Pid::from_raw(pid)).and_then(clock_gettime);
    Ok(Duration::from(used?))
}

/// The same of `pid` and all its children, those that have ended included; in hundredths of a
/// second, in which `/proc` gives it.
pub fn processor_time_with_children(pid: i32) -> io::Result<Duration> {
    let read = || fs::read_to_string(format!("/proc/{pid}/stat"));
    let mut before = read()?;
    loop {
        let times = children(pid)?.filter_map(|(_, stat)| ticks(&stat, OWN_TIMES));
        let children: u64 = times.sum();
        let after = read()?;
        // A child that ended meanwhile may have been counted in neither place, or in both.
        if ticks(&before, ENDED_CHILDREN_TIMES) == ticks(&after, ENDED_CHILDREN_TIMES) {
            let own = ticks(&after, OWN_TIMES).zip(ticks(&after, ENDED_CHILDREN_TIMES));
            let (own, ended) = own.ok_or(io::ErrorKind::InvalidData)?;
            return Ok(TICK * u32::try_from(own + ended + children).unwrap_or(u32::MAX));
        }
        before = after;
    }
}

/// Linux has fixed it for every architecture we run on (`USER_HZ`, `proc(5)`).
const TICK: Duration = Duration::from_millis(10);

/// Positions in `/proc/PID/stat` behind the command's closing bracket, from 0 (`proc(5)` counts
/// from 1 and starts before it, so its field 4 is our 1).
const PARENT: usize = 1;

/// The same of the state, a letter.
pub(crate) const STATE: usize = 0;

/// The same of the time in user and in system mode: fields 14 and 15.
const OWN_TIMES: [usize; 2] = [11, 12];

/// The same of children that have ended: fields 16 and 17.
const ENDED_CHILDREN_TIMES: [usize; 2] = [13, 14];

/// The children of the process `parent`, each with its `/proc/PID/stat`.
pub(crate) fn children(parent: i32) -> io::Result<impl Iterator<Item = (i32, String)>> {
    let processes =
        fs::read_dir("/proc")?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    Ok(processes.filter_map(move |pid| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        (field::<i32>(&stat, PARENT)? == parent).then_some((pid, stat))
    }))
}

fn ticks(stat: &str, positions: [usize; 2]) -> Option<u64> {
    positions
        .iter()
        .map(|position| field::<u64>(stat, *position))
        .sum()
}

/// The command's name may hold spaces and brackets, so counting starts behind its last bracket.
pub(crate) fn field<T: FromStr>(stat: &str, position: usize) -> Option<T> {
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(position)?.parse().ok()
}

fn bytes(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * BYTES_PER_KIB)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_bytes() {
        let status = "Name:\tworker\nVmHWM:\t  9000 kB\nVmRSS:\t    2048 kB\n";
        assert_eq!(bytes(status, "VmRSS:"), Some(2_097_152));
        assert_eq!(bytes(status, "VmHWM:"), Some(9_216_000));
        assert_eq!(bytes("Name:\tzombie\n", "VmRSS:"), None);
    }

    #[test]
    fn processor_time_is_known_of_processes_that_run() {
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(processor_time(own).unwrap() > Duration::ZERO);
        // More than the kernel ever gives (`PID_MAX_LIMIT`).
        assert!(processor_time((1 << 22) + 1).is_err());
        let parent = i32::try_from(std::os::unix::process::parent_id()).unwrap();
        let with_children = processor_time_with_children(parent).unwrap();
        // Ticks are coarser than the clock.
        assert!(with_children + 10 * TICK > processor_time(own).unwrap());
    }

    #[test]
    fn times_are_read_behind_the_name_of_the_command() {
        let stat = "77 (a ) b) S 12 77 77 0 -1 4194560 9 0 0 0 150 50 30 20 20 0 1 0 12000 1 2";
        assert_eq!(ticks(stat, OWN_TIMES), Some(200));
        assert_eq!(ticks(stat, ENDED_CHILDREN_TIMES), Some(50));
        assert_eq!(field(stat, PARENT), Some(12));
        assert_eq!(ticks("77 (a", OWN_TIMES), None);
    }
}
