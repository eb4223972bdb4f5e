//! The binary `flashsale-bench`.

use std::process::ExitCode;

use clap::Parser as _;
use flashsale_bench::{
    arguments::{Arguments, Command, RunArguments},
    baseline, empty_route,
    error::BenchError,
    run,
};
use flashsale_telemetry::shutdown;

/// Status of a process ended by Ctrl-C, by the shells' convention.
const INTERRUPTED: u8 = 130;

#[tokio::main]
async fn main() -> ExitCode {
    match execute(Arguments::parse()).await {
        Ok(status) => status,
        Err(error) => {
            eprintln!("flashsale-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn execute(arguments: Arguments) -> Result<ExitCode, BenchError> {
    let interrupted = shutdown::on_signals().map_err(BenchError::Signals)?;
    if let Some(Command::EmptyRoute { listen }) = arguments.command {
        empty_route::serve(listen, interrupted).await?;
        return Ok(ExitCode::SUCCESS);
    }
    tokio::select! {
        outcome = measure(arguments.run) => outcome.map(ExitCode::from),
        // Dropping the run ends its servers and removes its files.
        () = interrupted.cancelled() => Ok(ExitCode::from(INTERRUPTED)),
    }
}

async fn measure(arguments: RunArguments) -> Result<u8, BenchError> {
    if arguments.is_short() {
        baseline::run::run(arguments).await
    } else {
        run::run(arguments).await
    }
}
