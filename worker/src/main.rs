//! `flashsale-worker`: settles the jobs of flash sales.

use std::process::ExitCode;

use clap::Parser;
use flashsale_telemetry::{logging::LogArgs, open_files, process};
use flashsale_worker::{
    config::{ConnectionArgs, LaneArgs, ProbeArgs},
    server,
};

/// Fewer system calls and less fragmentation than the system's allocator under many small jobs.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Settles the jobs of flash sales: takes them from their lanes in Redis and makes orders of them
/// in PostgreSQL, a batch in one locked transaction.
///
/// Start as many as there are busy products; each lane has one driver at a time. SIGTERM lets the
/// batches in work finish, gives the lanes back and ends with status 0.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Example:\n  FLASHSALE_REDIS_URL=redis://127.0.0.1:6379 \\\n  FLASHSALE_DATABASE_URL=postgres://flashsale:secret@127.0.0.1/flashsale \\\n  flashsale-worker --lanes 8"
)]
struct Arguments {
    #[command(flatten)]
    connections: ConnectionArgs,
    #[command(flatten)]
    lanes: LaneArgs,
    #[command(flatten)]
    probes: ProbeArgs,
    #[command(flatten)]
    log: LogArgs,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    process::exit("flashsale-worker", run(arguments))
}

fn run(arguments: Arguments) -> process::Outcome {
    arguments.log.init()?;
    open_files::raise_limit();
    flashsale_fault_point::arm()?;
    // Which TLS provider rustls uses is a decision of the process. Only a second call can fail.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let Arguments {
        connections,
        lanes,
        probes,
        ..
    } = arguments;
    server::serve(connections, lanes, probes)
}
