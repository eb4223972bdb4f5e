//! Measures how fast the system is beside the limits of the machine it runs on, in one run.
//!
//! A figure alone says more about the machine than about the system. So each is taken in turn with
//! a limit, what the same machine does when only the indispensable part of the work is left, and
//! shown as a share of it.
//!
//! | where | what |
//! |---|---|
//! | [`metrics`] | the table of all lines of the report: name, unit, section, limit |
//! | `targets`, `baseline` | what is promised of them, and what was reached once and must not be lost |
//! | `measurements` | one file for each part of a run; they record values under the names of the table |
//! | `limits` | what measurements are held against: plain statements, `COPY`, pgbench, plain writes, redis-benchmark, an empty route |
//! | `load` | generators of load: wrk, requests at fixed rates, filled lanes, sockets |
//! | `environment` | stores, programs and sales, and checks of what came of them |
//! | `run`, `report` | rounds, and what is shown at the end |
//!
//! A new figure is a line of [`metrics::table`] and the measurement that records it.
//!
//! Servers are private ones with the settings that `flashsale up` gives them, everything durable.
//! What was settled is held against the ledger after each run: a fast figure of a wrong result is
//! an error.

mod arguments;
mod baseline;
mod environment;
mod error;
mod external;
mod figures;
mod limits;
mod load;
mod machine;
mod measurements;
mod metrics;
mod processor;
mod report;
mod run;
mod session;
mod targets;

use std::process::ExitCode;

use clap::Parser as _;

#[tokio::main]
async fn main() -> ExitCode {
    let ended = run::execute(arguments::Arguments::parse()).await;
    ended.unwrap_or_else(|error| {
        eprintln!("flashsale-bench: {}", error::message(&error));
        ExitCode::FAILURE
    })
}
