//! `flashsale up`: everything on one machine.

use std::{
    io::{self, Write as _},
    path::PathBuf,
};

use clap::Args;
use flashsale_telemetry::shutdown;

use super::{Outcome, ToolError};
use crate::{
    display::Display,
    manifest::{self, Declared},
    up::{self, UpConfig},
};

/// Run sales on this machine: PostgreSQL, Redis, gateways and workers; send a crowd if you like.
///
/// PostgreSQL and Redis are private ones on free ports in a data directory, unless you give the
/// addresses of others. Gateways and workers are the same programs that run in a cluster, as
/// child processes; those that die are started again, and workers come and go with the queue.
///
/// Two addresses are printed for a browser: `shop`, where shoppers buy, and `operations`, the page
/// of those who run the sales: figures by the second and dead letters. Its token stands after #.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  flashsale up examples/sneaker-drop.yaml --crowd 20000
  flashsale up examples/winter-market.yaml --crowd 100000 --exit-when-done
  flashsale up examples/paid-drop.yaml --crowd 2000
  flashsale up examples/sneaker-drop.yaml --listen 8080 --data-dir ./data

Ctrl-C closes the sale, settles what is queued and stops everything that was started; a second
one leaves at once.

Exit status: 0 all is well, 1 a file has mistakes or a law was broken, 3 it could not be set up.")]
pub(super) struct Arguments {
    /// FlashSale files.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    #[command(flatten)]
    config: UpConfig,
}

pub(super) async fn run(arguments: Arguments) -> Result<Outcome, ToolError> {
    let reading = manifest::read_files(&arguments.files)?;
    if !reading.problems.is_empty() {
        for problem in &reading.problems {
            writeln!(io::stdout(), "{problem}")?;
        }
        return Ok(Outcome::Broken);
    }
    let stop = shutdown::on_signals()?;
    let sales = reading
        .declared
        .into_iter()
        .map(|Declared { sale, .. }| sale);
    let holds = up::run(arguments.config, sales.collect(), Display::new(), stop).await?;
    Ok(Outcome::holds_if(holds))
}
