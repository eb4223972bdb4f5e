//! Patience at the turnstile.

use std::time::Duration;

use clap::Args;

/// How long buys wait for Redis, and how many may.
///
/// A buy waits at most `queue` and then at most `call`: the defaults answer every buy within
/// 0.9 seconds, whatever Redis does.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Intake")]
pub struct IntakeConfig {
    /// Milliseconds that one call of the turnstile may take before its buys are answered 503.
    #[arg(
        long,
        env = "FLASHSALE_TURNSTILE_TIMEOUT_MILLIS",
        value_name = "MILLIS",
        default_value_t = 450,
        value_parser = clap::value_parser!(u64).range(10..=60_000)
    )]
    pub turnstile_timeout_millis: u64,

    /// Milliseconds that a buy may wait for its call before it is answered 503.
    #[arg(
        long,
        env = "FLASHSALE_INTAKE_TIMEOUT_MILLIS",
        value_name = "MILLIS",
        default_value_t = 450,
        value_parser = clap::value_parser!(u64).range(10..=60_000)
    )]
    pub intake_timeout_millis: u64,

    /// Buys of one sale that may wait for their call; further ones are answered 503 at once.
    #[arg(
        long,
        env = "FLASHSALE_INTAKE_BACKLOG",
        value_name = "BUYS",
        default_value_t = 20_000,
        value_parser = clap::value_parser!(u32).range(1..=1_000_000)
    )]
    pub intake_backlog: u32,
}

impl IntakeConfig {
    /// How long a call may take.
    #[must_use]
    pub fn call_timeout(&self) -> Duration {
        Duration::from_millis(self.turnstile_timeout_millis)
    }

    /// How long a buy may wait for its call.
    #[must_use]
    pub fn queue_timeout(&self) -> Duration {
        Duration::from_millis(self.intake_timeout_millis)
    }

    /// How many buys may wait.
    #[must_use]
    pub fn backlog(&self) -> usize {
        usize::try_from(self.intake_backlog).unwrap_or(usize::MAX)
    }
}
