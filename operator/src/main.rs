//! The binary `flashsale-operator`.

use std::{error::Error, io::Write as _, process::ExitCode, time::Duration};

use clap::{Parser, Subcommand};
use flashsale_operator::{config::OperatorArgs, crd, run};
use flashsale_telemetry::{logging::LogArgs, open_files, shutdown};

/// Less memory kept after a burst than with the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The work waits for other machines most of the time; more threads would only take memory.
const THREADS: usize = 2;

/// How long stopping may take, whatever hangs; the chart gives the pod 20 s.
const STOP_LIMIT: Duration = Duration::from_secs(15);

/// Runs the flash sales of a Kubernetes cluster: makes of each FlashSale what Redis has to know and
/// a Deployment of workers, scales it by the queue, and reports what it sees.
///
/// Start two or three: one works, the others stand by. SIGTERM lets what is in work finish, gives
/// the lease back and ends with status 0; a lost lease ends it with status 1.
#[derive(Debug, Parser)]
#[command(
    version,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "Example, with the cluster of KUBECONFIG:\n  \
        flashsale-operator crd | kubectl create -f -\n  \
        flashsale-operator --worker-image ghcr.io/flashsale/flashsale:0.1.0 --namespace shop"
)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    operator: OperatorArgs,
    #[command(flatten)]
    log: LogArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print the definition of FlashSales, for `kubectl create -f -`, or `replace`.
    Crd,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match arguments.command {
        Some(Command::Crd) => print_definition(),
        None => work(arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("flashsale-operator: {error}");
            ExitCode::FAILURE
        }
    }
}

fn print_definition() -> Result<(), Box<dyn Error>> {
    Ok(write!(std::io::stdout(), "{}", crd::definition_yaml()?)?)
}

fn work(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    arguments.log.init()?;
    open_files::raise_limit();
    // Which TLS provider rustls uses is a decision of the process. Only a second call can fail.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(async {
        let stop = shutdown::on_signals()?;
        shutdown::end_within(STOP_LIMIT, stop.clone());
        Box::pin(run::run(arguments.operator, stop)).await?;
        Ok(())
    });
    // A look-up of a name that hangs must not keep the process from ending.
    runtime.shutdown_background();
    outcome
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn flags_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn definition_needs_no_flags() {
        let arguments = Arguments::try_parse_from(["operator", "crd"]).unwrap();
        assert!(matches!(arguments.command, Some(Command::Crd)));
        assert!(Arguments::try_parse_from(["operator"]).is_err());
    }
}
