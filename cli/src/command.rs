//! What people type: one file a subcommand.

mod audit;
mod check;
mod crd;
mod dead;
mod load;
mod migrate;
mod probe;
mod repair;
mod report;
mod restock;
mod sales;
mod schema;
mod up;
mod validate;
mod withdraw;

use std::{io::ErrorKind, process::ExitCode};

use clap::{Parser, Subcommand};
use flashsale_telemetry::logging::{self, LogFormat};
use tokio::runtime::Runtime;

use crate::error::{self, ToolError};

const ABOUT_EXIT: &str = "\
Exit status:
  0  done, and everything holds
  1  done, and something does not hold: a mistake in a file, a broken law, a lost buy
  2  the command line is wrong
  3  could not be done: a server is out of reach, a file cannot be read

Example:
  flashsale up examples/sneaker-drop.yaml --crowd 20000
";

/// Flash sales over Redis and PostgreSQL: run one on this machine, load it, audit it.
#[derive(Debug, Parser)]
#[command(name = "flashsale", version, after_help = ABOUT_EXIT)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// What is logged to standard error besides what the command prints: error, warn, info,
    /// debug, also by module, e.g. `warn,flashsale_cli=debug`.
    #[arg(
        long,
        env = "FLASHSALE_LOG",
        value_name = "FILTER",
        default_value = "warn,sqlx=error",
        global = true
    )]
    log_level: String,
}

#[derive(Debug, Subcommand)]
enum Command {
    Up(up::Arguments),
    Validate(validate::Arguments),
    Schema(schema::Arguments),
    Crd(crd::Arguments),
    Load(load::Arguments),
    Audit(audit::Arguments),
    Report(report::Arguments),
    Check(check::Arguments),
    Sales(sales::Arguments),
    Restock(restock::Arguments),
    Repair(repair::Arguments),
    Withdraw(withdraw::Arguments),
    Dead(dead::Arguments),
    Migrate(migrate::Arguments),
    Probe(probe::Arguments),
}

/// How a command that could be carried out came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Everything holds.
    Holds,
    /// Something does not; the command has said what.
    Broken,
}

impl Outcome {
    fn holds_if(condition: bool) -> Self {
        if condition { Self::Holds } else { Self::Broken }
    }
}

/// The exit status of a command that could not be carried out.
const COULD_NOT: u8 = 3;

/// Runs the command line and returns the exit status. The runtime is started here, since a future that
/// the binary polls is compiled a second time, with the binary.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match set_up(&arguments.log_level) {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    // The outcome is printed before the runtime is dropped, which waits for name lookups that hang.
    match runtime.block_on(run(arguments.command)) {
        Ok(Outcome::Holds) => ExitCode::SUCCESS,
        Ok(Outcome::Broken) => ExitCode::FAILURE,
        // Whoever reads the output has seen enough, as `head` does.
        Err(ToolError::Output(error)) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

fn set_up(log_level: &str) -> Result<Runtime, ToolError> {
    logging::init(LogFormat::Auto, log_level)?;
    Runtime::new().map_err(ToolError::Runtime)
}

fn failed(error: &ToolError) -> ExitCode {
    let label = console::style("error:").for_stderr().red().bold();
    eprintln!("{label} {}", error::chain(error));
    ExitCode::from(COULD_NOT)
}

async fn run(command: Command) -> Result<Outcome, ToolError> {
    match command {
        Command::Up(arguments) => Box::pin(up::run(arguments)).await,
        Command::Validate(arguments) => validate::run(&arguments),
        Command::Schema(arguments) => schema::run(&arguments),
        Command::Crd(arguments) => crd::run(&arguments),
        Command::Load(arguments) => Box::pin(load::run(arguments)).await,
        Command::Audit(arguments) => audit::run(&arguments).await,
        Command::Report(arguments) => report::run(&arguments).await,
        Command::Check(arguments) => Box::pin(check::run(arguments)).await,
        Command::Sales(arguments) => sales::run(&arguments).await,
        Command::Restock(arguments) => restock::run(&arguments).await,
        Command::Repair(arguments) => repair::run(&arguments).await,
        Command::Withdraw(arguments) => withdraw::run(&arguments).await,
        Command::Dead(arguments) => dead::run(arguments).await,
        Command::Migrate(arguments) => migrate::run(&arguments).await,
        Command::Probe(arguments) => probe::run(&arguments).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn flags_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_help_teaches_with_an_example() {
        fn check(command: &clap::Command) {
            let help = command.get_after_help().map(ToString::to_string);
            let shown = help.unwrap_or_default();
            assert!(
                shown.contains("Example"),
                "{} has no example",
                command.get_name()
            );
            command.get_subcommands().for_each(check);
        }
        check(&Arguments::command());
    }
}
