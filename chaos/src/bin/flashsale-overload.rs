//! `flashsale-overload`: an attacker, or more buys than can be taken, and what came of it.

use std::{
    hint::black_box,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::{Parser, Subcommand};
use flashsale_chaos::{
    error::{ChaosError, exit_code},
    files,
    overload::{Part, Settings, attacker, report::Finding},
};

/// Exit status when something could not be measured.
const NOT_MEASURED: u8 = 3;

/// Attacks a gateway and offers it more than it can take, and judges what honest shoppers notice.
///
/// Each part starts a system of its own on this machine: PostgreSQL, Redis, a gateway, a worker.
/// Nothing leaves 127.0.0.0/8. Processor time is limited by control groups, which needs root.
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  flashsale-overload                           every part, in about ten minutes
  flashsale-overload --only attack             both attacks: without and with tokens
  flashsale-overload --only slow-redis         more than Redis can take
  flashsale-overload --attack-seconds 10 --overload-seconds 10 --point-seconds 5

Measure with release builds and nothing else on the machine: `make overload`.

Exit status: 0 everything holds, 1 something does not, 3 something could not be measured.")]
struct Arguments {
    #[command(subcommand)]
    role: Option<Role>,

    /// Only parts whose names contain one of these, separated by commas.
    #[arg(long, default_value = "")]
    only: String,

    /// Print the names of the parts and end.
    #[arg(long)]
    list: bool,

    /// Where logs and results are written, a directory for each part.
    #[arg(long, value_name = "DIR", default_value = "target/overload")]
    results: PathBuf,

    #[command(flatten)]
    settings: Settings,
}

/// What this program does beside the shoppers, as a process of its own.
#[derive(Debug, Subcommand)]
enum Role {
    /// Attack a gateway on this machine.
    #[command(hide = true)]
    Attack {
        #[command(flatten)]
        target: attacker::Target,
        /// Where the tally is left.
        #[arg(long)]
        into: PathBuf,
    },
    /// Use processor time.
    #[command(hide = true)]
    Spin {
        /// For so long.
        #[arg(long)]
        seconds: u64,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match arguments.role {
        Some(Role::Attack { target, into }) => attack(target, &into).await.map(|()| true),
        Some(Role::Spin { seconds }) => {
            spin(Duration::from_secs(seconds));
            Ok(true)
        }
        None => measure_all(&arguments).await,
    };
    exit_code("flashsale-overload", outcome, NOT_MEASURED)
}

async fn attack(target: attacker::Target, into: &Path) -> Result<(), ChaosError> {
    if !target.gateway.ip().is_loopback() {
        let gateway = target.gateway;
        let what = format!("{gateway} is not on this machine, and is left alone");
        return Err(ChaosError::Wrong(what));
    }
    files::write_json(into, &attacker::attack(target).await)
}

fn spin(duration: Duration) {
    let began = Instant::now();
    let mut count = 0_u64;
    while began.elapsed() < duration {
        count = black_box(count.wrapping_add(1));
    }
}

async fn measure_all(arguments: &Arguments) -> Result<bool, ChaosError> {
    let parts = Part::matching(&arguments.only)?;
    if arguments.list {
        for part in parts {
            println!("{:<14} {}", part.name(), part.about());
        }
        return Ok(true);
    }
    let mut findings = Vec::new();
    let mut not_measured = Vec::new();
    for part in parts {
        println!("{}: {}", part.name(), part.about());
        match measure(part, &arguments.settings, &arguments.results).await {
            Ok(finding) => findings.push((part, finding)),
            Err(error) => {
                println!("    not measured: {}", error.with_causes());
                not_measured.push(part.name());
            }
        }
    }
    for (part, finding) in &findings {
        print!("\n{}", finding.markdown(part.name()));
    }
    println!("\nlogs and results are in {}", arguments.results.display());
    if !not_measured.is_empty() {
        return Err(ChaosError::Wrong(format!(
            "not measured: {}; why stands above",
            not_measured.join(", ")
        )));
    }
    Ok(findings.iter().all(|(_, finding)| finding.holds()))
}

async fn measure(part: Part, settings: &Settings, results: &Path) -> Result<Finding, ChaosError> {
    let directory = results.join(part.name());
    files::empty(&directory)?;
    let began = Instant::now();
    let tell = |what: &str| println!("    {:>3} s  {what}", began.elapsed().as_secs());
    let finding = part.measure(settings, &directory, &tell).await?;
    finding.save(part.name(), &directory)?;
    for check in &finding.checks {
        println!("    {}", check.line());
    }
    Ok(finding)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn flags_are_consistent() {
        Arguments::command().debug_assert();
    }
}
