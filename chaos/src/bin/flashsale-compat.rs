//! `flashsale-compat`: a sale on every combination of stores, and what came of it.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

use clap::Parser;
use flashsale_chaos::{
    compatibility::{Combination, play, report, run, servers},
    error::{ChaosError, exit_code},
};

/// Sells to 20,000 shoppers on every combination of stores, and has the laws judged.
///
/// Servers that are not installed are fetched first. Those that can fail over do so in mid-sale.
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  flashsale-compat                          every combination
  flashsale-compat --only cluster,standby   those with such a name

Exit status: 0 every combination holds, 1 one does not or could not be played.")]
struct Arguments {
    /// Only combinations whose names contain one of these, separated by commas.
    #[arg(long, default_value = "")]
    only: String,

    /// The program that fetches servers.
    #[arg(long, value_name = "FILE", default_value = "scripts/compat-servers")]
    fetch: PathBuf,

    /// Where logs, histories and results are written, a directory for each combination.
    #[arg(long, value_name = "DIR", default_value = "target/compat")]
    results: PathBuf,

    /// Print the names of the combinations and end.
    #[arg(long)]
    list: bool,

    /// Play this one combination here, with the servers that the environment names.
    #[arg(long, value_name = "NAME", hide = true, requires = "into")]
    play: Option<String>,

    /// Where the combination that is played here writes to.
    #[arg(long, value_name = "DIR", hide = true)]
    into: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match (&arguments.play, &arguments.into) {
        (Some(name), Some(directory)) => play_here(name, directory).await.map(|()| true),
        _ => play_all(&arguments).await,
    };
    exit_code("flashsale-compat", outcome, 1)
}

async fn play_all(arguments: &Arguments) -> Result<bool, ChaosError> {
    let combinations = Combination::matching(&arguments.only)?;
    if arguments.list {
        for combination in &combinations {
            println!("{}", combination.name);
        }
        return Ok(true);
    }
    let began = Instant::now();
    let needed: Vec<_> = combinations.iter().flat_map(Combination::servers).collect();
    let servers = servers::fetch(&arguments.fetch, &needed).await?;
    let mut rows = Vec::new();
    for combination in &combinations {
        let row = run::run(combination, &servers, &arguments.results).await;
        println!("{}", row.line());
        for violation in row.violations.iter().take(3) {
            println!("    {violation}");
        }
        rows.push(row);
    }
    print!("\n{}", report::table(&rows));
    println!(
        "\n{} of {} combinations hold, {:.0} s; logs and histories are in {}",
        rows.iter().filter(|row| row.holds()).count(),
        rows.len(),
        began.elapsed().as_secs_f64(),
        arguments.results.display()
    );
    Ok(rows.iter().all(report::Row::holds))
}

/// Plays one combination and leaves its result in a file; what goes on is printed.
async fn play_here(name: &str, directory: &Path) -> Result<(), ChaosError> {
    let unknown = || ChaosError::Wrong(format!("there is no combination `{name}`"));
    let combination = Combination::named(name).ok_or_else(unknown)?;
    let row = play::play(&combination, directory, &|what| println!("{what}")).await?;
    run::leave(&row, directory)
}
