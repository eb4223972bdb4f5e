//! `flashsale-chaos`: each fault under a running sale, and what came of it.

use std::{path::PathBuf, process::ExitCode, time::Instant};

use clap::Parser;
use flashsale_chaos::{
    error::{ChaosError, exit_code},
    faults::Fault,
    results::{self, Line},
    round,
};

/// Breaks one thing after another under a running sale, and has the laws judged.
///
/// Each round starts a system of its own, sends a crowd, makes one fault happen, and judges. The
/// round's seed is printed and repeats what was drawn: victims, times, lengths.
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  flashsale-chaos                                      each fault once
  flashsale-chaos --only killed --rounds 20            each kill 20 times
  flashsale-chaos --only worker-postgres --seed 4711   the rounds of that seed again
  flashsale-chaos --table                              the table of all rounds so far

Exit status: 0 nothing was found, 1 something was, 3 a round could not be played.")]
struct Arguments {
    /// How often each fault happens, each time in a round of its own.
    #[arg(long, default_value_t = 1)]
    rounds: u64,

    /// Only faults whose names contain one of these, separated by commas.
    #[arg(long, default_value = "")]
    only: String,

    /// The seed of the first round; those after it count up. Without it: drawn.
    #[arg(long)]
    seed: Option<u64>,

    /// The file to which results are appended.
    #[arg(
        long,
        value_name = "FILE",
        default_value = "target/chaos/results.jsonl"
    )]
    results: PathBuf,

    /// Where logs and histories of rounds are kept that found something.
    #[arg(long, value_name = "DIR", default_value = "target/chaos/evidence")]
    evidence: PathBuf,

    /// Print the names of the faults and end.
    #[arg(long)]
    list: bool,

    /// Print the table of all results so far and end.
    #[arg(long)]
    table: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    exit_code("flashsale-chaos", run(&Arguments::parse()).await, 3)
}

async fn run(arguments: &Arguments) -> Result<bool, ChaosError> {
    let faults = Fault::matching(&arguments.only)?;
    if arguments.list {
        for fault in &faults {
            println!("{}", fault.name);
        }
        return Ok(true);
    }
    if arguments.table {
        print!("{}", results::table(&results::read(&arguments.results)?));
        return Ok(true);
    }
    // Below 2^32, so that nobody has to copy twenty digits.
    let mut seed = arguments
        .seed
        .unwrap_or_else(|| rand::random::<u32>().into());
    let started = Instant::now();
    let mut lines = Vec::new();
    let mut could_not = 0;
    for _ in 0..arguments.rounds {
        for fault in &faults {
            if let Some(why) = round::impossible(fault.kind) {
                println!("{:<32} skipped: {why}", fault.name);
                continue;
            }
            match round::play(std::slice::from_ref(fault), seed, &arguments.evidence).await {
                Ok(finding) => {
                    let line = Line::of(&finding);
                    results::append(&arguments.results, &line)?;
                    report(&line, finding.kept.as_deref());
                    lines.push(line);
                }
                Err(error) => {
                    could_not += 1;
                    println!(
                        "{:<32} seed {seed}: could not be played: {}",
                        fault.name,
                        error.with_causes()
                    );
                }
            }
            seed += 1;
        }
    }
    print!("\n{}", results::table(&lines));
    println!(
        "\n{} rounds in {:.0} s; results are in {}",
        lines.len(),
        started.elapsed().as_secs_f64(),
        arguments.results.display()
    );
    if could_not > 0 {
        return Err(ChaosError::Wrong(format!(
            "{could_not} rounds could not be played"
        )));
    }
    Ok(lines.iter().all(Line::is_clean))
}

fn report(line: &Line, kept: Option<&std::path::Path>) {
    let verdict = if line.is_clean() { "ok" } else { "FOUND" };
    println!(
        "{:<32} {verdict:<5} seed {}, {} acks, {} + {} outcomes, {} violations, {} lost with the \
         store, {} ms to recover{}, {:.0} s ({})",
        line.fault,
        line.seed,
        line.acks,
        line.confirmed,
        line.rejected,
        line.violations,
        line.lost_with_store,
        line.recovered_ms,
        if line.stuck { ", STUCK" } else { "" },
        line.seconds,
        line.how,
    );
    for violation in line.named.iter().take(3) {
        println!("    {violation}");
    }
    if let Some(kept) = kept {
        println!("    evidence: {}", kept.display());
    }
}
