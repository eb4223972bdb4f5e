//! How a process is asked to stop.

use std::io;
use std::process;
use std::thread;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A process ended by a signal reports 128 plus its number (POSIX shells' convention).
const SIGNAL_EXIT_BASE: i32 = 128;

/// A token that is cancelled by the first SIGTERM (what Kubernetes sends) or SIGINT (Ctrl-C).
///
/// A second one ends the process at once, with the exit status of one ended by that signal: whoever
/// asks twice does not want to wait. Must be called inside a Tokio runtime, and fails if the signal
/// handlers cannot be installed.
pub fn on_signals() -> io::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let token = CancellationToken::new();
    let cancelled = token.clone();
    tokio::spawn(async move {
        let name = next(&mut terminate, &mut interrupt).await.0;
        tracing::info!(signal = name, "asked to stop; once more ends this at once");
        cancelled.cancel();
        let (name, number) = next(&mut terminate, &mut interrupt).await;
        tracing::warn!(signal = name, "asked twice, ending at once");
        process::exit(SIGNAL_EXIT_BASE + number);
    });
    Ok(token)
}

/// Ends the process with status 1 when it still runs `limit` after `stop` was cancelled, whatever
/// hangs in it: Kubernetes would kill it a little later, and then its log would not say that it had
/// to. Must be called inside a Tokio runtime.
pub fn end_within(limit: Duration, stop: CancellationToken) {
    let runtime = Handle::current();
    // A thread of its own, which no task can keep from running.
    thread::spawn(move || {
        runtime.block_on(stop.cancelled());
        thread::sleep(limit);
        tracing::error!(
            limit_s = limit.as_secs(),
            "asked to stop {limit:?} ago and still not done, ending at once"
        );
        process::exit(1);
    });
}

/// Name and number of the next of both signals.
async fn next(terminate: &mut Signal, interrupt: &mut Signal) -> (&'static str, i32) {
    tokio::select! {
        _ = terminate.recv() => ("SIGTERM", SignalKind::terminate().as_raw_value()),
        _ = interrupt.recv() => ("SIGINT", SignalKind::interrupt().as_raw_value()),
    }
}
