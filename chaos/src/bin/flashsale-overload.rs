//! `flashsale-overload`: an attacker, or more buys than can be taken, and what came of it.

use std::{
    fs,
    hint::black_box,
    io,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::{Parser, Subcommand};
use flashsale_chaos::{
    error::ChaosError,
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
    numbers: Numbers,
}

/// The numbers of all parts.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Numbers")]
struct Numbers {
    /// Seconds that an attack takes, and its control run.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(2..=300))]
    attack_seconds: u64,

    /// Cores that the attacker may use, by a control group.
    #[arg(long, value_name = "CORES", default_value_t = 0.25, value_parser = cores)]
    attacker_cores: f64,

    /// Buys per second of honest shoppers beside the attacker.
    #[arg(long, value_name = "BUYS", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    honest_rate: u32,

    /// Open files that the attacked gateway may have.
    #[arg(long, value_name = "FILES", default_value_t = 1_024, value_parser = clap::value_parser!(u64).range(256..=1_000_000))]
    open_files: u64,

    /// Seconds that more is offered than Redis can take.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(2..=300))]
    overload_seconds: u64,

    /// Buys per second that Redis can take.
    #[arg(long, value_name = "BUYS", default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(10..=20_000))]
    redis_rate: u32,

    /// Buys per second that are offered to it.
    #[arg(long, value_name = "BUYS", default_value_t = 15_000, value_parser = clap::value_parser!(u32).range(10..=50_000))]
    offered: u32,

    /// Cores that the slow gateway may use, by a control group.
    #[arg(long, value_name = "CORES", default_value_t = 0.1, value_parser = cores)]
    gateway_cores: f64,

    /// Seconds that each point of the slow gateway's curve takes.
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(2..=120))]
    point_seconds: u64,
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
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("flashsale-overload: {}", error.with_causes());
            ExitCode::from(NOT_MEASURED)
        }
    }
}

async fn attack(target: attacker::Target, into: &Path) -> Result<(), ChaosError> {
    if !target.gateway.ip().is_loopback() {
        let what = format!(
            "{} is not on this machine, and is left alone",
            target.gateway
        );
        return Err(ChaosError::Wrong(what));
    }
    let tally = attacker::attack(target).await;
    let text = serde_json::to_string_pretty(&tally)
        .map_err(|error| ChaosError::Wrong(format!("the tally is no JSON: {error}")))?;
    fs::write(into, text).map_err(|source| ChaosError::File {
        path: into.to_path_buf(),
        source,
    })
}

fn spin(duration: Duration) {
    let began = Instant::now();
    let mut count = 0_u64;
    while began.elapsed() < duration {
        count = black_box(count.wrapping_add(1));
    }
}

async fn measure_all(arguments: &Arguments) -> Result<bool, ChaosError> {
    let parts = Part::matching(&arguments.only);
    if parts.is_empty() {
        return Err(ChaosError::Wrong(format!(
            "no part is named like `{}`; --list names all",
            arguments.only
        )));
    }
    if arguments.list {
        for part in parts {
            println!("{:<14} {}", part.name(), part.about());
        }
        return Ok(true);
    }
    let settings = arguments.numbers.settings();
    let mut findings = Vec::new();
    let mut not_measured = Vec::new();
    for part in parts {
        println!("{}: {}", part.name(), part.about());
        match measure(part, &settings, &arguments.results).await {
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
    let problem = |source| ChaosError::File {
        path: directory.clone(),
        source,
    };
    match fs::remove_dir_all(&directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(problem(error)),
        _ => fs::create_dir_all(&directory).map_err(problem)?,
    }
    let began = Instant::now();
    let tell = |what: &str| println!("    {:>3} s  {what}", began.elapsed().as_secs());
    let finding = part.measure(settings, &directory, &tell).await?;
    finding.save(part.name(), &directory)?;
    for check in &finding.checks {
        println!("    {}", check.line());
    }
    Ok(finding)
}

impl Numbers {
    fn settings(&self) -> Settings {
        Settings {
            attack_seconds: self.attack_seconds,
            attacker_cores: self.attacker_cores,
            honest_rate: self.honest_rate,
            open_files: self.open_files,
            overload_seconds: self.overload_seconds,
            redis_rate: self.redis_rate,
            offered: self.offered,
            gateway_cores: self.gateway_cores,
            point_seconds: self.point_seconds,
        }
    }
}

fn cores(text: &str) -> Result<f64, String> {
    let cores: f64 = text.parse().map_err(|_| "write e.g. 0.25".to_owned())?;
    if (0.05..=64.0).contains(&cores) {
        Ok(cores)
    } else {
        Err("write a number of cores from 0.05 to 64".to_owned())
    }
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
