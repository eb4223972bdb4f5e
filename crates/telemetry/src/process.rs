//! How a process that serves is run.

use std::{error::Error, process::ExitCode, time::Duration};

use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use crate::shutdown;

/// Why a process ended.
pub type Outcome = Result<(), Box<dyn Error>>;

/// Runs `serve` in `runtime` until it ends. Its token is cancelled when the process is asked to stop
/// ([`shutdown::on_signals`]); `limit` later the process ends, whatever hangs.
pub fn serve(
    runtime: Runtime,
    limit: Duration,
    serve: impl AsyncFnOnce(CancellationToken) -> Outcome,
) -> Outcome {
    let outcome = runtime.block_on(async {
        let stop = shutdown::on_signals()?;
        shutdown::end_within(limit, stop.clone());
        serve(stop).await
    });
    // A look-up of a name that hangs must not keep the process from ending.
    runtime.shutdown_background();
    outcome
}

/// The status that `name` ends with; says on standard error why it failed.
pub fn exit(name: &str, outcome: Outcome) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{name}: {error}");
            ExitCode::FAILURE
        }
    }
}
