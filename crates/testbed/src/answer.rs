//! Waiting until a server that was started answers, or several agree.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::process::Process;

/// A server was started and does not answer.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    /// It ended instead of starting.
    #[error("{name} did not start; the end of its log:\n{log}")]
    Ended {
        /// What it is called.
        name: &'static str,
        /// The end of its log.
        log: String,
    },
    /// It runs.
    #[error("{name} does not answer after {} s; the end of its log:\n{log}", waited.as_secs())]
    Silent {
        /// What it is called.
        name: &'static str,
        /// How long was waited.
        waited: Duration,
        /// The end of its log.
        log: String,
    },
}

/// How often and for how long a starting server is asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    pub(crate) interval: Duration,
    pub(crate) longest: Duration,
}

/// Polls each of `servers` until `condition` holds for it. Returns whether it held for all in time.
pub(crate) async fn all<T: Copy, E>(
    servers: impl IntoIterator<Item = T>,
    patience: Patience,
    condition: impl AsyncFn(T) -> Result<bool, E>,
) -> Result<bool, E> {
    let deadline = Instant::now() + patience.longest;
    for server in servers {
        while !condition(server).await? {
            if Instant::now() >= deadline {
                return Ok(false);
            }
            sleep(patience.interval).await;
        }
    }
    Ok(true)
}

/// Waits until `answers` says that the server called `name` does; an error of its own ends the wait.
pub(crate) async fn wait<F, E>(
    name: &'static str,
    process: &Process,
    patience: Patience,
    answers: impl Fn() -> F,
) -> Result<(), E>
where
    F: Future<Output = Result<bool, E>>,
    E: From<NoAnswer>,
{
    let deadline = Instant::now() + patience.longest;
    while !answers().await? {
        let log = || process.log_tail();
        if !process.is_running() {
            return Err(NoAnswer::Ended { name, log: log() }.into());
        }
        if Instant::now() >= deadline {
            let (waited, log) = (patience.longest, log());
            return Err(NoAnswer::Silent { name, waited, log }.into());
        }
        sleep(patience.interval).await;
    }
    Ok(())
}
