//! Measures how fast the system is beside the limits of the machine it runs on, in one run.
//!
//! A figure alone says more about the machine than about the system. So each is taken in turn with
//! a limit, what the same machine does when only the indispensable part of the work is left, and
//! shown as a share of it.
//!
//! | where | what |
//! |---|---|
//! | [`metrics`] | the table of all lines of the report: name, unit, section, limit |
//! | [`targets`], [`baseline`] | what is promised of them, and what was reached once and must not be lost |
//! | `measurements` | one file for each part of a run; they record values under the names of the table |
//! | `limits` | what measurements are held against: plain statements, `COPY`, pgbench, plain writes, redis-benchmark, an empty route |
//! | `load` | generators of load: wrk, requests at fixed rates, filled lanes, sockets |
//! | `fixtures` | stores, programs and sales, and checks of what came of them |
//! | `run`, [`report`] | rounds, and what is shown at the end |
//!
//! A new figure is a line of [`metrics::table`] and the measurement that records it.
//!
//! Servers are private ones with the settings that `flashsale up` gives them, everything durable.
//! What was settled is held against the ledger after each run: a fast figure of a wrong result is
//! an error.

pub mod arguments;
pub mod baseline;
pub mod error;
mod external;
pub mod figures;
mod latencies;
pub mod machine;
pub mod metrics;
mod processor;
pub mod report;
mod run;
mod session;
pub mod targets;

/// What measurements start from: servers, programs, sales, and what came of them.
mod fixtures {
    pub(crate) mod lane_hold;
    pub(crate) mod outcomes;
    pub(crate) mod programs;
    pub(crate) mod shop;
    pub(crate) mod stores;
    pub(crate) mod verification;
}

/// The limits of this machine that measurements are held against.
mod limits {
    pub(crate) mod empty_route;
    pub(crate) mod pgbench;
    pub(crate) mod plain_batches;
    pub(crate) mod plain_writes;
    pub(crate) mod redis_benchmark;
}

/// Load generators.
mod load {
    pub(crate) mod open_loop;
    pub(crate) mod prefill;
    pub(crate) mod sockets;
    pub(crate) mod wrk;
}

/// The measurements.
mod measurements {
    pub(crate) mod acknowledgement;
    pub(crate) mod broadcast;
    pub(crate) mod confirmation;
    pub(crate) mod growth;
    pub(crate) mod memory;
    pub(crate) mod peer;
    pub(crate) mod settlement;
    pub(crate) mod short;
    pub(crate) mod tls;
    pub(crate) mod tokens;
}

use std::process::ExitCode;

use flashsale_telemetry::shutdown;

use arguments::{Arguments, Command};
use error::Result;

/// Status of a process ended by Ctrl-C, by the shells' convention.
const INTERRUPTED: u8 = 130;

/// Does what `arguments` say; answers the status to exit with.
pub async fn execute(arguments: Arguments) -> Result<ExitCode> {
    let interrupted = shutdown::on_signals().map_err(|error| {
        format!("could not listen to signals: {error}; check the limit of open files (ulimit -n)")
    })?;
    if let Some(Command::EmptyRoute { listen }) = arguments.command {
        limits::empty_route::serve(listen, interrupted).await?;
        return Ok(ExitCode::SUCCESS);
    }
    tokio::select! {
        outcome = run::run(arguments.run) => outcome.map(ExitCode::from),
        // Dropping the run ends its servers and removes its files.
        () = interrupted.cancelled() => Ok(ExitCode::from(INTERRUPTED)),
    }
}
