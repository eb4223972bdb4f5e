//! What a child process is started with, and how it is tied to this process.
//!
//! # Warning
//! The kernel's parent-death signal (`prctl(2)`, `PR_SET_PDEATHSIG`) is bound to the *thread* that
//! started the child: the child is signalled when that thread ends, even if its process lives on.
//! A child started on one of Tokio's blocking threads would be killed as soon as the runtime
//! retires that idle thread. So a [`Launch`] is only ever carried out by
//! [`Process::start`](super::process::Process::start), which gives each child a thread of its own
//! that lives exactly as long as the child.

use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};

use nix::sys::signal::Signal;

use super::account::Account;
use super::binaries;

/// Changes the account and sets the parent-death signal, then becomes the program itself. Doing
/// the same from here would need `unsafe` code between fork and exec.
const SETPRIV: &str = "setpriv";

/// Becomes the program unless the parent, whose process id comes first, is dead already. A parent
/// killed between starting `setpriv` and `setpriv` asking for the signal would never be reported.
const CHECK_PARENT: &str = r#"[ "$PPID" -eq "$0" ] && exec "$@""#;

/// Why a launch cannot be carried out.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// There is no such program.
    #[error("`{}` is no executable file; check that it is installed or built", .0.display())]
    NoProgram(PathBuf),
    /// The log file could not be opened.
    #[error("could not open the log file `{path}`; check the directory's permissions", path = .0.display())]
    LogFile(PathBuf, #[source] io::Error),
    /// The child must run as another user, for which `setpriv` is needed.
    #[error("`{SETPRIV}` is needed to run a program as another user: apt-get install util-linux")]
    NoSetpriv,
}

/// The description of a child process, built step by step.
///
/// ```
/// use flashsale_testbed::launch::Launch;
///
/// let worker = Launch::new("worker-1", "/usr/bin/flashsale-worker", "/tmp/worker-1.log")
///     .arg("--log-format=json")
///     .env("FLASHSALE_LOG", "debug");
/// assert_eq!(worker.name(), "worker-1");
/// ```
#[derive(Debug, Clone)]
pub struct Launch {
    /// What messages call the child.
    name: String,
    /// The program to run.
    program: PathBuf,
    /// Its arguments, without the program's own name. Visible to every user of the machine.
    arguments: Vec<OsString>,
    /// Variables set in the environment it inherits, or taken out of it. The place for secrets.
    environment: Vec<(OsString, Option<OsString>)>,
    /// Its working directory; inherited when absent.
    directory: Option<PathBuf>,
    /// Where its standard output and error are appended.
    log_file: PathBuf,
    /// The user it runs as; the current one when absent.
    account: Option<Account>,
    /// What the kernel sends it when this process dies.
    on_parent_death: Signal,
    /// What it is sent first when its handle is dropped while it runs.
    on_drop: Signal,
}

impl Launch {
    /// A child called `name` in messages that runs `program` and appends what it prints to
    /// `log_file`. It is killed (SIGKILL) when this process dies or its handle is dropped.
    pub fn new(
        name: impl Into<String>,
        program: impl Into<PathBuf>,
        log_file: impl Into<PathBuf>,
    ) -> Self {
        Self {
            name: name.into(),
            program: program.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            directory: None,
            log_file: log_file.into(),
            account: None,
            on_parent_death: Signal::SIGKILL,
            on_drop: Signal::SIGKILL,
        }
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Adds several arguments.
    #[must_use]
    pub fn args(mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        let arguments = arguments.into_iter().map(|a| a.as_ref().to_owned());
        self.arguments.extend(arguments);
        self
    }

    /// Sets one environment variable.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        let variable = (name.as_ref().to_owned(), Some(value.as_ref().to_owned()));
        self.environment.push(variable);
        self
    }

    /// Sets several environment variables.
    #[must_use]
    pub fn envs(
        self,
        variables: impl IntoIterator<Item = (impl AsRef<OsStr>, impl AsRef<OsStr>)>,
    ) -> Self {
        let variables = variables.into_iter();
        variables.fold(self, |launch, (name, value)| launch.env(name, value))
    }

    /// Takes a variable out of the environment that it inherits.
    #[must_use]
    pub fn env_remove(mut self, name: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.as_ref().to_owned(), None));
        self
    }

    /// Sets the working directory.
    #[must_use]
    pub fn current_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// Runs the child as `account`; `None` leaves it the current user.
    #[must_use]
    pub fn run_as(mut self, account: Option<Account>) -> Self {
        self.account = account;
        self
    }

    /// Chooses the signal the kernel sends the child when this process dies.
    #[must_use]
    pub fn on_parent_death(mut self, signal: Signal) -> Self {
        self.on_parent_death = signal;
        self
    }

    /// Chooses the signal the child is sent when its handle is dropped while it runs; SIGKILL
    /// follows if it does not end.
    #[must_use]
    pub fn on_drop(mut self, signal: Signal) -> Self {
        self.on_drop = signal;
        self
    }

    /// What messages call the child.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where the child's output goes.
    pub fn log_file(&self) -> &Path {
        &self.log_file
    }

    /// The signal for a dropped handle.
    pub(super) fn drop_signal(&self) -> Signal {
        self.on_drop
    }

    /// Turns the description into a command, in its own process group, so that a Ctrl-C on the
    /// terminal reaches us alone and we decide in which order the children stop.
    pub(super) fn command(&self) -> Result<Command, LaunchError> {
        if !binaries::is_executable(&self.program) {
            return Err(LaunchError::NoProgram(self.program.clone()));
        }
        let log = self.open_log()?;
        let errors = log.try_clone().map_err(|source| self.log_error(source))?;
        let mut command = self.program_or_wrapper()?;
        command
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .process_group(0);
        for (name, value) in &self.environment {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        Ok(command)
    }

    /// The program itself, or `setpriv` about to become it. Without `setpriv` a child of the same
    /// user still runs; it only outlives us if we are killed by SIGKILL.
    fn program_or_wrapper(&self) -> Result<Command, LaunchError> {
        let Some(setpriv) = binaries::on_path(SETPRIV) else {
            return match self.account {
                None => Ok(Command::new(&self.program)),
                Some(_) => Err(LaunchError::NoSetpriv),
            };
        };
        let mut command = Command::new(setpriv);
        command.args(["--pdeathsig", self.on_parent_death.as_str()]);
        if let Some(account) = &self.account {
            command
                .arg(format!("--reuid={}", account.uid))
                .arg(format!("--regid={}", account.gid))
                .arg("--init-groups");
        }
        command
            .args(["--", "/bin/sh", "-c", CHECK_PARENT])
            .arg(process::id().to_string())
            .arg(&self.program);
        Ok(command)
    }

    fn open_log(&self) -> Result<File, LaunchError> {
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.log_file)
            .map_err(|source| self.log_error(source))
    }

    fn log_error(&self, source: io::Error) -> LaunchError {
        LaunchError::LogFile(self.log_file.clone(), source)
    }
}
