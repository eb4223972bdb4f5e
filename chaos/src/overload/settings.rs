//! By which numbers is measured.

use clap::{Args, value_parser};

/// Whether shoppers must say who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// `--auth-mode off`: made-up user ids are let in.
    Off,
    /// `--auth-mode jwt`: tokens are checked, bad ones too.
    Jwt,
}

/// The numbers of all parts.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Numbers")]
pub struct Settings {
    /// Seconds that an attack takes, and its control run.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = value_parser!(u64).range(2..=300))]
    pub attack_seconds: u64,

    /// Cores that the attacker may use, by a control group.
    #[arg(long, value_name = "CORES", default_value_t = 0.25, value_parser = cores)]
    pub attacker_cores: f64,

    /// Buys per second of honest shoppers beside the attacker.
    #[arg(long, value_name = "BUYS", default_value_t = 1_000, value_parser = value_parser!(u32).range(1..=10_000))]
    pub honest_rate: u32,

    /// Open files that the attacked gateway may have.
    #[arg(long, value_name = "FILES", default_value_t = 1_024, value_parser = value_parser!(u64).range(256..=1_000_000))]
    pub open_files: u64,

    /// Seconds that more is offered than Redis can take.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = value_parser!(u64).range(2..=300))]
    pub overload_seconds: u64,

    /// Buys per second that Redis can take.
    #[arg(long, value_name = "BUYS", default_value_t = 5_000, value_parser = value_parser!(u32).range(10..=20_000))]
    pub redis_rate: u32,

    /// Buys per second that are offered to it.
    #[arg(long, value_name = "BUYS", default_value_t = 15_000, value_parser = value_parser!(u32).range(10..=50_000))]
    pub offered: u32,

    /// Cores that the slow gateway may use, by a control group.
    #[arg(long, value_name = "CORES", default_value_t = 0.1, value_parser = cores)]
    pub gateway_cores: f64,

    /// Seconds that each point of the slow gateway's curve takes.
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = value_parser!(u64).range(2..=120))]
    pub point_seconds: u64,
}

fn cores(text: &str) -> Result<f64, String> {
    let cores: f64 = text.parse().map_err(|_| "write e.g. 0.25".to_owned())?;
    if (0.05..=64.0).contains(&cores) {
        Ok(cores)
    } else {
        Err("write a number of cores from 0.05 to 64".to_owned())
    }
}
